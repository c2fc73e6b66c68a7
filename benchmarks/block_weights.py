"""Do weighed blocks help neighbours? On every photo set of a folder, losses included.

    python benchmarks/block_weights.py DATA [--features FOLDER] [--sets NAME ...]

DATA is laid out as for ``accuracy.py``. Features are those of ``FungiTransformer`` with
all three objectives and the blocks of view embeddings, without PCA: 62 passes an image,
so use a GPU or few sets. With ``--features`` they are kept as FOLDER/NAME.npz and read
from there: rows "train" and "test", and "names" and "widths" of the blocks.

Two regimes: draws of 80 % of the training part ("full"; bursts are drawn whole) and of
a few images a class. On each draw four sets of rows compete:

- embedding: the embedding alone, as it is (unit rows).
- equal: all blocks with equal weights, as FUNGI puts them side by side.
- no views: ``BlockWeights``, fitted on the draw, bursts as groups, without the blocks
  of view embeddings.
- weighed: the same with all blocks.

Each is judged on the test part by the plain vote of 20 neighbours (with a few shots
also of so many as there are shots) and by ``SoftKNNClassifier``, centred, whose k and
tau ``BlockWeights`` chose by the same leave-one-out on the same draw. Nothing is chosen
on the test part.
"""

from pathlib import Path

import numpy as np
from _photo_sets import arguments, few, fungi_rows, most, photo_sets
from sklearn.neighbors import KNeighborsClassifier

from skknn import BlockWeights, SoftKNNClassifier

ROWS = ["embedding", "equal", "no views", "weighed"]


def main():
    parser = arguments(__doc__)
    parser.add_argument("--features", type=Path, help="folder of rows to keep or read")
    parser.add_argument(
        "--study",
        action="store_true",
        help="judge on the rest of the training part instead of the test part",
    )
    args = parser.parse_args()

    gains = {}
    for name, data in photo_sets(args.data, args.sets):
        X, X_test, slices = fungi_rows(name, data, args)
        print(f"\n{name}: {len(X)} + {len(X_test)} rows, blocks {', '.join(slices)}")
        for regime in "full", f"{args.shots}-shot":
            found = [
                one_draw(regime, seed, X, X_test, data, slices, args)
                for seed in range(args.seeds)
            ]
            show(regime, found)
            for column in found[0][0]["embedding"]:
                for rows in ROWS[1:]:
                    gains.setdefault((regime, column, rows), {})[name] = [
                        scores[rows][column] - scores["embedding"][column]
                        for scores, _ in found
                    ]
    if not gains:
        raise SystemExit(f"No photo set in {args.data} (see accuracy.py --help).")
    print("\npoints above the embedding, means over the draws and sets")
    for (regime, column, rows), of_sets in gains.items():
        means = {name: 100 * np.mean(values) for name, values in of_sets.items()}
        mean, worst = np.mean(list(means.values())), min(means, key=means.get)
        print(
            f"  {regime:7}{column:9}{rows:10}mean {mean:+.1f}, worst "
            f"{means[worst]:+.1f} ({worst})"
        )


def one_draw(regime, seed, X, X_test, data, slices, args):
    """({rows: {column: test accuracy}}, weights) of one draw of training rows."""
    y, groups, y_test = data["y"], data["groups"], data["y_test"]
    part = np.arange(len(y))
    if regime == "full" or args.study:
        part = most(y, groups, 0.7 if args.study else 0.8, seed)
    if args.study:
        rest = np.setdiff1d(np.arange(len(y)), part)
        X_test, y_test = X[rest], y[rest]
    if regime != "full":
        part = part[few(y[part], args.shots, seed)]
    X, y = X[part], y[part]
    groups = None if groups is None else groups[part]
    embedding = slices["embedding"]
    plain = {
        "embedding": (X[:, embedding], X_test[:, embedding]),
        "equal": (X, X_test),
    }
    blocks = {
        "embedding": {"embedding": embedding},
        "equal": {"all": slice(0, X.shape[1])},
        "no views": {b: s for b, s in slices.items() if not b.endswith("_views")},
        "weighed": slices,
    }
    scores = {}
    for name in ROWS:
        weights = BlockWeights(blocks=blocks[name]).fit(X, y, groups=groups)
        rows = weights.transform(X), weights.transform(X_test)
        soft = SoftKNNClassifier(
            weights.n_neighbors_, tau=weights.tau_, preprocessing=None
        )
        models = {"20-NN": KNeighborsClassifier(min(20, len(y)))}
        if regime != "full":
            models[f"{args.shots}-NN"] = KNeighborsClassifier(args.shots)
        seen = plain.get(name, rows)
        scores[name] = {
            column: model.fit(seen[0], y).score(seen[1], y_test)
            for column, model in models.items()
        }
        scores[name]["SoftKNN"] = soft.fit(rows[0], y).score(rows[1], y_test)
    return scores, weights.weights_


def show(regime, found):
    """Mean accuracies, and the gain of weighed rows with its standard error."""
    columns = list(found[0][0]["embedding"])
    print(f"  {regime:7}" + "".join(f"{column:>22}" for column in columns))
    for name in ROWS:
        cells = []
        for column in columns:
            values = np.array([scores[name][column] for scores, _ in found])
            base = np.array([scores["embedding"][column] for scores, _ in found])
            cell = f"{values.mean():.3f}"
            if name != "embedding":
                gain = 100 * (values - base)
                error = gain.std(ddof=1) / np.sqrt(len(gain)) if len(gain) > 1 else 0
                cell += f" {gain.mean():+5.1f} ± {error:.1f}"
            cells.append(f"{cell:>22}")
        print(f"  {name:10}" + "".join(cells)[3:])
    mean = {b: np.mean([w[b] / sum(w.values()) for _, w in found]) for b in found[0][1]}
    print("  shares    " + ", ".join(f"{b} {v:.2f}" for b, v in mean.items()))


if __name__ == "__main__":
    main()
