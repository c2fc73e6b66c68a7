"""Does it help? Gradients, block weights and votes on every photo set of a folder.

    python benchmarks/accuracy.py DATA [--features FOLDER] [--sets NAME ...] [--shots 5]

DATA holds one folder a set, each with sub-folders ``train`` and ``test`` of class
folders, or with an ``.npz`` file of arrays ``x_train, y_train, x_test, y_test`` and,
where photos come in bursts, ``track_train``. scikit-learn's digits come on top, a
quarter of them as test part: their embedding and their 64 pixels.

Rows of photos, of the default backbone:

- embedding: unit rows.
- FUNGI: the embedding and gradients of KL, DINO and SimCLR side by side, F's full
  setting of 62 passes an image: use a GPU or few sets. With ``--features`` they are
  kept as FOLDER/NAME.npz and read from there; without, in the cache.
- weighed: what ``BlockWeights`` makes of FUNGI.
- views: the same with the means of views' embeddings among the blocks.
- pipeline: ``JointKNNClassifierCV``, its votes on the weighed blocks, its base on all
  of FUNGI.

Models: the plain vote of 20 neighbours, and of one fit of ``JointKNNClassifierCV`` its
votes (SoftKNN), its base (BASE, a logistic regression) and their mixture (JOINT). All
is chosen on the training part, bursts as groups; the test part is predicted once.

Rows of few photos are turned into fewer columns, which changes no distance and no fit.

Few shots are drawn at random, once a seed; their numbers are means over the draws.
Intervals are 95 % by bootstrap over test images and draws. Differences are paired.

"gain" is over the same model on the embedding, "JOINT - probe" over BASE there. Prints
tables, and writes them as a CSV file and a figure.
"""

import csv
import warnings
from pathlib import Path

import numpy as np
from _photo_sets import arguments, few, folds, fungi_rows, photo_sets
from sklearn.frozen import FrozenEstimator
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import Normalizer

from skknn import BackboneEmbedder, BlockWeights, JointKNNClassifierCV
from skknn.utils._slices import side_by_side

KINDS = ["embedding", "FUNGI", "weighed", "views", "pipeline", "pixels"]
MODELS = ["20-NN vote", "SoftKNN", "BASE", "JOINT"]
# Column -> (of this model, minus that model on these rows; None: on the same rows)
GAINS = {
    **{f"{model} gain": (model, model, "embedding") for model in MODELS},
    "JOINT - BASE": ("JOINT", "BASE", None),
    "JOINT - probe": ("JOINT", "BASE", "embedding"),
}
COLORS = ["#000000", "#E69F00", "#0072B2", "#56B4E9", "#D55E00", "#9A9A9A"]
MARKERS = ["X", "s", "o", "v", "D", "^"]


def main():
    parser = arguments(__doc__)
    parser.add_argument("--features", type=Path, help="folder of rows to keep or read")
    parser.add_argument("--output", type=Path, default=Path("accuracy"))
    args = parser.parse_args()

    rows = []
    for name, data in photo_sets(args.data, args.sets):
        blocks = all_blocks(name, data, args)
        for regime in "full", f"{args.shots}-shot":
            hits = {}
            for seed in range(1 if regime == "full" else args.seeds):
                part = np.arange(len(data["y"]))
                if regime != "full":
                    part = few(data["y"], args.shots, seed)
                for key, hit in one_draw(part, seed, data, *blocks).items():
                    hits.setdefault(key, []).append(hit)
            rows += score(name, regime, hits)
            write(rows, args.output)
    if not rows:
        raise SystemExit(f"No photo set in {args.data} (see --help for the layout).")
    show(rows)
    summarise(rows)
    draw(rows, args.output)


def all_blocks(name, data, args):
    """Training rows, test rows, and block -> slice."""
    if name != "digits":
        return fungi_rows(name, data, args)
    unit, embedder = Normalizer(), BackboneEmbedder(memory=args.cache, verbose=1)
    parts = [
        np.hstack([images.reshape(-1, 64), unit.transform(rows)])
        for images, rows in (
            (data["images"], embedder.fit_transform(data["images"])),
            (data["images_test"], embedder.transform(data["images_test"])),
        )
    ]
    width = parts[0].shape[1]
    return *parts, {"pixels": slice(0, 64), "embedding": slice(64, width)}


def one_draw(part, seed, data, train, test, slices):
    """(kind of rows, model) -> whether each test image is right."""
    y, y_test, groups = data["y"][part], data["y_test"], data["groups"]
    groups = None if groups is None else groups[part]
    train = train[part]
    plain = [b for b in slices if not b.endswith("_views") and b != "pixels"]
    kinds = {"embedding": (["embedding"], None)}
    if "pixels" in slices:
        kinds["pixels"] = (["pixels"], None)
    else:
        kinds |= {"FUNGI": (plain, None), "weighed": (plain, "all")}
        if len(plain) < len(slices):
            kinds["views"] = (list(slices), "all")
        kinds["pipeline"] = (plain, "votes")
    hits, chosen = {}, {}
    for kind, (names, weighed) in kinds.items():
        X, X_test, own = beside(train, test, slices, names)
        transformer, C = None, "auto"
        if weighed:
            transformer = BlockWeights(blocks=own).fit(X, y, groups=groups)
        if weighed == "all":
            X, X_test = transformer.transform(X), transformer.transform(X_test)
            transformer = None
        elif weighed:
            # Its base is that of FUNGI, and so is what would be chosen for it.
            C = chosen["FUNGI"]["C"]
            if groups is not None:
                # Inside, it would be fitted anew on each fold, without groups.
                transformer = FrozenEstimator(transformer)
        if transformer is None:
            X, X_test = fewer_columns(X, X_test)
        joint = JointKNNClassifierCV(
            C=C, cv=folds(y, groups, seed), knn_transformer=transformer
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # small classes, as expected
            joint.fit(X, y, groups=groups)
        seen, seen_test = X, X_test
        if transformer is not None:
            seen, seen_test = map(joint.knn_transformer_.transform, (X, X_test))
        vote = KNeighborsClassifier(min(20, len(y))).fit(seen, y)
        # With alpha=0, the default, the fitted base is the one without votes.
        answers = [
            vote.predict(seen_test),
            joint.knn_.predict(seen_test),
            joint.estimator_.predict(X_test),
            joint.predict(X_test),
        ]
        for model, answer in zip(MODELS, answers):
            hits[kind, model] = (answer == y_test).astype(float)
        chosen[kind] = joint.best_params_
        print(f"  {kind}, {len(y)} rows: {chosen[kind]}", flush=True)
    return hits


def beside(train, test, slices, names):
    """Blocks side by side, unit rows of both parts, and block -> slice.

    Each block has fewer columns where there are fewer rows.
    """
    parts = [fewer_columns(train[:, slices[b]], test[:, slices[b]]) for b in names]
    X, X_test = (Normalizer().transform(np.hstack(blocks)) for blocks in zip(*parts))
    widths = {name: block.shape[1] for name, (block, _) in zip(names, parts)}
    return X, X_test, side_by_side(widths)


def fewer_columns(X, X_test):
    """Coordinates in the span of the training rows, and the length of what is outside.

    Products with training rows and the length of each row stay what they are, so votes
    and linear models with an L2 penalty do, too.
    """
    n, width = X.shape
    if n >= width:
        return X, X_test
    basis = np.linalg.qr(X.T.astype(np.float64))[0]
    inside = X_test @ basis
    outside = (X_test.astype(np.float64) ** 2).sum(axis=1) - (inside**2).sum(axis=1)
    outside = np.sqrt(np.maximum(outside, 0))[:, None]
    return (
        np.hstack([X @ basis, np.zeros((n, 1))]).astype(np.float32),
        np.hstack([inside, outside]).astype(np.float32),
    )


def score(name, regime, hits):
    """One row a kind of rows: accuracies and gains, each with its interval."""
    hits = {key: np.array(values) for key, values in hits.items()}
    draws, images = next(iter(hits.values())).shape
    random = np.random.default_rng(0)
    again = [
        (random.integers(draws, size=draws), random.integers(images, size=images))
        for _ in range(1000)
    ]

    def interval(values):
        means = [values[some].mean(axis=0)[places].mean() for some, places in again]
        return [values.mean(), *np.quantile(means, [0.025, 0.975])]

    rows = []
    for kind in dict.fromkeys(kind for kind, _ in hits):
        columns = {model: hits[kind, model] for model in MODELS}
        columns |= {
            column: 100 * (hits[kind, model] - hits[other or kind, minus])
            for column, (model, minus, other) in GAINS.items()
        }
        row = {"set": name, "regime": regime, "rows": kind}
        for column, values in columns.items():
            ends = column, f"{column} low", f"{column} high"
            row |= dict(zip(ends, interval(values)))
        rows.append(row)
    return rows


def show(rows):
    """One table for all images and one for few, as reStructuredText."""
    columns = [*MODELS, "JOINT - BASE", "JOINT - probe"]
    for regime in dict.fromkeys(row["regime"] for row in rows):
        print(f"\n{regime}: test accuracy, and points, with 95 % intervals")
        lines = [
            [row["set"], row["rows"], *(cell(row, column) for column in columns)]
            for row in rows
            if row["regime"] == regime
        ]
        table(["Set", "Rows", *columns], lines)


def summarise(rows):
    """Means over the sets and the worst set, in points above the embedding."""
    for regime in dict.fromkeys(row["regime"] for row in rows):
        print(f"\nmeans over the sets, worst set, {regime}: points above the embedding")
        lines = []
        for kind in KINDS[:-1]:
            some = [
                row
                for row in rows
                if (row["regime"], row["rows"]) == (regime, kind)
                and row["set"] != "digits"
            ]
            if some:
                values = [[float(row[column]) for row in some] for column in GAINS]
                cells = [f"{np.mean(v):+.1f}, {min(v):+.1f}" for v in values]
                lines.append([kind, str(len(some)), *cells])
        table(["Rows", "sets", *GAINS], lines)


def cell(row, column):
    middle, low, high = (float(row[column + end]) for end in ("", " low", " high"))
    if column in GAINS:
        return f"{middle:+.1f} [{low:+.1f}, {high:+.1f}]"
    return f"{middle:.3f} [{low:.2f}, {high:.2f}]"


def table(head, lines):
    widths = [max(map(len, column)) for column in zip(head, *lines)]
    rule = "  ".join("=" * width for width in widths)
    print(rule, "  ".join(map(str.ljust, head, widths)).rstrip(), rule, sep="\n")
    for line in lines:
        print("  ".join(map(str.ljust, line, widths)).rstrip())
    print(rule, flush=True)


def write(rows, output):
    output.mkdir(parents=True, exist_ok=True)
    with open(output / "accuracy.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def draw(rows, output):
    """Points of SoftKNN and JOINT above themselves on the embedding, and the probe."""
    try:
        import matplotlib
    except ImportError:
        print("No figure: it needs matplotlib.")
        return
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    sets = [name for name in dict.fromkeys(r["set"] for r in rows) if name != "digits"]
    regimes = list(dict.fromkeys(row["regime"] for row in rows))
    titles = {
        "SoftKNN gain": "SoftKNN above that on the embedding",
        "JOINT - probe": "JOINT above the linear probe",
    }
    figure, axes = plt.subplots(
        len(titles), len(regimes), figsize=(10, 6.5), sharex=True, sharey="row",
        layout="constrained", squeeze=False,
    )  # fmt: skip
    for line, (column, title) in zip(axes, titles.items()):
        for axis, regime in zip(line, regimes):
            for row in rows:
                if row["regime"] != regime or row["set"] not in sets:
                    continue
                style = KINDS.index(row["rows"])
                middle, low, high = (
                    float(row[column + end]) for end in ("", " low", " high")
                )
                axis.errorbar(
                    sets.index(row["set"]) + 0.13 * (style - 2), middle,
                    [[middle - low], [high - middle]], fmt=MARKERS[style], ms=6,
                    color=COLORS[style], elinewidth=1.2,
                    label=row["rows"] if row["set"] == sets[0] else None,
                )  # fmt: skip
            axis.axhline(0, color="black", linewidth=0.8)
            axis.grid(axis="y", color="#E0E0E0")
            axis.set_axisbelow(True)
            axis.set(title=f"{title}, {regime}", xticks=range(len(sets)))
            axis.set_xticklabels(sets)
        line[0].set_ylabel("points")
    handles = axes[1, 0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=5, frameon=False)
    figure.savefig(output / "accuracy.png", dpi=110)
    print(f"\nwritten: {output / 'accuracy.csv'}, {output / 'accuracy.png'}")


if __name__ == "__main__":
    main()
