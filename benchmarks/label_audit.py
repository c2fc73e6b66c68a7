"""Wrong labels, copies and strangers that LabelAudit finds on sets of photos.

    python benchmarks/label_audit.py DATA [--sets ...] [--seeds 5] [--features FOLDER]

DATA is laid out as for ``accuracy.py``; ``--features`` reads rows that
``block_weights.py`` has kept. Run it with one thread (``OMP_NUM_THREADS=1``).

*Wrong labels*: 5 and 10 % of the training labels are replaced, by any other class
(*any*) or by one of the three most similar ones (*near*). Average precision of rankings
of all rows, and processor seconds, means over the draws:

- *audit*: ``label_quality_``; of its suspects also precision and recall;
- *votes*: the same with ``linear_share=0``;
- *cleanlab*: ``get_label_quality_scores`` of the usual probabilities, those of logistic
  regressions (C=1, features as they are) fitted to other folds, of five;
- *cleanlab, tuned*: the same with C=64 on rows of length 1, which suits features of
  photos;
- *find_label_issues*: what that returns first, in its order, of the tuned ones.

Without cleanlab (extra ``bench``) the last one is missing; its default quality score is
the probability of the label. *Copies*: 100 training photos again, as other JPEGs,
smaller, cropped: how many are found as copies of themselves, and how many pairs there
are without them. *Strangers*: photos of the other sets that ``unlike`` finds, and of
the test part, where it should find few.
"""

import io
import time

import numpy as np
from _photo_sets import arguments, kept_rows, photo_sets
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.preprocessing import normalize

from skknn import BackboneEmbedder
from skknn.inspection import LabelAudit

try:
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores
except ImportError:
    find_label_issues = None

    def get_label_quality_scores(labels, pred_probs):
        return pred_probs[np.arange(len(labels)), labels]


COPIES = {
    "JPEG, quality 60": lambda image: jpeg(image, 60),
    "JPEG, quality 30": lambda image: jpeg(image, 30),
    "3/4 of the size": lambda image: jpeg(resized(image, 0.75)),
    "half the size": lambda image: jpeg(resized(image, 0.5)),
    "5 % cropped": lambda image: jpeg(cropped(image, 0.05)),
    "10 % cropped": lambda image: jpeg(cropped(image, 0.1)),
    "20 % cropped": lambda image: jpeg(cropped(image, 0.2)),
}


def main():
    parser = arguments(__doc__)
    parser.add_argument("--features", help="folder of rows that are kept")
    parser.add_argument("--parts", nargs="*", default=["labels", "copies", "strangers"])
    args = parser.parse_args()
    embedder = BackboneEmbedder(memory=args.cache)
    sets = {}
    for name, data in photo_sets(args.data, args.sets):
        if name == "digits":
            continue
        if args.features:
            rows, test, blocks = kept_rows(f"{args.features}/{name}.npz", data)
            rows, test = rows[:, blocks["embedding"]], test[:, blocks["embedding"]]
        else:
            rows = embedder.fit_transform(data["images"])
            test = embedder.transform(data["images_test"])
        sets[name] = np.ascontiguousarray(rows), np.ascontiguousarray(test), data
    for name, (rows, _, data) in sets.items():
        if "labels" in args.parts:
            wrong_labels(name, rows, np.asarray(data["y"]), args.seeds)
    for name, (*_, data) in sets.items():
        if "copies" in args.parts:
            copies(name, embedder.fit_transform(data["images"]), data, embedder)
    for name, (rows, test, data) in sets.items():
        if "strangers" in args.parts:
            others = {o: s[1] for o, s in sets.items() if o != name}
            strangers(name, rows, data["y"], {"its own test part": test} | others)


def wrong_labels(name, X, y, seeds):
    """Print one line a kind of mistake and ranking."""
    for kind in ("any", "near"):
        for share in (0.05, 0.1):
            found = {}
            for seed in range(seeds):
                labels = mislabelled(X, y, kind, share, seed)
                for model, (score, seconds, more) in rankings(X, labels).items():
                    precision = average_precision_score(labels != y, score)
                    found.setdefault(model, []).append(
                        (precision, seconds, *more(labels != y))
                    )
            for model, values in found.items():
                precision, seconds, *more = np.mean(values, axis=0)
                text = "".join(f"{value:7.2f}" for value in more)
                print(
                    f"{name:10}{kind:6}{share:5.0%}  {model:18}{precision:7.3f}"
                    f"{seconds:7.2f} s{text}",
                    flush=True,
                )


def rankings(X, labels):
    """Ranking -> (scores, high for wrong labels; seconds; what else is known)."""

    def suspects(rows):
        flags = np.isin(np.arange(len(labels)), rows)
        return lambda bad: ((flags & bad).sum() / flags.sum(), flags[bad].mean())

    def nothing(bad):
        return ()

    found = {}
    for model, share in ("audit", "auto"), ("votes", 0):
        start = time.process_time()
        audit = LabelAudit(linear_share=share).fit(X, labels)
        seconds = time.process_time() - start
        more = suspects(audit.suspect_labels_["row"])
        found[model] = -audit.label_quality_, seconds, more
    for model, rows, C in ("cleanlab", X, 1), ("cleanlab, tuned", normalize(X), 64):
        start = time.process_time()
        proba = cross_val_predict(
            LogisticRegression(C=C, max_iter=1000),
            rows,
            labels,
            cv=StratifiedKFold(5, shuffle=True, random_state=0),
            method="predict_proba",
        )
        score = -get_label_quality_scores(labels, proba)
        seconds = time.process_time() - start
        found[model] = score, seconds, nothing
    if find_label_issues is not None:
        first = find_label_issues(
            labels, proba, return_indices_ranked_by="self_confidence"
        )
        score = score.copy()
        score[first] += 2
        found["find_label_issues"] = score, seconds, suspects(first)
    return found


def mislabelled(X, y, kind, share, seed):
    """Labels, a share of them wrong."""
    random = np.random.default_rng(seed)
    labels, n_classes = y.copy(), y.max() + 1
    rows = random.choice(len(y), round(share * len(y)), replace=False)
    if kind == "any":
        labels[rows] = (y[rows] + random.integers(1, n_classes, len(rows))) % n_classes
        return labels
    means = np.array([X[y == c].mean(axis=0) for c in range(n_classes)])
    means = normalize(means - means.mean(axis=0))
    alike = means @ means.T
    np.fill_diagonal(alike, -np.inf)
    near = np.argsort(-alike, axis=1)[:, :3]
    labels[rows] = near[y[rows], random.integers(0, 3, len(rows))]
    return labels


def copies(name, X, data, embedder):
    """Print how many planted copies are found, and how many other pairs."""
    random = np.random.default_rng(0)
    rows = np.sort(random.choice(len(X), min(100, len(X)), replace=False))
    images = [as_image(data["images"][row]) for row in rows]
    pairs = LabelAudit().fit(X, data["y"]).duplicates_
    print(f"{name}: {len(pairs)} pairs among {len(X)} photos as they are")
    for kind, changed in COPIES.items():
        more = embedder.transform([changed(image) for image in images])
        y = np.append(data["y"], np.asarray(data["y"])[rows])
        found = LabelAudit().fit(np.vstack([X, more]), y).duplicates_
        planted = set(zip(rows, len(X) + np.arange(len(rows))))
        got = planted & set(zip(found["row_a"], found["row_b"]))
        print(f"{name}: {kind:18}{len(got) / len(planted):7.2f}", flush=True)


def strangers(name, X, y, others):
    """Print the share of each kind of rows that is unlike the training rows."""
    audit = LabelAudit().fit(X, y)
    print(f"{name}: {len(audit.outliers_)} of {len(X)} training rows are outliers")
    for kind, rows in others.items():
        print(f"{name}: {kind:18}{audit.unlike(rows).mean():7.3f} unlike", flush=True)


def as_image(image):
    if isinstance(image, np.ndarray):
        return Image.fromarray(image).convert("RGB")
    return Image.open(image).convert("RGB")


def jpeg(image, quality=85):
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(io.BytesIO(buffer.getvalue())).convert("RGB")


def resized(image, factor):
    size = [max(1, round(side * factor)) for side in image.size]
    return image.resize(size, Image.Resampling.BICUBIC)


def cropped(image, share):
    """Without a share of width and height, off the lower right."""
    return image.crop((0, 0, *(round(side * (1 - share)) for side in image.size)))


if __name__ == "__main__":
    main()
