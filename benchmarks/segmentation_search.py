"""Settings of in-context segmentation chosen on held-out sequences, tested once.

    python benchmarks/segmentation_search.py DATA [--memory FOLDER] [--no-test]
    python benchmarks/segmentation_search.py DATA --chosen joined-480 l2-center 20 0.04

DATA has folders ``train`` and ``test`` of ``images`` and ``masks``. Frames of a video
resemble each other, so whole sequences are left out in turn: a frame's sequence is its
name up to the first ``_`` (``--separator``). Every candidate of ``--candidates`` is
fitted on the other sequences; one search of the left-out frames scores all k and tau,
with and without the mean of the bank. The best mean over frames is fitted on all
training frames, and the test frames are scored with it, once.

Candidates are layers of the backbone, some with gradients of patches: "kernel" by the
exact similarity of pairs, "projected" by rows of random signs. ``--frames`` takes every
so many-th training frame, ``--rows`` bounds the bank. With ``--memory`` maps are kept.
Searches of several candidates may run beside each other with ``--no-test``;
``--chosen`` then tests what the best of them chose.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from _segmentation_data import load_pairs

from skknn import DenseEmbedder, InContextSegmenter

STAGES = {"layer": [2, 4, 6], "stride": 16}
JOINED = {"layer": [2, 4, 5, 6, None], "stride": 16}
KERNEL = {"gradients": "simclr"}
PROJECTED = KERNEL | {"gradient_form": "projected", "projection_dim": 256}
SIZE = {"image_size": 480}
CANDIDATES = {
    "default": {},
    "stages": STAGES,
    "stages-480": STAGES | SIZE,
    "joined": JOINED,
    "joined-480": JOINED | SIZE,
    "joined-480-kernel": JOINED | SIZE | KERNEL,
    "joined-480-projected": JOINED | SIZE | PROJECTED,
    "last-480": {"layer": None} | SIZE,
    "last-480-kernel": {"layer": None} | SIZE | KERNEL,
    "last-480-projected": {"layer": None} | SIZE | PROJECTED,
}
K, TAUS = [10, 20, 30, 50], [0.02, 0.03, 0.04, 0.06]


def main(argv=None):
    args = arguments().parse_args(argv)
    images, masks = (part[:: args.frames] for part in load_pairs(args.data, "train"))
    groups = np.array([Path(p).name.partition(args.separator)[0] for p in images])
    print(f"{len(images)} training frames of {len(set(groups))} sequences", flush=True)
    best = tuple(args.chosen) if args.chosen else search(images, masks, groups, args)
    name, preprocessing, k, tau = best
    if args.no_test:
        return
    segmenter = InContextSegmenter(
        embedder_of(name, args),
        n_neighbors=int(k),
        tau=float(tau),
        preprocessing=preprocessing,
        **bank_of(args),
    ).fit(images, masks)
    score = segmenter.score(*load_pairs(args.data, "test"))
    print(f"chosen: {name}, {preprocessing}, k = {k}, tau = {tau}; test {score:.4f}")


def search(images, masks, groups, args):
    """Candidate, preprocessing, k and tau with the best held-out score."""
    best = (-1.0,)
    for name in args.candidates:
        start = time.perf_counter()
        embedder = embedder_of(name, args).fit(images)
        maps = embedder.transform(images)
        print(f"{name:20} maps in {time.perf_counter() - start:.0f} s", flush=True)
        for preprocessing in args.preprocessings:
            start = time.perf_counter()
            settings = bank_of(args) | {
                "preprocessing": preprocessing,
                "similarity": embedder.pair_widths_ or "cosine",
            }
            scores = held_out(maps, masks, groups, settings, args)
            i, j = np.unravel_index(np.argmax(scores), scores.shape)
            chosen = args.k[i], args.tau[j]
            print(
                f"{name:20} {preprocessing:10} held out {scores[i, j]:.4f} with "
                f"k = {chosen[0]}, tau = {chosen[1]}, in "
                f"{time.perf_counter() - start:.0f} s",
                flush=True,
            )
            best = max(best, (scores[i, j], name, preprocessing, *chosen))
        del maps
    return best[1:]


def held_out(maps, masks, groups, settings, args):
    """Mean over frames of the scores (k, tau) of sequences that are left out."""
    total = np.zeros((len(args.k), len(args.tau)))
    for group in np.unique(groups):
        out = groups == group
        kept, left = np.flatnonzero(~out), np.flatnonzero(out)
        segmenter = InContextSegmenter(**settings).fit(
            [maps[i] for i in kept], [masks[i] for i in kept]
        )
        scores = segmenter.grid_scores(
            [maps[i] for i in left], [masks[i] for i in left], args.k, args.tau
        )
        total += out.mean() * scores
    return total


def embedder_of(name, args):
    """The embedder of a candidate."""
    return DenseEmbedder(memory=args.memory, random_state=0, **CANDIDATES[name])


def bank_of(args):
    """Settings of the segmenter that are not searched."""
    return {
        "max_patches": args.rows,
        "ignore_index": args.ignore_index,
        "random_state": 0,
    }


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument(
        "--candidates", nargs="*", default=list(CANDIDATES), choices=list(CANDIDATES)
    )
    parser.add_argument("--k", type=int, nargs="*", default=K)
    parser.add_argument("--tau", type=float, nargs="*", default=TAUS)
    parser.add_argument("--preprocessings", nargs="*", default=["l2", "l2-center"])
    parser.add_argument(
        "--chosen", nargs=4, metavar=("CANDIDATE", "PREPROCESSING", "K", "TAU")
    )
    parser.add_argument("--separator", default="_")
    parser.add_argument("--frames", type=int, default=1, help="every so many-th")
    parser.add_argument("--rows", type=int, help="size of the bank")
    parser.add_argument("--ignore-index", type=int, default=255)
    parser.add_argument("--memory", help="folder for maps; they are large")
    parser.add_argument("--no-test", action="store_true")
    return parser


if __name__ == "__main__":
    main()
