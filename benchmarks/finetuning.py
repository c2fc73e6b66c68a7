"""Is it worth it to train the backbone, and what does a refreshed bank cost?

    python benchmarks/finetuning.py DATA [--sets ...] [--epochs 10] [--size 128]

DATA is a folder of photo sets as ``accuracy.py`` takes it. Nothing is chosen on test
parts. Of each set

    frozen   JointKNNClassifierCV on embeddings of the frozen backbone, all defaults
    BASE     FineTunedJointClassifier(alpha=0, lam=0)
    JOINT    FineTunedJointClassifier(), the bank embedded before each epoch
    JOINT-UT FineTunedJointClassifier(refresh="test")

are fitted on the training part, all from the same weights, draws of views and order of
rows, with the library's defaults but for number of epochs and image size; the test part
is predicted once. ``--learning-rates`` with several values holds out a fifth of the
training part, takes the one with the lowest loss of BASE there (of the last epoch), and
trains all anew on everything with it.

Prints a line as soon as a model is there: test accuracy with a 95 % interval (bootstrap
over test images), the difference to BASE, paired, that of the votes and of the head
alone, minutes of training and prediction, and what of the epochs' time the bank took.
The intervals do not show how much another draw of rows or views would change. Rows are
appended to a CSV file; models that are in it are not run again. ``--classes`` and
``--per-class`` make a set smaller, to try it.
"""

import csv
import time
from pathlib import Path

import numpy as np
from _photo_sets import arguments, photo_sets
from sklearn.pipeline import make_pipeline

from skknn import BackboneEmbedder, FineTunedJointClassifier, JointKNNClassifierCV

WAYS = {
    "BASE": {"alpha": 0, "lam": 0},
    "JOINT": {},
    "JOINT-UT": {"refresh": "test"},
}
FIELDS = [
    "set",
    "model",
    "settings",
    "accuracy",
    "low",
    "high",
    "votes",
    "head",
    "minutes",
    "bank_share",
    "hits",
]


def main():
    parser = arguments(__doc__)
    parser.add_argument("--backbone", default="tf_efficientnet_lite0")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--trainable", type=int, help="last blocks; all by default")
    parser.add_argument("--learning-rates", type=float, nargs="+", default=[0.01])
    parser.add_argument("--classes", type=int, help="only so many classes")
    parser.add_argument("--per-class", type=int, help="only so many images a class")
    parser.add_argument("--output", type=Path, default=Path("finetuning.csv"))
    args = parser.parse_args()
    print(f"{'set':10} {'model':9} accuracy (95 %)         - BASE (95 %)", flush=True)
    for name, data in photo_sets(args.data, args.sets):
        run_set(name, smaller(data, args), args)


def run_set(name, data, args):
    """Fit and score all models of a set that are not in the file yet."""
    rate, hits = None, {}
    for model in ("frozen", *WAYS):
        settings = f"{args.backbone} {args.size} {args.epochs} {args.trainable} "
        settings += f"{args.learning_rates} {args.classes} {args.per_class}"
        row = already(args.output, name, model, settings)
        if row is None:
            if model == "frozen":
                row = frozen(data, args)
            else:
                rate = choose_rate(data, args) if rate is None else rate
                row = fine_tuned(data, WAYS[model], rate, args)
            row |= {"set": name, "model": model, "settings": settings}
            append(args.output, row)
        hits[model] = np.array([int(hit) for hit in row["hits"]])
        report(row, hits[model], hits.get("BASE"))


def frozen(data, args):
    """Accuracy without any training of the backbone."""
    start = time.perf_counter()
    model = make_pipeline(
        BackboneEmbedder(args.backbone, image_size=args.size),
        JointKNNClassifierCV(),
    ).fit(data["images"], data["y"])
    hits = model.predict(data["images_test"]) == data["y_test"]
    return scored(hits, time.perf_counter() - start)


def fine_tuned(data, way, rate, args):
    """Accuracy of one way of training."""
    start = time.perf_counter()
    model = new_model(rate, args, memory=args.cache, **way)
    model.fit(data["images"], data["y"])
    hits = model.predict(data["images_test"]) == data["y_test"]
    row = scored(hits, time.perf_counter() - start)
    seconds = sum(epoch["seconds"] for epoch in model.history_)
    bank = sum(epoch["refresh_seconds"] for epoch in model.history_)
    # Fits that went on from a checkpoint know the time of all their epochs.
    row["minutes"] = max(row["minutes"], seconds / 60)
    row["bank_share"] = bank / seconds
    rows = model.transform(data["images_test"])
    row["votes"] = float((model.knn_.predict(rows) == data["y_test"]).mean())
    weight, bias = (p.detach().numpy() for p in model.head_.parameters())
    own = model.classes_[(rows @ weight.T + bias).argmax(1)]
    row["head"] = float((own == data["y_test"]).mean())
    return row


def choose_rate(data, args):
    """The learning rate with which BASE does best on rows that are held out."""
    if len(args.learning_rates) == 1:
        return args.learning_rates[0]
    losses = []
    for rate in args.learning_rates:
        model = new_model(
            rate, args, memory=args.cache, validation_fraction=0.2, **WAYS["BASE"]
        ).fit(data["images"], data["y"])
        losses.append(model.history_[-1]["validation_loss"])
        print(f"  learning_rate={rate}: held-out loss {losses[-1]:.3f}", flush=True)
    return args.learning_rates[int(np.argmin(losses))]


def new_model(rate, args, **params):
    """An unfitted classifier with the settings that all share."""
    return FineTunedJointClassifier(
        args.backbone,
        epochs=args.epochs,
        image_size=args.size,
        learning_rate=rate,
        trainable="all" if args.trainable is None else args.trainable,
        random_state=0,
        **params,
    )


def scored(hits, seconds):
    """What the file says of any model; the interval is by bootstrap."""
    low, high = interval(hits.astype(float))
    return {
        "accuracy": float(hits.mean()),
        "low": low,
        "high": high,
        "minutes": seconds / 60,
        "hits": "".join(str(int(hit)) for hit in hits),
    }


def interval(values):
    """95 % interval of the mean of values, of test images drawn anew."""
    rng = np.random.default_rng(0)
    picks = rng.integers(len(values), size=(2000, len(values)))
    return tuple(np.percentile(values[picks].mean(axis=1), [2.5, 97.5]).tolist())


def report(row, hits, base):
    """Print a line."""
    numbers = [float(row[field]) for field in ("accuracy", "low", "high")]
    line = f"{row['set']:10} {row['model']:9} "
    line += "{:.3f} ({:.3f} to {:.3f})  ".format(*numbers)
    if base is not None and row["model"] != "BASE":
        gain = hits.astype(float) - base
        line += "{:+.3f} ({:+.3f} to {:+.3f})  ".format(gain.mean(), *interval(gain))
    if row.get("head"):
        line += f"votes {float(row['votes']):.3f}, head {float(row['head']):.3f}, "
        line += f"bank {float(row['bank_share']):.0%} of the epochs, "
    print(f"{line}{float(row['minutes']):.1f} min", flush=True)


def smaller(data, args):
    """The first classes and images of a set, if that is asked for."""
    out = dict(data)
    for images, labels in (("images", "y"), ("images_test", "y_test")):
        y = np.asarray(data[labels])
        keep = np.ones(len(y), bool)
        if args.classes is not None:
            keep &= np.isin(y, np.unique(data["y"])[: args.classes])
        if args.per_class is not None:
            for c in np.unique(y):
                keep[np.flatnonzero(y == c)[args.per_class :]] = False
        rows = np.flatnonzero(keep)
        given = data[images]
        as_array = isinstance(given, np.ndarray)
        out[images] = given[rows] if as_array else [given[row] for row in rows]
        out[labels] = y[rows]
    return out


def already(file, name, model, settings):
    """The row of an earlier run."""
    if not file.is_file():
        return None
    with file.open(newline="") as opened:
        for row in csv.DictReader(opened):
            if (row["set"], row["model"], row["settings"]) == (name, model, settings):
                return row
    return None


def append(file, row):
    """Add a row to the file."""
    new = not file.is_file()
    with file.open("a", newline="") as opened:
        writer = csv.DictWriter(opened, FIELDS)
        if new:
            writer.writeheader()
        writer.writerow(row)


if __name__ == "__main__":
    main()
