"""What the benchmarks on photo sets share: arguments, sets, features, draws, folds."""

import argparse
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import (
    StratifiedGroupKFold,
    StratifiedKFold,
    train_test_split,
)

from skknn import FungiTransformer
from skknn.datasets import load_image_folder
from skknn.utils._slices import side_by_side


def arguments(doc):
    """Parser with the arguments of all of them; ``doc`` is the help text."""
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", nargs="*", help="names of sets; all by default")
    parser.add_argument("--shots", type=int, default=5, help="images a class, few-shot")
    parser.add_argument("--seeds", type=int, default=5, help="draws")
    parser.add_argument("--cache", default="skknn_cache")
    return parser


def photo_sets(folder, wanted):
    """(name, data) of every set; data: images and labels of both parts, groups."""
    places = sorted(folder.iterdir())
    missing = set(wanted or ()) - {"digits", *(place.name for place in places)}
    if missing:
        raise SystemExit(f"{folder} has no set {sorted(missing)}.")
    for place in places:
        if wanted and place.name not in wanted:
            continue
        arrays = sorted(place.glob("*.npz")) if place.is_dir() else []
        if (place / "train").is_dir() and any(
            entry.is_dir() and any(entry.glob("*.jpg"))
            for entry in (place / "train").iterdir()
            if entry.name not in ("images", "masks")
        ):
            train = load_image_folder(place / "train")
            test = load_image_folder(place / "test", classes=train.target_names)
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
        yield place.name, data
    if not wanted or "digits" in wanted:
        digits = load_digits()
        images, images_test, y, y_test = train_test_split(
            digits.images / 16, digits.target, stratify=digits.target, random_state=0
        )
        yield (
            "digits",
            dict(
                images=images, y=y, groups=None, images_test=images_test, y_test=y_test
            ),
        )


def fungi_rows(name, data, args):
    """Rows of F's full setting and views' means of both parts, and block -> slice.

    Read from ``args.features``, or kept there, where it is given.
    """
    kept = args.features and args.features / f"{name}.npz"
    if kept and kept.exists():
        return kept_rows(kept, data)
    fungi = FungiTransformer(
        include_view_embeddings=True, n_components=None, memory=args.cache,
        random_state=0, verbose=1,
    )  # fmt: skip
    train = fungi.fit_transform(data["images"])
    test = fungi.transform(data["images_test"])
    slices = fungi.feature_slices_
    if kept:
        kept.parent.mkdir(parents=True, exist_ok=True)
        widths = [part.stop - part.start for part in slices.values()]
        np.savez(kept, train=train, test=test, names=list(slices), widths=widths)
    return train, test, slices


def kept_rows(file, data):
    """Rows of both parts that :func:`fungi_rows` has kept, and block -> slice."""
    stored = np.load(file)
    train, test = (stored[part].astype(np.float32) for part in ("train", "test"))
    for rows, labels in (train, data["y"]), (test, data["y_test"]):
        if len(rows) != len(labels):
            raise SystemExit(f"{file}: {len(rows)} rows for {len(labels)} images.")
    widths = zip(map(str, stored["names"]), stored["widths"].tolist())
    return train, test, side_by_side(dict(widths))


def few(y, shots, seed):
    """The same number of rows of each class, drawn at random."""
    random = np.random.default_rng(seed)
    picks = [random.permutation(np.flatnonzero(y == c))[:shots] for c in np.unique(y)]
    return np.sort(np.concatenate(picks))


def most(y, groups, share, seed):
    """Rows of a share of each class, whole bursts together, drawn at random."""
    random = np.random.default_rng(seed)
    units = np.arange(len(y)) if groups is None else groups
    kept = []
    for c in np.unique(y):
        own = random.permutation(np.unique(units[y == c]))
        kept.append(own[: max(1, round(share * len(own)))])
    return np.flatnonzero(np.isin(units, np.concatenate(kept)))


def folds(y, groups, seed):
    """Stratified folds, whole groups in one where every class has two of them."""
    n_folds = max(2, min(5, np.unique(y, return_counts=True)[1].min()))
    if groups is not None:
        n_groups = min(len(np.unique(groups[y == c])) for c in np.unique(y))
        if n_groups > 1:
            return StratifiedGroupKFold(
                min(n_folds, n_groups), shuffle=True, random_state=seed
            )
    return StratifiedKFold(n_folds, shuffle=True, random_state=seed)
