"""Does it help? The honest protocol, on every photo set of a folder.

    python benchmarks/accuracy.py DATA [--fungi] [--shots 5] [--output accuracy]

DATA holds one folder a set, each with sub-folders ``train`` and ``test`` of class
folders, or with an ``.npz`` file of arrays ``x_train, y_train, x_test, y_test`` and,
where photos come in bursts, ``track_train``. Features come from the default backbone
and are cached. Parameters are chosen by cross-validation on the training part alone
(whole bursts stay in one fold); the test part is predicted once. Prints a table, and
writes a CSV file and a figure. Intervals are 95 % by bootstrap over test images.
"""

import argparse
import csv
import warnings
from pathlib import Path

import numpy as np
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler

from skknn import (
    BackboneEmbedder,
    FungiTransformer,
    JointKNNClassifier,
    NeighborSearchCV,
    SoftKNNClassifier,
)
from skknn.datasets import load_image_folder

SCORING = "neg_log_loss"
TAUS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0]
CS = [1, 10, 100, 1000]
MODELS = ["20-NN vote", "SoftKNN", "BASE", "JOINT-INF", "JOINT", "JOINT-focal"]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", nargs="*", help="names of sets; all by default")
    parser.add_argument("--fungi", action="store_true", help="gradient features too")
    parser.add_argument("--shots", type=int, default=5, help="images a class, few-shot")
    parser.add_argument("--seeds", type=int, default=3, help="draws of the few shots")
    parser.add_argument("--cache", default="skknn_cache")
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
                proba = evaluate(X[part], y[part], part_groups, X_test, seed)
                rows += score(name, kind, regime, seed, proba, y_test)
            show([r for r in rows if r["set"] == name and r["features"] == kind])
    write(rows, args.output)


def photo_sets(folder, wanted):
    """(name, data) of every set; data: images and labels of both parts, groups."""
    found = False
    for place in sorted(folder.iterdir()):
        if wanted and place.name not in wanted:
            continue
        arrays = sorted(place.glob("*.npz")) if place.is_dir() else []
        if (place / "train").is_dir() and any(
            entry.is_dir() and any(entry.glob("*.jpg"))
            for entry in (place / "train").iterdir()
            if entry.name not in ("images", "masks")
        ):
            train, test = (load_image_folder(place / p) for p in ("train", "test"))
            data = dict(
                images=train.data, y=train.target, groups=None,
                images_test=test.data, y_test=test.target,
            )  # fmt: skip
        elif arrays:
            z = np.load(arrays[0])
            groups = None
            if "track_train" in z:
                pairs = np.column_stack([z["y_train"], z["track_train"]])
                groups = np.unique(pairs, axis=0, return_inverse=True)[1].ravel()
            data = dict(
                images=z["x_train"], y=z["y_train"], groups=groups,
                images_test=z["x_test"], y_test=z["y_test"],
            )  # fmt: skip
        else:
            continue
        found = True
        yield place.name, data
    if not found:
        raise SystemExit(f"{folder} holds no photo set (see --help for the layout).")


def features(data, args):
    """Features of both parts: dict kind -> (training rows, test rows)."""
    makers = {"embedding": BackboneEmbedder(memory=args.cache, verbose=1)}
    if args.fungi:
        makers["FUNGI"] = FungiTransformer(
            objectives=("kl", "dino"), memory=args.cache, random_state=0, verbose=1
        )
    return {
        kind: (
            maker.fit_transform(data["images"]),
            maker.transform(data["images_test"]),
        )
        for kind, maker in makers.items()
    }


def few(y, shots, seed):
    """The same number of rows of each class, drawn at random."""
    random = np.random.default_rng(seed)
    picks = [random.permutation(np.flatnonzero(y == c))[:shots] for c in np.unique(y)]
    return np.sort(np.concatenate(picks))


def evaluate(X, y, groups, X_test, seed):
    """Test probabilities of each model, tuned on the training rows alone."""
    folds = min(5, np.bincount(y)[np.unique(y)].min())
    if groups is not None:
        members = [len(np.unique(groups[y == c])) for c in np.unique(y)]
        folds = min(folds, *members)
    if folds < 2:
        groups, folds = None, min(5, np.bincount(y)[np.unique(y)].min())
    splitter = StratifiedKFold if groups is None else StratifiedGroupKFold
    cv = splitter(folds, shuffle=True, random_state=seed)

    def search(model, grid):
        # k is clipped in small folds, and few-shot folds may lack neighbours of a
        # class: both are expected here.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            tuned = NeighborSearchCV(model, grid, scoring=SCORING, cv=cv)
            return tuned.fit(X, y, groups=groups)

    ks = [k for k in (1, 2, 4, 8, 16, 32, 64, 128) if k <= len(y) // 2]
    knn = search(SoftKNNClassifier(), {"k": ks, "tau": TAUS})
    linear = make_pipeline(
        StandardScaler(with_std=False),
        Normalizer(),
        LogisticRegression(max_iter=1000, tol=1e-5),
    )
    votes = {name: [knn.best_params_[name]] for name in ("k", "tau")}
    joint = JointKNNClassifier(estimator=linear)
    c_grid = {"estimator__logisticregression__C": CS}
    base = search(clone(joint), {**c_grid, "alpha": [0], "lam": [0]})
    chosen = {name: [base.best_params_[name]] for name in c_grid}
    inf = search(joint, {**votes, **chosen, "alpha": [0], "lam": "path"})
    alphas = {"alpha": [0, 0.001, 0.01, 0.1, 1]}
    full = search(joint, {**votes, **chosen, **alphas, "lam": "path"})
    focal = search(
        clone(joint).set_params(modulation="focal"),
        {**votes, **chosen, "gamma": [0.5, 1, 2], "lam": "path"},
    )
    plain = KNeighborsClassifier(min(20, len(y))).fit(Normalizer().transform(X), y)
    tuned = dict(zip(MODELS[1:], (knn, base, inf, full, focal)))
    proba = {name: model.predict_proba(X_test) for name, model in tuned.items()}
    return {"20-NN vote": plain.predict_proba(Normalizer().transform(X_test)), **proba}


def score(name, kind, regime, seed, proba, y_test):
    random = np.random.default_rng(0)
    draws = random.integers(0, len(y_test), (1000, len(y_test)))
    out = []
    for model in MODELS:
        guess = np.unique(y_test)[proba[model].argmax(axis=1)]
        hits = guess == y_test
        low, high = np.quantile(hits[draws].mean(axis=1), [0.025, 0.975])
        out.append(
            {
                "set": name,
                "features": kind,
                "regime": regime,
                "seed": seed,
                "model": model,
                "accuracy": accuracy_score(y_test, guess),
                "low": low,
                "high": high,
                "log_loss": log_loss(y_test, proba[model]),
            }
        )
    return out


def show(rows):
    """One line a regime; few-shot accuracies are means over the draws."""
    first = rows[0]
    print(f"\n{first['set']}, {first['features']}: test accuracy [95 %] (log loss)")
    for model in MODELS:
        cells = []
        for regime in dict.fromkeys(r["regime"] for r in rows):
            group = [r for r in rows if r["regime"] == regime and r["model"] == model]
            mean = {
                key: np.mean([r[key] for r in group])
                for key in ("accuracy", "low", "high", "log_loss")
            }
            cells.append(
                "{accuracy:.3f} [{low:.3f}, {high:.3f}] ({log_loss:.3f})".format(**mean)
            )
        print(f"  {model:12}" + "   ".join(cells))


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
        1, len(regimes), figsize=(1.5 + 2.2 * len(columns), 4), sharey=True,
        layout="constrained", squeeze=False,
    )  # fmt: skip
    colors = ["#9A9A9A", "#E69F00", "#0072B2", "#56B4E9", "#009E73", "#CC79A7"]
    for axis, regime in zip(axes[0], regimes):
        for i, (model, color) in enumerate(zip(MODELS, colors)):
            for j, (name, kind) in enumerate(columns):
                group = [
                    r for r in rows
                    if (r["set"], r["features"], r["regime"], r["model"])
                    == (name, kind, regime, model)
                ]  # fmt: skip
                middle, low, high = (
                    np.mean([r[key] for r in group])
                    for key in ("accuracy", "low", "high")
                )
                axis.errorbar(
                    j + 0.12 * (i - 2.5), middle, [[middle - low], [high - middle]],
                    fmt="o", ms=4, color=color, label=model if j == 0 else None,
                )  # fmt: skip
        labels = [f"{name}\n{kind}" for name, kind in columns]
        axis.set_xticks(range(len(columns)), labels, fontsize=8)
        axis.set_title(regime)
        axis.grid(axis="y", color="#E0E0E0")
    axes[0, 0].set_ylabel("test accuracy")
    figure.legend(
        *axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=6
    )
    figure.savefig(output / "accuracy.png", dpi=120)
    print(f"\nwritten: {output / 'accuracy.csv'}, {output / 'accuracy.png'}")


if __name__ == "__main__":
    main()
