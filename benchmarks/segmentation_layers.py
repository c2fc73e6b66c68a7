"""Layers, size, centring, k and tau of segmentation, cross-validated by sequences.

    python benchmarks/segmentation_layers.py DATA --scores scores.json --memory maps
    python benchmarks/segmentation_layers.py DATA --scores scores.json \
        --sizes 512 --bank flipped
    python benchmarks/segmentation_layers.py DATA --scores scores.json --choose
    python benchmarks/segmentation_layers.py DATA --scores scores.json --test

DATA is as for ``segmentation_search.py``. Frames of a video resemble each other, so
every sequence (a frame's name up to the first ``_``) is labelled by the others, and one
confusion matrix over all training frames gives a setting's score: rare classes are in
few sequences, and means over sequences are noisy.

Joined layers are each of length 1, so the cosine of some of them is the mean of
theirs: one product a layer and size gives all sets of layers, with and without the mean
of the bank, and one list of neighbours all k and tau. The last layer, the widest, is
multiplied in bfloat16. Scores are added to the file, size by size.

Differences of neighbouring settings are smaller than their noise, so ``--choose``
decides by means: layers, centring, k and tau by the mean over sizes, then the size by
the mean over k and tau of what was chosen. Another bank than "plain" ("flipped" adds
mirrored frames, "augmented" is two passes of ``n_augmentations``) is tried at that
size, and taken with its best k and tau if its mean over k and tau is larger.
``--test`` fits the estimator with the choice on all training frames and scores the
test frames, once.
"""

import argparse
import json
import time
from itertools import product
from pathlib import Path

import numpy as np
import torch
from _segmentation_data import load_pairs
from numba import njit
from PIL import Image, ImageOps

from skknn import DenseEmbedder, InContextSegmenter
from skknn.metrics import ConfusionMeter

LAYERS = [2, 4, 5, 6, None]
SETS = {
    "2 4 6": [2, 4, 6],
    "2 4 5 6": [2, 4, 5, 6],
    "2 4 6 head": [2, 4, 6, None],
    "2 4 5 6 head": LAYERS,
}
PREPROCESSINGS = ["l2", "l2-center"]
K, TAUS = [20, 30, 40, 60], [0.02, 0.03, 0.04, 0.06]
# Rows of the bank and queries of one product: what caches hold.
_ROWS, _QUERIES = 2048, 256


def main(argv=None):
    args = arguments().parse_args(argv)
    images, masks = load_pairs(args.data, "train")
    if not (args.choose or args.test):
        for size in args.sizes:
            start = time.process_time()
            found = cross_validate(images, masks, size, args)
            add_scores(args.scores, {f"{size} {args.bank}": found.tolist()})
            print(
                f"{size} px, {args.bank}: {time.process_time() - start:.0f} s of "
                f"processor, best {found.max():.4f}",
                flush=True,
            )
        return
    chosen = choose(json.loads(args.scores.read_text()))
    if args.test:
        print(f"test {test(images, masks, chosen, args):.4f}")


def choose(scores):
    """Size, bank, set of layers, preprocessing, k and tau; see above."""
    plain = {key: np.array(s) for key, s in scores.items() if key.endswith("plain")}
    mean = np.mean(list(plain.values()), axis=0)
    for i, name in enumerate(SETS):
        for j, preprocessing in enumerate(PREPROCESSINGS):
            each = ", ".join(f"{s[i, j].max():.4f}" for s in plain.values())
            print(f"{name:13} {preprocessing:10} {mean[i, j].max():.4f} ({each})")
    i, j, k, tau = np.unravel_index(np.argmax(mean), mean.shape)
    print(f"sizes in parentheses: {', '.join(plain)}; k by tau of the best:")
    print(mean[i, j].round(4))
    of_size = {key: s[i, j].mean() for key, s in plain.items()}
    print("mean over k and tau:", {key: round(s, 4) for key, s in of_size.items()})
    best = max(of_size, key=of_size.get)
    size, bank = best.split()
    for key, found in scores.items():
        found = np.array(found)[i, j]
        if key.startswith(size) and key != best:
            print(f"{key}: mean over k and tau {found.mean():.4f}")
            if found.mean() > of_size[best]:
                bank = key.split()[1]
                of_size[best] = found.mean()
                k, tau = np.unravel_index(np.argmax(found), found.shape)
    chosen = int(size), bank, list(SETS)[i], PREPROCESSINGS[j], K[k], TAUS[tau]
    print("chosen:", *chosen)
    return chosen


def test(images, masks, chosen, args):
    """Score of the test frames, with all training frames in the bank."""
    size, bank, name, preprocessing, k, tau = chosen
    segmenter = InContextSegmenter(
        embedder_of(SETS[name], size, args.memory),
        n_neighbors=k,
        tau=tau,
        preprocessing=preprocessing,
        n_augmentations=2 if bank == "augmented" else 0,
        ignore_index=args.ignore_index,
        random_state=0,
    )
    segmenter.fit(*with_mirrored(images, masks, bank))
    return segmenter.score(*load_pairs(args.data, "test"))


def cross_validate(images, masks, size, args):
    """Scores (sets, preprocessings, k, tau) of sequences that others label."""
    groups = np.array([Path(p).name.partition(args.separator)[0] for p in images])
    embedder = embedder_of(LAYERS, size, args.memory).fit(images)
    widths = [
        embedder_of([layer], size, None).fit(images[:1]).n_channels_ for layer in LAYERS
    ]
    bank = InContextSegmenter(
        embedder,
        n_augmentations=2 if args.bank == "augmented" else 0,
        ignore_index=args.ignore_index,
        algorithm="brute",
        random_state=0,
    )
    bank.fit(*with_mirrored(images, masks, args.bank))
    classes, bank = bank.classes_, bank.bank_
    of_row = groups[bank.images % len(images)]
    n_classes = classes[-1] + 1
    shape = len(SETS), len(PREPROCESSINGS), len(K), len(TAUS)
    meters = {
        key: ConfusionMeter(n_classes, args.ignore_index) for key in np.ndindex(shape)
    }
    for group in np.unique(groups):
        rows = np.flatnonzero(of_row != group)
        fold = Fold(bank.features[rows], bank.labels[rows].toarray(), widths)
        for number in np.flatnonzero(groups == group):
            found = embedder.transform(images[number : number + 1])[0]
            truth = np.array(Image.open(masks[number]))
            for key, labels in fold.label_maps(found, truth.shape):
                meters[key].update(truth, classes[labels])
        print(f"{size} px, {args.bank}: {group} labelled by others", flush=True)
    scores = [np.nanmean(meter.iou()) for meter in meters.values()]
    return np.reshape(scores, shape)


class Fold:
    """A bank whose neighbours are found for all sets of layers at once."""

    def __init__(self, features, labels, widths):
        self.labels = torch.from_numpy(labels)
        parts = torch.from_numpy(features).split(widths, dim=1)
        self.layers = [as_layer(part) for part in parts]
        in_set = [[layer in chosen for layer in LAYERS] for chosen in SETS.values()]
        self.weights = torch.tensor(in_set, dtype=torch.float32)
        self.weights /= self.weights.sum(dim=1, keepdim=True)
        # <q - m, x - m> = <q, x> - <q, m> - <x, m> + <m, m>, set by set.
        self.means = [part.float().mean(dim=0) for part in self.layers]
        self.to_mean = self.weights @ torch.stack(
            [part.float() @ mean for part, mean in zip(self.layers, self.means)]
        )
        self.of_mean = self.weights @ torch.stack([m @ m for m in self.means])
        self.scale = (1 - 2 * self.to_mean + self.of_mean[:, None]).rsqrt()

    def label_maps(self, found, size):
        """Yield ((set, preprocessing, k, tau), label map)."""
        grid = found.shape[:2]
        query = torch.from_numpy(found.reshape(-1, found.shape[2]))
        widths = [part.shape[1] for part in self.layers]
        query = [as_layer(part) for part in query.split(widths, dim=1)]
        near = [
            self.neighbors([q[i : i + _QUERIES] for q in query])
            for i in range(0, len(query[0]), _QUERIES)
        ]
        similarity, ids = (
            torch.from_numpy(np.concatenate(part, 2)) for part in zip(*near)
        )
        for s, p in np.ndindex(len(SETS), len(PREPROCESSINGS)):
            labels = self.labels[ids[s, p]]
            for (i, k), (j, tau) in product(enumerate(K), enumerate(TAUS)):
                weights = (similarity[s, p, :, :k] / tau).softmax(dim=1)
                votes = torch.einsum("qk,qkc->cq", weights, labels[:, :k])
                wide = torch.nn.functional.interpolate(
                    votes.reshape(1, -1, *grid), size, mode="bilinear"
                )
                yield (s, p, i, j), wide[0].argmax(dim=0).numpy()

    def neighbors(self, query):
        """Cosines and rows (sets, preprocessings, queries, k), sorted."""
        n, n_rows, n_sets = len(query[0]), len(self.labels), len(SETS)
        shape = n_sets, len(PREPROCESSINGS), n, max(K)
        best = np.full(shape, -np.inf, np.float32), np.zeros(shape, np.int64)
        mean = self.weights @ torch.stack(
            [q.float() @ mean for q, mean in zip(query, self.means)]
        )
        shift = self.of_mean[:, None] - mean
        own = (1 - 2 * mean + self.of_mean[:, None]).rsqrt()
        for start in range(0, n_rows, _ROWS):
            part = slice(start, start + _ROWS)
            products = torch.stack(
                [(q @ x[part].T).float() for q, x in zip(query, self.layers)]
            )
            cosines = self.weights @ products.flatten(1)
            cosines = cosines.reshape(n_sets, n, -1).numpy()
            args = self.to_mean[:, part], self.scale[:, part], shift, own
            keep_largest(cosines, *(a.numpy() for a in args), start, *best)
        return best


@njit(cache=True)
def keep_largest(cosines, to_mean, scale, shift, own, start, values, ids):
    """Merge cosines (sets, queries, rows), plain and centred, into sorted lists."""
    n_sets, n, n_rows = cosines.shape
    last = values.shape[3] - 1
    for s in range(n_sets):
        for i in range(n):
            plain, centred = values[s, 0, i], values[s, 1, i]
            for row in range(n_rows):
                c = cosines[s, i, row]
                if c > plain[last]:
                    insert(plain, ids[s, 0, i], c, start + row)
                c = (c + shift[s, i] - to_mean[s, row]) * scale[s, row] * own[s, i]
                if c > centred[last]:
                    insert(centred, ids[s, 1, i], c, start + row)


@njit(cache=True)
def insert(values, ids, value, number):
    place = len(values) - 1
    while place > 0 and values[place - 1] < value:
        values[place], ids[place] = values[place - 1], ids[place - 1]
        place -= 1
    values[place], ids[place] = value, number


def as_layer(part):
    """Vectors of length 1; of the widest layer in bfloat16."""
    unit = torch.nn.functional.normalize(part, dim=1)
    return unit.bfloat16() if part.shape[1] > 1000 else unit


def with_mirrored(images, masks, bank):
    """The frames; for "flipped" behind them their mirror images."""
    if bank != "flipped":
        return images, masks
    sides = [Image.open(path).convert("RGB") for path in images]
    flipped = [Image.open(path) for path in masks]
    return (
        [*images, *(ImageOps.mirror(image) for image in sides)],
        [*masks, *(np.array(mask)[:, ::-1] for mask in flipped)],
    )


def embedder_of(layers, size, memory):
    """An embedder that joins layers on the grid of 16 pixels."""
    return DenseEmbedder(layer=layers, stride=16, image_size=size, memory=memory)


def add_scores(path, new):
    """Add scores to a file."""
    known = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(known | new))


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--scores", type=Path, default=Path("scores.json"))
    parser.add_argument("--sizes", type=int, nargs="*", default=[480, 512, 544, 576])
    parser.add_argument(
        "--bank", default="plain", choices=["plain", "flipped", "augmented"]
    )
    parser.add_argument("--choose", action="store_true")
    parser.add_argument("--test", action="store_true")
    parser.add_argument("--separator", default="_")
    parser.add_argument("--ignore-index", type=int, default=255)
    parser.add_argument("--memory", help="folder for maps; they are large")
    return parser


if __name__ == "__main__":
    main()
