"""Seconds an image against k-NN accuracy, on the photo sets, for one backbone.

Every setting is a choice of blocks from one extraction; blocks are cached in
``--memory``, so the script can be stopped and started again.

    export SKKNN_DATA=...                # folder with grocery, clothing, gtsrb43
    python benchmarks/fungi_tradeoff.py --study layers
    python benchmarks/fungi_tradeoff.py --study objectives
    python benchmarks/fungi_tradeoff.py --study options
"""

import argparse
import os
import time
import warnings
from pathlib import Path

import numpy as np
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier

from skknn import (
    DINOObjective,
    FungiTransformer,
    KLObjective,
    SimCLRObjective,
    SoftKNNClassifier,
)

LAYERS = (
    "conv_head",
    "blocks.6.0.conv_pwl",
    "blocks.6.0.conv_pw",
    "blocks.5.3.conv_pwl",
)
WARM_UP, TIMED = 2, 8


def load(root, name, per_class, seed=0):
    """Return train and test images and labels, at most so many a class."""
    if name == "gtsrb43":
        z = np.load(root / name / "gtsrb43.npz")
        parts = [(z["x_train"], z["y_train"]), (z["x_test"], z["y_test"])]
    else:
        parts = []
        for split in ("train", "test"):
            files = sorted((root / name / split).glob("*/*.jpg"))
            parts.append((files, np.array([file.parent.name for file in files])))
    out = []
    for X, y in parts:
        rng = np.random.default_rng(seed)
        kept = np.arange(len(y))
        if per_class:
            kept = np.concatenate(
                [
                    rng.permutation(np.flatnonzero(y == c))[:per_class]
                    for c in sorted(set(y))
                ]
            )
        out += [[X[i] for i in kept], y[kept]]
    return out


def fungi(args, objectives, **kwargs):
    return FungiTransformer(
        "tf_efficientnet_lite0",
        objectives=objectives,
        n_components=None,
        image_size=args.image_size,
        memory=args.memory,
        random_state=0,
        n_jobs=args.n_jobs,
        **kwargs,
    )


def cost(transformer, images):
    """Seconds an image, nothing cached, on the fitted transformer."""
    memory, transformer.memory = transformer.memory, None
    transformer.transform(images[:WARM_UP])
    times = []
    for _ in range(3):
        start = time.perf_counter()
        transformer.transform(images[WARM_UP : WARM_UP + TIMED])
        times.append((time.perf_counter() - start) / TIMED)
    transformer.memory = memory
    return np.median(times)


def reduce(train, test, n_components=512):
    if train.shape[1] <= n_components:
        return train, test
    pca = PCA(min(n_components, len(train)), svd_solver="full")
    train = pca.fit_transform(train.astype(np.float64))
    return train, pca.transform(test.astype(np.float64))


def scores(train, y, test, y_test, args):
    """20-NN (majority) and SoftKNN accuracy, full data and 5-shot over seeds."""
    row = [
        KNeighborsClassifier(20).fit(train, y).score(test, y_test),
        SoftKNNClassifier(20).fit(train, y).score(test, y_test),
    ]
    few = []
    for seed in range(args.seeds):
        rng = np.random.default_rng(seed)
        kept = np.concatenate(
            [rng.permutation(np.flatnonzero(y == c))[:5] for c in np.unique(y)]
        )
        few.append(
            [
                KNeighborsClassifier(5).fit(train[kept], y[kept]).score(test, y_test),
                SoftKNNClassifier(5).fit(train[kept], y[kept]).score(test, y_test),
            ]
        )
    return row + list(np.mean(few, axis=0))


def report(label, transformer, data, choices, args, seconds=None):
    """Extract once; print accuracies of every choice of blocks."""
    train, y, test, y_test = data
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        train_rows = transformer.fit_transform(train)
        test_rows = transformer.transform(test)
    slices = transformer.feature_slices_
    for name, blocks in choices.items():
        columns = np.concatenate(
            [np.arange(slices[block].start, slices[block].stop) for block in blocks]
        )
        a, b = train_rows[:, columns], test_rows[:, columns]
        raw = scores(a, y, b, y_test, args)
        after = scores(*_swap(reduce(a, b), y, y_test), args)
        numbers = " ".join(f"{v:.3f}" for v in raw) + " | "
        numbers += " ".join(f"{v:.3f}" for v in after)
        print(f"{label:34} {name:24} {numbers}", flush=True)


def _swap(pair, y, y_test):
    train, test = pair
    return train, y, test, y_test


def study_layers(name, data, args):
    choices = {
        "embedding": ["embedding"],
        "+K": ["kl", "embedding"],
        "+K+D": ["kl", "dino", "embedding"],
        "K alone": ["kl"],
        "D alone": ["dino"],
    }
    for layer in args.layers or LAYERS:
        transformer = fungi(args, ("kl", "dino"), layer=layer)
        report(f"{name} {layer}", transformer, data, choices, args)
        choices.pop("embedding", None)


def study_objectives(name, data, args):
    objectives = ("kl", "dino", SimCLRObjective(n_negatives=args.negatives))
    choices = {
        "embedding": ["embedding"],
        "+K": ["kl", "embedding"],
        "+K+D": ["kl", "dino", "embedding"],
        "+K+D+S": ["kl", "dino", "simclr", "embedding"],
    }
    report(name, fungi(args, objectives), data, choices, args)


def study_options(name, data, args):
    """Each option's accuracy and cost beside the full setting."""
    half = args.image_size // 2
    negatives = args.negatives
    settings = {
        "D 2+10": (DINOObjective(),),
        "D 2+4": (DINOObjective(n_local=4),),
        f"D 2+10, {half} px": (DINOObjective(),),
        "S 49": (SimCLRObjective(n_negatives=negatives),),
        "S 25": (SimCLRObjective(n_views=25, n_negatives=negatives),),
        "S 16": (SimCLRObjective(n_views=16, n_negatives=negatives),),
        f"S 49, {half} px": (SimCLRObjective(n_negatives=negatives),),
    }
    images = data[2][: WARM_UP + TIMED]
    only = fungi(args, (KLObjective(),)).fit(data[0])
    print(f"{name:34} {'K':24} {cost(only, images):.3f} s an image")
    for label, objectives in settings.items():
        size = half if "px" in label else None
        transformer = fungi(args, ("kl", *objectives), view_size=size)
        block = objectives[0].name
        choices = {f"+K+{label}": ["kl", block, "embedding"]}
        report(name, transformer, data, choices, args)
        print(f"{name:34} {label:24} {cost(transformer, images):.3f} s an image")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", nargs="?", default=os.environ.get("SKKNN_DATA"))
    parser.add_argument("--study", default="objectives", help="layers or options")
    parser.add_argument("--sets", nargs="+", default=["grocery", "clothing", "gtsrb43"])
    parser.add_argument("--layers", nargs="+")
    parser.add_argument("--image-size", type=int, default=128)
    parser.add_argument("--per-class", type=int, help="images a class in each split")
    parser.add_argument("--negatives", type=int, default=64)
    parser.add_argument("--seeds", type=int, default=3, help="5-shot draws")
    parser.add_argument("--n-jobs", type=int, default=2)
    parser.add_argument("--memory", help="folder for rows")
    args = parser.parse_args()
    if not args.data or not Path(args.data).is_dir():
        parser.error("name the folder with the photo sets, or set SKKNN_DATA")
    study = {
        "layers": study_layers,
        "objectives": study_objectives,
        "options": study_options,
    }[args.study]
    print("columns: 20-NN, SoftKNN, 5-shot 5-NN, 5-shot SoftKNN | the same after PCA")
    for name in args.sets:
        study(name, load(Path(args.data), name, args.per_class), args)


if __name__ == "__main__":
    main()
