"""In-context segmentation: seconds and memory, side by side with the direct way.

    python benchmarks/segmentation.py [--rows 100000] [--channels 768] [--images 4]
        [--algorithm auto]
    python benchmarks/segmentation.py --peak [--rows 100000] [--channels 768]

The direct way is what one writes first: labels as a dense table, all similarities of an
image's positions at once, the features of the neighbours gathered to compute the
similarities again, label maps enlarged by torch. Both get the same maps and must give
the same labels but for ties. Maps are generated: smooth fields of classes, features of
low rank with noise, 1,024 positions an image.

Prints seconds an image, and by how much the process grew while it predicted: an image
after the first, and all in all, with the copy of the bank that an engine may keep
(``--algorithm brute`` keeps none). With ``--peak`` instead the largest size of a
process that fills such a bank and scores 200 images (``--images``) of 512 x 512 pixels,
whose maps are made one by one. With ``--data`` (folders ``train`` and ``test`` of
``images`` and ``masks``) also what embedding, filling the bank and predicting take on
images, and the score.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from _memory import peak_bytes, reset_peak, resident_bytes, trim
from _segmentation_data import load_pairs

from skknn import DenseEmbedder, InContextSegmenter

K, TAU, GRID, PIXELS = 30, 0.02, (32, 32), (256, 256)


def main(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--channels", type=int, default=768)
    parser.add_argument("--classes", type=int, default=21)
    parser.add_argument("--images", type=int, help="to predict; 4, or 200 with --peak")
    parser.add_argument("--algorithm", default="auto")
    parser.add_argument("--peak", action="store_true")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--ignore-index", type=int, default=255)
    args = parser.parse_args(argv)
    print(f"{torch.get_num_threads()} threads")
    if args.peak:
        peak(args.rows, args.channels, args.classes, args.images or 200, args.algorithm)
        return
    sizes = args.rows, args.channels, args.classes
    ours, direct = compare(*sizes, args.images or 4, args.algorithm)
    for name, (seconds, grown, _) in {"direct": direct, "ours": ours}.items():
        print(
            f"{name:7} {seconds:7.3f} s an image, {grown[0]:8.1f} MiB an image, "
            f"{grown[1]:8.1f} MiB with what the first image left behind"
        )
    agree = np.mean(ours[2] == direct[2])
    print(f"ratio   {direct[0] / ours[0]:7.2f}, same labels {100 * agree:.3f} %")
    if args.data:
        on_images(args.data, args.ignore_index)


def peak(n_rows, n_channels, n_classes, n_images, algorithm):
    """Largest size of the process while it fills a bank and scores images."""
    positions = GRID[0] * GRID[1]
    made = {"n_channels": n_channels, "n_classes": n_classes, "pixels": (512, 512)}
    train = Made(-(-n_rows // positions), 0, made)
    test = Made(n_images, 1, made)
    print(f"libraries {peak_bytes() / 2**30:.2f} GiB")
    segmenter = InContextSegmenter(
        n_neighbors=K, max_patches=n_rows, algorithm=algorithm, random_state=0
    ).fit(train.maps, train.masks)
    print(f"with a bank of {len(segmenter.bank_)} rows {peak_bytes() / 2**30:.2f} GiB")
    start = time.perf_counter()
    score = segmenter.score(test.maps, test.masks)
    seconds = (time.perf_counter() - start) / n_images
    print(
        f"with {n_images} images scored {peak_bytes() / 2**30:.2f} GiB "
        f"({seconds:.2f} s an image, mean IoU {score:.3f})"
    )


class Made:
    """Images that are made when they are asked for, as two sequences."""

    def __init__(self, n, seed, made):
        self.maps, self.masks = (_Part(n, seed, made, part) for part in (0, 1))


class _Part:
    def __init__(self, n, seed, made, part):
        self._n, self._seed, self._made, self._part = n, seed, made, part

    def __len__(self):
        return self._n

    def __getitem__(self, i):
        return make_maps(1, seed=[self._seed, i], **self._made)[self._part][0]


def compare(n_rows, n_channels, n_classes, n_images, algorithm):
    """(seconds an image, (MiB, MiB), labels) of both ways."""
    positions = GRID[0] * GRID[1]
    n_train = -(-n_rows // positions)
    maps, masks = make_maps(n_train, n_channels, n_classes, seed=0)
    queries, _ = make_maps(n_images + 1, n_channels, n_classes, seed=1)
    start = time.perf_counter()
    segmenter = InContextSegmenter(
        n_neighbors=K,
        tau=TAU,
        max_patches=n_rows,
        algorithm=algorithm,
        random_state=0,
    ).fit(maps, masks)
    del maps
    print(
        f"bank of {len(segmenter.bank_)} rows of {n_channels} numbers filled in "
        f"{time.perf_counter() - start:.1f} s"
    )
    ours = measure(lambda map_: segmenter.predict(map_[None])[0], queries)
    bank = torch.from_numpy(segmenter.bank_.features)
    labels = torch.from_numpy(segmenter.bank_.labels.toarray())
    # Classes that no mask of the bank has have no column.
    named = segmenter.classes_
    direct = measure(lambda map_: named[direct_way(map_, bank, labels)], queries)
    return ours, direct


def measure(predict, queries):
    """Seconds of all queries but the first; growth with the first and after it."""
    trim()
    before = resident_bytes()
    predict(queries[0])
    trim()
    reset_peak()
    once, start = resident_bytes(), time.perf_counter()
    labels = [predict(map_) for map_ in queries[1:]]
    seconds = (time.perf_counter() - start) / len(labels)
    peak = peak_bytes()
    grown = (peak - once) / 2**20, (peak - before) / 2**20
    return seconds, grown, np.stack(labels)


def direct_way(map_, bank, labels):
    """Label map (H, W) of a map (h, w, d), as one writes it first."""
    query = torch.from_numpy(map_).reshape(-1, map_.shape[2])
    _, ids = (query @ bank.T).topk(K, dim=1)
    near, near_labels = bank[ids], labels[ids]
    query = torch.nn.functional.normalize(query, dim=1)
    near = torch.nn.functional.normalize(near, dim=2)
    cosine = torch.einsum("qd,qkd->qk", query, near)
    weights = torch.softmax(cosine / TAU, dim=1)
    votes = torch.einsum("qk,qkc->qc", weights, near_labels)
    maps = votes.reshape(1, *GRID, -1).permute(0, 3, 1, 2)
    wide = torch.nn.functional.interpolate(
        maps, PIXELS, mode="bilinear", align_corners=False
    )
    return wide[0].argmax(0).numpy()


def make_maps(n, n_channels, n_classes, seed, pixels=PIXELS):
    """Maps (n, h, w, d) whose vectors follow smooth fields of classes, and masks."""
    shared, rng = np.random.default_rng(5), np.random.default_rng(seed)
    means = shared.normal(size=(n_classes, n_channels))
    rank = shared.normal(size=(48, n_channels)) / np.sqrt(48)
    masks = np.empty((n, *pixels), np.uint8)
    maps = np.empty((n, *GRID, n_channels), np.float32)
    tile = pixels[0] // GRID[0]
    for i in range(n):
        coarse = rng.integers(0, n_classes, (4, 4))
        rows, columns = (np.arange(side) * 4 // side for side in pixels)
        masks[i] = coarse[np.ix_(rows, columns)]
        grid = masks[i, tile // 2 :: tile, tile // 2 :: tile]
        hidden = rng.normal(size=(*GRID, 48)) @ rank
        noise = 0.3 * rng.normal(size=(*GRID, n_channels))
        maps[i] = 0.7 * means[grid] + hidden + noise
    return maps, masks


def on_images(folder, ignore_index):
    """Seconds of every step on images, the default estimator."""
    train, test = load_pairs(folder, "train"), load_pairs(folder, "test")
    embedder = DenseEmbedder().fit(train[0])
    start = time.perf_counter()
    maps = embedder.transform(train[0])
    embedded = time.perf_counter()
    segmenter = InContextSegmenter(ignore_index=ignore_index).fit(maps, train[1])
    filled = time.perf_counter()
    maps = embedder.transform(test[0])
    again = time.perf_counter()
    score = segmenter.score(maps, test[1])
    embedding = (embedded - start) / len(train[0])
    print(
        f"{folder.name}: embedding {embedding:.2f} s an image, "
        f"bank of {segmenter.bank_.features.shape} {filled - embedded:.1f} s, "
        f"prediction {(time.perf_counter() - again) / len(test[0]):.2f} s an image, "
        f"mean IoU {score:.4f}, largest size {peak_bytes() / 2**30:.2f} GiB"
    )


if __name__ == "__main__":
    main()
