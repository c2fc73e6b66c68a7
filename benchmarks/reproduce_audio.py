"""Gradients of sounds as in "No Train, all Gain" (F, Appendix A.2, Table 11).

    python benchmarks/reproduce_audio.py DATA [MODEL] [--simclr]

DATA is a folder with sound files in ``train`` and ``test``. A file's name, without its
ending and cut at ``_``, says its label (``--label 0`` is the first part); ``--group 1``
names a part that is kept out together: then the folders are put together, and each
speaker in turn is the test set. MODEL is what ``AudioBackbone`` takes: a folder, a name
on the hub, or the default out of a pip package. Rows are cached block by block in
``--memory``.

Beside the embedding alone, KL's gradient (+K), SimCLR's (+S) and both, after PCA to
512 numbers at most as in F: by the plain vote of the 20 nearest training sounds
(20-NN), soft votes (k and tau by cross-validation), a linear classifier, and with
``--joint`` ``JointKNNClassifierCV``. On all sounds, and on few of each class (the mean
of ``--seeds`` draws; PCA and negatives see all training sounds, without labels).

Prints top-1 accuracy in per cent, beside the numbers of F's Table 11
(``published.csv``) where data, backbone and protocol are the same: ``--paper-data
ESC50 --paper-backbone "SSAST, SSAST"``.
"""

import argparse
import warnings
from pathlib import Path

import numpy as np
from _published import add_arguments
from _reproduce import draw_shots, print_table
from reproduce_fungi import choices, reduce, take
from reproduce_text import few, full, published, weights
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from skknn import AudioBackbone, FungiTransformer


def main(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("model", nargs="?", default="resemblyzer")
    parser.add_argument("--label", type=int, default=0, help="part of a file's name")
    parser.add_argument("--group", type=int, help="part that is kept out in turn")
    parser.add_argument("--pooling", default="auto")
    parser.add_argument("--layer", default="auto")
    parser.add_argument("--simclr", action="store_true", help="16 passes a sound more")
    parser.add_argument("--joint", action="store_true", help="JOINT on all sounds, too")
    parser.add_argument("--k", type=int, default=20)
    parser.add_argument("--shots", type=int, default=5, help="sounds a class")
    parser.add_argument("--seeds", type=int, default=5, help="draws of the few sounds")
    parser.add_argument("--n-jobs", type=int)
    parser.add_argument("--memory", default="skknn_cache")
    add_arguments(parser)
    parser.set_defaults(weights="auto")
    args = parser.parse_args(argv)
    args.backbone = args.model
    warnings.simplefilter("ignore", ConvergenceWarning)

    objectives = ["kl", "simclr"] if args.simclr else ["kl"]
    tables = []
    for train_files, test_files in splits(args):
        found, title = table(train_files, test_files, objectives, args)
        tables.append(found)
    rows = [
        (name, np.mean([dict((r[0], r[1]) for r in t)[name] for t in tables]), more)
        for name, _, more in tables[0]
    ]
    if len(tables) > 1:
        title += f"; the mean of {len(tables)} splits, settings of the first"
    print_table(title, rows, published(args))


def table(train_files, test_files, objectives, args):
    """Rows of the table of one split, and its title."""
    y, y_test = part(train_files, args.label), part(test_files, args.label)
    fungi = FungiTransformer(
        AudioBackbone(args.model, pooling=args.pooling),
        objectives=objectives,
        layer=args.layer,
        n_components=None,
        n_jobs=args.n_jobs,
        memory=args.memory,
        random_state=0,
        verbose=1,
    )
    train, test = fungi.fit_transform(train_files), fungi.transform(test_files)
    draws = [draw_shots(y, args.shots, seed) for seed in range(args.seeds)]
    rows = []
    for name, blocks in choices(objectives):
        A, B = reduce(*take(train, test, fungi, blocks), 512)
        rows += full(name, A, y, B, y_test, args, linear)
        rows += few(name, A, y, B, y_test, draws, args, linear)
    print(f"BlockWeights: {weights(train, y, fungi.feature_slices_)}")
    return rows, (
        f"{args.data.name}, {args.model}, pooling {fungi.backbone_.pooling}, layer "
        f"{fungi.layer_}: {len(y)} training, {len(y_test)} test sounds"
    )


def linear():
    """Logistic regression on unit blocks as they are: on as few rows as sounds often
    have, standardised components of little variance would drown the others."""
    return LogisticRegression(C=100, max_iter=1000)


def splits(args):
    """Files of training and test: those of the folders, or each group in turn."""
    train, test = (sorted((args.data / name).iterdir()) for name in ("train", "test"))
    if args.group is None:
        return [(train, test)]
    files = [*train, *test]
    groups = part(files, args.group)
    return [
        (
            [file for file, its in zip(files, groups) if its != group],
            [file for file, its in zip(files, groups) if its == group],
        )
        for group in np.unique(groups)
    ]


def part(files, number):
    """One part of each file's name."""
    return np.array([file.stem.split("_")[number] for file in files])


if __name__ == "__main__":
    main()
