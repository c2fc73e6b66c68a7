"""Does it help? The honest protocol, on every photo set of a folder.

    python benchmarks/accuracy.py DATA [--fungi] [--shots 5] [--output accuracy]

DATA holds one folder a set, each with sub-folders ``train`` and ``test`` of class
folders, or with an ``.npz`` file of arrays ``x_train, y_train, x_test, y_test`` and,
where photos come in bursts, ``track_train``. scikit-learn's digits come on top, a
quarter of them as test part, also as their 64 pixels. All other features come from the
default backbone and are cached.

Everything is chosen by cross-validated log loss on the training part alone, whole
bursts in one fold where that is possible; the test part is predicted once.

1. SoftKNN: k and tau by the votes' own score.
2. BASE: logistic regression on rows of unit length; C by its own score.
3. JOINT-INF, JOINT, JOINT-focal: the k and tau of 1, the C of 2, and of all points
   within one standard error of the best (paired over the folds) the one with the
   least lambda, then the mildest weights. BASE is among the points, so votes and
   weights come in only where the folds agree that they help.

The rule of 3 and the unit length of 2 were chosen on draws from training parts alone.

Few shots are drawn at random, once a seed; their table gives means over the draws.
Intervals are 95 % by bootstrap over test images; differences to BASE are paired. They
do not show how much a draw or another training part would change.

Prints a table, and writes a CSV file of every run and a figure.
"""

import csv
import warnings
from pathlib import Path

import numpy as np
from _photo_sets import arguments, features, few, folds, photo_sets
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

from skknn import JointKNNClassifier, NeighborSearchCV, SoftKNNClassifier

SCORING = "neg_log_loss"
KS = [1, 2, 4, 8, 16, 32, 64, 128]  # clipped to what a fold holds
TAUS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0]
CS = [1, 3, 10, 30, 100, 300, 1000]
LAMS = np.linspace(0, 1, 21)
# Mildest weights first; gamma = 0 weights all rows alike.
ALPHAS = [0, 0.001, 0.01, 0.1]
GAMMAS = [0, 0.25, 0.5, 1, 2]
JOINTS = ["JOINT-INF", "JOINT", "JOINT-focal"]
MODELS = ["20-NN vote", "SoftKNN", "BASE", *JOINTS]
COLORS = ["#9A9A9A", "#E69F00", "#000000", "#56B4E9", "#0072B2", "#D55E00"]
MARKERS = ["s", "D", "X", "^", "o", "v"]


def main():
    parser = arguments(__doc__)
    parser.add_argument("--fungi", action="store_true", help="gradient features too")
    parser.add_argument("--output", type=Path, default=Path("accuracy"))
    args = parser.parse_args()

    rows = []
    for name, data in photo_sets(args.data, args.sets):
        for kind, (X, X_test) in features(data, args).items():
            y, y_test, groups = data["y"], data["y_test"], data["groups"]
            draws = [("full", np.arange(len(y)), 0)] + [
                (f"{args.shots}-shot", few(y, args.shots, seed), seed)
                for seed in range(args.seeds)
            ]
            for regime, part, seed in draws:
                part_groups = None if groups is None else groups[part]
                proba, chosen = evaluate(X[part], y[part], part_groups, X_test, seed)
                for row in score(proba, y_test):
                    run = dict(set=name, features=kind, regime=regime, seed=seed)
                    rows.append(run | row | {"chosen": chosen[row["model"]]})
            show([r for r in rows if r["set"] == name and r["features"] == kind])
    if not rows:
        raise SystemExit(f"No photo set in {args.data} (see --help for the layout).")
    summarise(rows)
    write(rows, args.output)


def evaluate(X, y, groups, X_test, seed):
    """Test probabilities and parameters of each model, tuned on the training rows."""
    cv = folds(y, groups, seed)

    def search(model, grid, refit=True):
        # k is clipped in small folds, and few-shot folds may lack neighbours of a
        # class: both are expected here.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            tuned = NeighborSearchCV(model, grid, scoring=SCORING, cv=cv, refit=refit)
            return tuned.fit(X, y, groups=groups)

    def nearest_to_base(results):
        scores = np.column_stack(
            [results[f"split{i}_test_score"] for i in range(cv.get_n_splits())]
        )
        behind = scores[scores.mean(axis=1).argmax()] - scores
        error = behind.std(axis=1, ddof=1) / np.sqrt(scores.shape[1])
        close = np.flatnonzero(behind.mean(axis=1) <= error)
        # Within one lambda the mildest weights come first.
        return min(close, key=lambda point: (results["param_lam"][point], point))

    knn = search(SoftKNNClassifier(), {"k": KS, "tau": TAUS})
    linear = make_pipeline(Normalizer(), LogisticRegression(max_iter=1000, tol=1e-5))
    joint = JointKNNClassifier(estimator=linear).set_params(**knn.best_params_)
    c_name = "estimator__logisticregression__C"
    base = search(joint, {c_name: CS, "alpha": [0], "lam": [0]})
    joint = clone(joint).set_params(**{c_name: base.best_params_[c_name]})
    focal = clone(joint).set_params(modulation="focal")
    grids = {"alpha": [0]}, {"alpha": ALPHAS}, {"gamma": GAMMAS}
    tuned = [
        search(model, {**grid, "lam": LAMS}, refit=nearest_to_base)
        for model, grid in zip((joint, joint, focal), grids)
    ]
    unit = Normalizer()
    plain = KNeighborsClassifier(min(20, len(y))).fit(unit.transform(X), y)
    proba = [model.predict_proba(X_test) for model in (knn, base, *tuned)]
    proba = dict(zip(MODELS, [plain.predict_proba(unit.transform(X_test)), *proba]))
    chosen = [model.best_params_ for model in (knn, base, *tuned)]
    return proba, dict(zip(MODELS, [{}, *chosen]))


def score(proba, y_test):
    """One row a model: accuracy, its difference to BASE, both with intervals."""
    random = np.random.default_rng(0)
    draws = random.integers(0, len(y_test), (1000, len(y_test)))
    classes = np.unique(y_test)
    hits = {
        model: (classes[p.argmax(axis=1)] == y_test).astype(float)
        for model, p in proba.items()
    }
    rows = []
    for model, hit in hits.items():
        row = {"model": model, "log_loss": log_loss(y_test, proba[model])}
        for prefix, values in ("", hit), ("gain_", hit - hits["BASE"]):
            low, high = np.quantile(values[draws].mean(axis=1), [0.025, 0.975])
            row |= {
                f"{prefix}accuracy": values.mean(),
                f"{prefix}low": low,
                f"{prefix}high": high,
            }
        rows.append(row)
    return rows


def mean(rows, key, **wanted):
    """Mean of one column over the rows that have the wanted values."""
    return np.mean([r[key] for r in rows if wanted.items() <= r.items()])


def show(rows):
    """One line a model; few-shot numbers are means over the draws."""
    first = rows[0]
    regimes = list(dict.fromkeys(r["regime"] for r in rows))
    print(
        f"\n{first['set']}, {first['features']}: test accuracy [95 %], log loss, "
        "points above BASE [95 %]"
    )
    print(" " * 14 + "".join(f"{regime:46}" for regime in regimes))
    for model in MODELS:
        cells = []
        for regime in regimes:
            part = dict(model=model, regime=regime)
            value, low, high, loss = (
                mean(rows, key, **part)
                for key in ("accuracy", "low", "high", "log_loss")
            )
            cell = f"{value:.3f} [{low:.3f}, {high:.3f}] {loss:.3f}"
            if model in JOINTS:
                gain, low, high = (
                    100 * mean(rows, f"gain_{key}", **part)
                    for key in ("accuracy", "low", "high")
                )
                cell += f"  {gain:+.1f} [{low:+.1f}, {high:+.1f}]"
            cells.append(f"{cell:46}")
        print(f"  {model:12}" + "".join(cells))


def summarise(rows):
    """Mean over the sets, and the worst set against BASE."""
    for regime, kind in dict.fromkeys((r["regime"], r["features"]) for r in rows):
        print(f"\nmean over the sets, {kind}, {regime}: accuracy, log loss")
        part = [r for r in rows if (r["regime"], r["features"]) == (regime, kind)]
        sets = list(dict.fromkeys(r["set"] for r in part))
        for model in MODELS:
            of_sets = [
                [mean(part, key, model=model, set=name) for name in sets]
                for key in ("accuracy", "log_loss", "gain_accuracy")
            ]
            accuracy, loss, gain = np.mean(of_sets, axis=1)
            line = f"  {model:12}{accuracy:.3f}  {loss:.3f}"
            if model in JOINTS:
                line += (
                    f"  points above BASE {100 * gain:+.1f}, worst set "
                    f"{100 * min(of_sets[2]):+.1f}"
                )
            print(line)


def write(rows, output):
    output.mkdir(parents=True, exist_ok=True)
    with open(output / "accuracy.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    try:
        import matplotlib
    except ImportError:
        print("No figure: it needs matplotlib.")
        return
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    regimes = list(dict.fromkeys(r["regime"] for r in rows))
    columns = list(dict.fromkeys((r["set"], r["features"]) for r in rows))
    figure, axes = plt.subplots(
        2 * len(regimes), 1, figsize=(max(8.5, 1 + len(columns)), 5 * len(regimes)),
        sharex=True, layout="constrained",
    )  # fmt: skip
    for top, bottom, regime in zip(axes[::2], axes[1::2], regimes):
        for axis, models, prefix, scale in (
            (top, MODELS, "", 1),
            (bottom, JOINTS, "gain_", 100),
        ):
            for i, model in enumerate(models):
                style = MODELS.index(model)
                middle, low, high = scale * np.array([
                    [
                        mean(rows, prefix + key, set=name, features=kind,
                             regime=regime, model=model)
                        for name, kind in columns
                    ]
                    for key in ("accuracy", "low", "high")
                ])  # fmt: skip
                axis.errorbar(
                    np.arange(len(columns)) + 0.12 * (i - (len(models) - 1) / 2),
                    middle, [middle - low, high - middle], fmt=MARKERS[style], ms=6,
                    elinewidth=1.2, color=COLORS[style], label=model,
                )  # fmt: skip
            axis.grid(axis="y", color="#E0E0E0")
            axis.set_axisbelow(True)
        top.set_title(regime)
        top.set_ylabel("test accuracy")
        bottom.set_ylabel("points above BASE")
        bottom.axhline(0, color="black", linewidth=1)
    axes[-1].set_xticks(range(len(columns)), [f"{n}\n{k}" for n, k in columns])
    figure.legend(
        *axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=6
    )
    figure.savefig(output / "accuracy.png", dpi=120)
    print(f"\nwritten: {output / 'accuracy.csv'}, {output / 'accuracy.png'}")


if __name__ == "__main__":
    main()
