"""What rows cost that come or go, beside a fit on all of them.

    python benchmarks/datastore.py [--rows 100000] [--more 1000] [--features 384]

Fits, additions and removals take turns, in processor seconds, so that only their ratios
mean something on a busy machine. Memory is resident memory at its peak within a call
above that before it, as a share of the rows' own bytes (Linux).

The first addition to rows that leave no room, as after ``fit`` with
``preprocessing=None`` or when an eighth more than at first has come, copies all of them
("copied").
"""

import argparse
import time
from importlib.util import find_spec

import numpy as np
from _memory import peak_bytes, reset_peak, resident_bytes

from skknn import SoftKNNClassifier


def measured(call):
    """Processor seconds and bytes at the peak of a call."""
    reset_peak()
    before, start = resident_bytes(), time.process_time()
    call()
    return time.process_time() - start, peak_bytes() - before


def one_turn(algorithm, X, y, n, first):
    """Step -> (seconds, bytes)."""
    knn = SoftKNNClassifier(algorithm=algorithm)
    plain = SoftKNNClassifier(algorithm=algorithm, preprocessing=None, tau="scale")
    found = {
        "fit": measured(lambda: knn.fit(X[:n], y[:n])),
        "partial_fit": measured(lambda: knn.partial_fit(X[n:], y[n:])),
        "query": measured(lambda: knn.predict(X[:1])),
        "remove": measured(lambda: knn.remove(np.arange(first, n, 100))),
    }
    plain.fit(X[:n], y[:n])
    copied = measured(lambda: plain.partial_fit(X[n:], y[n:]))
    return {**found, "partial_fit, copied": copied}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--more", type=int, default=1000)
    parser.add_argument("--features", type=int, default=384)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--engines", nargs="+", default=["auto", "brute", "ivf"])
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    y = rng.integers(0, 100, args.rows + args.more)
    X = rng.standard_normal((100, args.features), dtype=np.float32)[y]
    X += rng.standard_normal(X.shape, dtype=np.float32)
    print(f"{args.rows:,} rows and {args.more:,} more, {args.features} float32 columns")
    for algorithm in args.engines:
        if algorithm in ("ivf", "hnsw", "faiss") and not find_spec("faiss"):
            continue
        turns = [one_turn(algorithm, X, y, args.rows, i) for i in range(args.repeats)]
        fit = np.median([turn["fit"][0] for turn in turns])
        print(f"\n{algorithm:10}{'processor':>14}{'memory at its peak':>22}")
        for name in turns[0]:
            seconds, n_bytes = np.median([turn[name] for turn in turns], axis=0)
            share = n_bytes / X[: args.rows].nbytes
            print(f"{name:20}{seconds / fit:>6.3f} fits{share:>14.2f} times the rows")
        print(f"a fit took {fit:.2f} s")


if __name__ == "__main__":
    main()
