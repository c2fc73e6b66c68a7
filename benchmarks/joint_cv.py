"""What JointKNNClassifierCV gains over its own base, on every photo set of a folder.

    python benchmarks/joint_cv.py DATA [--fungi] [--shots 5] [--seeds 5]

DATA is laid out as for ``accuracy.py``, whose sets, features and few-shot draws these
are. One fit a draw chooses everything on the training part; the test part is predicted
once by

- *votes*: the kNN side alone, with its k and tau;
- *BASE*: the logistic regression alone, with the same ``C``;
- *JOINT*: their mixture, lambda by ``selection="best"``;
- *one-se*: the same with ``selection="one-se"`` (a fit of its own).

Seeds draw the few shots and the folds; with all images they draw the folds alone.
Whole bursts are kept in one fold. Prints test accuracies, and points above BASE with
the lowest and the highest draw, losses included.
"""

import warnings

import numpy as np
from _photo_sets import arguments, features, few, folds, photo_sets
from sklearn.preprocessing import Normalizer

from skknn import JointKNNClassifierCV

MODELS = ["votes", "BASE", "JOINT", "one-se"]


def main():
    parser = arguments(__doc__)
    parser.add_argument("--fungi", action="store_true", help="gradient features too")
    args = parser.parse_args()

    print(f"{'':44}" + "".join(f"{m:>8}" for m in MODELS) + "  points above BASE")
    gains = {}
    for name, data in photo_sets(args.data, args.sets):
        for kind, (X, X_test) in features(data, args).items():
            unit = Normalizer()
            X, X_test = unit.transform(X), unit.transform(X_test)
            for regime, shots in ("full", None), (f"{args.shots}-shot", args.shots):
                found = [
                    evaluate(data, X, X_test, shots, seed) for seed in range(args.seeds)
                ]
                show(f"{name}, {kind}, {regime}", found)
                for model in MODELS[2:]:
                    gain = np.mean([f[model] - f["BASE"] for f in found])
                    gains.setdefault((kind, regime, model), []).append(gain)
    for (kind, regime, model), values in gains.items():
        mean, worst = 100 * np.mean(values), 100 * np.min(values)
        print(
            f"{model} above BASE, {kind}, {regime}: {mean:+.1f} points, "
            f"worst set {worst:+.1f}"
        )


def evaluate(data, X, X_test, shots, seed):
    """Test accuracies and the chosen parameters of one draw."""
    y, groups = data["y"], data["groups"]
    part = np.arange(len(y)) if shots is None else few(y, shots, seed)
    cv = folds(y[part], None if groups is None else groups[part], seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # small classes, as expected
        joint, cautious = (
            JointKNNClassifierCV(cv=cv, selection=selection).fit(
                X[part], y[part], groups=None if groups is None else groups[part]
            )
            for selection in ("best", "one-se")
        )
    # With alpha=0, the default, the fitted base is the one without votes.
    models = dict(zip(MODELS, (joint.knn_, joint.estimator_, joint, cautious)))
    scores = {
        model: np.mean(fitted.predict(X_test) == data["y_test"])
        for model, fitted in models.items()
    }
    return scores | {"chosen": joint.best_params_}


def show(title, found):
    """One line a set, kind of features and regime."""
    means = "".join(f"{np.mean([f[m] for f in found]):8.3f}" for m in MODELS)
    gains = [100 * (f["JOINT"] - f["BASE"]) for f in found]
    shares = [f["chosen"]["lam"] for f in found]
    print(
        f"{title:44}{means}  {np.mean(gains):+.1f} [{min(gains):+.1f}, "
        f"{max(gains):+.1f}], lambda {min(shares):.2f} to {max(shares):.2f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
