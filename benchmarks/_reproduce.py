"""What the two ``reproduce_*.py`` scripts share: a data set, arguments, a table."""

import argparse
from pathlib import Path

import numpy as np
from _published import add_arguments

from skknn.datasets import load_image_folder


def arguments(doc):
    """Parser with the arguments of both scripts; ``doc`` is the help text."""
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="folder or .npz file of a data set")
    parser.add_argument(
        "backbone",
        nargs="?",
        default="tf_efficientnet_lite0",
        help="timm model name (default: %(default)s, the one that works offline)",
    )
    parser.add_argument(
        "--weights", default="auto", help='"auto", "random", or a file (default: auto)'
    )
    parser.add_argument("--pooling", default="auto")
    parser.add_argument("--image-size", type=int, help="default: the model's own")
    parser.add_argument("--device", help="default: CUDA, else MPS, else the CPU")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--n-jobs", type=int)
    parser.add_argument("--memory", default="skknn_cache", help="folder for rows")
    parser.add_argument("--per-class", type=int, help="images a class, for a trial")
    parser.add_argument(
        "--mean-per-class", action="store_true", help="mean accuracy of the classes"
    )
    parser.add_argument(
        "--published",
        nargs="*",
        default=[],
        type=published_number,
        metavar="ROW=NUMBER",
        help="numbers in per cent to print beside ours instead of the papers'",
    )
    add_arguments(parser)
    return parser


def published_number(text):
    """("JOINT", 71.2) of "JOINT=71.2"."""
    row, _, number = text.rpartition("=")
    return row.strip(), float(number)


def extractor_params(args):
    """Parameters that both transformers take."""
    return {
        "backbone": args.backbone,
        "weights": None if args.weights == "random" else args.weights,
        "pooling": args.pooling,
        "image_size": args.image_size,
        "device": args.device,
        "precision": args.precision,
        "n_jobs": args.n_jobs,
        "memory": args.memory,
        "random_state": 0,
        "verbose": 1,
    }


def load_set(place, per_class=None):
    """Images and labels: dict part ("train", "val", "test") -> (images, labels).

    A set that has ``val`` alone beside ``train`` is tested on it, like ImageNet.
    """
    place = Path(place)
    parts = {}
    if place.suffix == ".npz":
        with np.load(place) as arrays:
            for part in ("train", "val", "test"):
                if f"x_{part}" in arrays:
                    parts[part] = arrays[f"x_{part}"], arrays[f"y_{part}"]
    else:
        for part in ("train", "val", "test"):
            if (place / part).is_dir():
                # Names, not codes: a part may lack a class.
                bunch = load_image_folder(place / part, target="names")
                parts[part] = bunch.data, bunch.target
    if "test" not in parts and "val" in parts:
        parts["test"] = parts.pop("val")
    if not {"train", "test"} <= set(parts):
        raise SystemExit(
            f"{place} is no data set: it needs folders train and test (or val) of "
            "class folders, or is an .npz file of x_train, y_train, x_test, y_test."
        )
    if per_class:
        for part, (images, y) in parts.items():
            kept = draw_shots(y, per_class, seed=0)
            parts[part] = [images[i] for i in kept], y[kept]
    return parts


def draw_shots(y, shots, seed):
    """The same number of rows of each class, drawn at random."""
    random = np.random.default_rng(seed)
    picks = [random.permutation(np.flatnonzero(y == c))[:shots] for c in np.unique(y)]
    return np.sort(np.concatenate(picks))


def print_table(title, rows, papers, given=()):
    """Print our numbers beside published ones.

    Parameters
    ----------
    title : str
    rows : list of (name, accuracy from 0 to 1, remark)
    papers : dict name -> (number in per cent, where it stands)
        Of the papers' tables.
    given : list of (name, number in per cent)
        Of the user, which come first; unknown names are an error.
    """
    names = [name for name, _, _ in rows]
    unknown = [name for name, _ in given if name not in names]
    if unknown:
        raise SystemExit(f"--published names {unknown}; the rows are {names}.")
    known = papers | {name: (number, "") for name, number in given}
    width = max(map(len, names))
    print(f"\n{title}\n{'':{width}}    ours   published")
    for name, accuracy, remark in rows:
        number, where = known.get(name, (None, ""))
        paper = "not listed" if number is None else f"{number:.2f}"
        remark = "; ".join(filter(None, [remark, where]))
        print(f"{name:{width}}  {100 * accuracy:6.2f}  {paper:>10}   {remark}".rstrip())
