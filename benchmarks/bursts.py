"""What groups change where photos come in bursts, on sets of a folder that have some.

    python benchmarks/bursts.py DATA [--features FOLDER] [--seeds 5]

DATA is laid out as for ``accuracy.py``; sets without groups are passed over. Rows are
embeddings; ``--features`` reads them as ``accuracy.py`` keeps them. Each draw
takes 80 % of the bursts of each class for training. Printed are means over the draws,
with standard errors, without ``groups`` and with them:

- leave-one-out: accuracy of ``SoftKNNClassifier`` on the training rows, each left out,
  beside that of five folds of whole bursts and that on the test part, which it is to
  foretell; then the k and tau that it would choose, and what they give on the test
  part.
- wrong labels: a tenth of the bursts, as a whole, get the label of another class; the
  share of their rows among as many that ``knn_proba_`` calls hardest. The same for a
  tenth of single photos.
- JOINT: test accuracy of ``JointKNNClassifier`` with alpha 0.01, 0.1 and 1, without the
  votes (lambda 0) and with a share of 0.3 of them. C is the best of BASE by five folds
  of whole bursts of the first draw.
"""

from pathlib import Path

import numpy as np
from _photo_sets import arguments, kept_rows, most, photo_sets
from sklearn.model_selection import StratifiedGroupKFold

from skknn import (
    BackboneEmbedder,
    JointKNNClassifier,
    JointKNNClassifierCV,
    KNNWeightedLogisticRegression,
    NeighborSearchCV,
    SoftKNNClassifier,
)

GRID = {"n_neighbors": [1, 2, 4, 8, 16, 32, 64], "tau": [0.01, 0.02, 0.05, 0.1, 0.2]}
ALPHAS, SHARES = (0.01, 0.1, 1.0), (0.0, 0.3)


def main():
    parser = arguments(__doc__)
    parser.add_argument("--features", type=Path, help="folder of rows to read")
    args = parser.parse_args()
    for name, data in photo_sets(args.data, args.sets):
        if data["groups"] is None:
            continue
        X, X_test = rows_of(name, data, args)
        print(f"\n{name}: {len(X)} rows in {len(np.unique(data['groups']))} bursts")
        found, C = [], None
        for seed in range(args.seeds):
            part = most(data["y"], data["groups"], 0.8, seed)
            draw = X[part], data["y"][part], data["groups"][part]
            test = X_test, data["y_test"]
            if C is None:
                C = best_strength(*draw)
            found.append(
                {
                    **leave_one_out(*draw, *test),
                    **wrong_labels(*draw, seed),
                    **joint(*draw, *test, C),
                }
            )
            print(f"draw {seed + 1} of {args.seeds}", flush=True)
        show(found, C)


def rows_of(name, data, args):
    """Embeddings of both parts."""
    if args.features:
        train, test, slices = kept_rows(args.features / f"{name}.npz", data)
        return train[:, slices["embedding"]], test[:, slices["embedding"]]
    embedder = BackboneEmbedder(memory=args.cache, verbose=1)
    train = embedder.fit_transform(data["images"])
    return train, embedder.transform(data["images_test"])


def folds(X, y, groups):
    return list(StratifiedGroupKFold(5).split(X, y, groups))


def best_strength(X, y, groups):
    base = JointKNNClassifierCV(
        n_neighbors=20, tau=0.1, lam=0, cv=folds(X, y, groups), scoring="neg_log_loss"
    )
    return base.fit(X, y).best_params_["C"]


def sides(groups):
    return ("without", None), ("with", groups)


def leave_one_out(X, y, groups, X_test, y_test):
    knn, cells = SoftKNNClassifier(), {}
    cv = NeighborSearchCV(knn, {"tau": [knn.tau]}, cv=folds(X, y, groups), refit=False)
    folded = cv.fit(X, y).cv_results_["mean_test_score"][0]
    for side, given in sides(groups):
        knn.fit(X, y, given)
        cells["leave-one-out accuracy", side] = (knn.predict(None) == y).mean()
        cells["five folds of bursts", side] = folded
        cells["test accuracy", side] = knn.score(X_test, y_test)
        near = knn.kneighbors(return_distance=False)
        same = (groups[near] == groups[:, None]).mean()
        cells["neighbours of the own burst", side] = same
        search = NeighborSearchCV(knn, GRID, cv="loo").fit(X, y, groups=given)
        cells["chosen by it: k", side] = search.best_params_["n_neighbors"]
        cells["chosen by it: tau", side] = search.best_params_["tau"]
        cells["chosen by it: test accuracy", side] = search.score(X_test, y_test)
    return cells


def wrong_labels(X, y, groups, seed):
    random, cells = np.random.default_rng(seed), {}
    bursts = np.unique(groups)
    drawn = random.choice(bursts, len(bursts) // 10, replace=False)
    single = random.choice(len(y), len(y) // 10, replace=False)
    shift = random.integers(1, len(np.unique(y)), groups.max() + 1)
    for what, wrong in (
        ("whole bursts", np.isin(groups, drawn)),
        ("single photos", np.isin(np.arange(len(y)), single)),
    ):
        classes, codes = np.unique(y, return_inverse=True)
        codes = np.where(wrong, (codes + shift[groups]) % len(classes), codes)
        for side, given in sides(groups):
            knn = SoftKNNClassifier().fit(X, codes, given)
            proba = knn.predict_proba(None)[np.arange(len(y)), codes]
            hardest = np.argsort(proba, kind="stable")[: wrong.sum()]
            cells[f"wrong labels found, {what}", side] = wrong[hardest].mean()
    return cells


def joint(X, y, groups, X_test, y_test, C):
    cells = {}
    base = JointKNNClassifier(alpha=0, lam=0, C=C).fit(X, y)
    # For new images groups change no votes.
    votes = SoftKNNClassifier().fit(X, y).predict_proba(X_test)
    for side, given in sides(groups):
        cells["BASE", side] = base.score(X_test, y_test)
        for alpha in ALPHAS:
            guided = KNNWeightedLogisticRegression(alpha=alpha, C=C).fit(X, y, given)
            proba = guided.predict_proba(X_test)
            cells[f"mean weight, alpha={alpha}", side] = guided.sample_weight_.mean()
            for lam in SHARES:
                codes = (lam * votes + (1 - lam) * proba).argmax(axis=1)
                score = (guided.classes_[codes] == y_test).mean()
                cells[f"JOINT, alpha={alpha}, lambda={lam}", side] = score
    return cells


def show(found, C):
    names = list(dict.fromkeys(name for name, _ in found[0]))
    print(f"C = {C:.3g}\n{'':34}{'without':>16}{'with':>16}{'difference':>18}")
    for name in names:
        pair = [
            np.array([draw[name, side] for draw in found]) for side, _ in sides(None)
        ]
        cells = [*pair, pair[1] - pair[0]]
        text = "".join(
            f"{cell.mean():>{width}.3f} ± {_error(cell):.3f}"
            for cell, width in zip(cells, (8, 8, 10))
        )
        print(f"{name:34}{text}")


def _error(values):
    return values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else 0.0


if __name__ == "__main__":
    main()
