"""Search and the joint classifier at the size of ImageNet, on one machine.

    python benchmarks/scale.py                          # 1.28 million rows, 20 GiB
    python benchmarks/scale.py --rows 128000            # a tenth, a few minutes
    python benchmarks/scale.py --steps exact loo --dtype float16 --folder /scratch

Synthetic rows: classes as clusters that overlap, memory-mapped from ``--folder``
(made there once, 2 GB in float32). Steps:

exact   fit, then 1,000 queries with the engine that "auto" picks; ids are compared
        with a float64 stable sort for a few of them
loo     the approximate index: 20 neighbours of every row but itself, and the recall
        of 1,000 rows against the exact engine
joint   JointKNNClassifier from fit to predictions: leave-one-out weights from the
        approximate index, logistic regression on all rows

Each step runs in a process of its own and reports its peak memory, mapped files
included.
"""

import argparse
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

STEPS = ("exact", "loo", "joint")
K = 20


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_280_000)
    parser.add_argument("--features", type=int, default=384)
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--dtype", choices=["float32", "float16"], default="float32")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--steps", nargs="*", choices=STEPS, default=STEPS)
    parser.add_argument("--approximate", choices=["ivf", "hnsw"], default="ivf")
    parser.add_argument(
        "--max-iter", type=int, default=20, help="of the logistic regression"
    )
    parser.add_argument("--child", choices=STEPS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    rows = make_rows(args)
    if args.child:
        {"exact": exact, "loo": leave_one_out, "joint": joint}[args.child](args, rows)
        print(f"  peak memory {peak_gib():.2f} GiB", flush=True)
        return
    print(
        f"n={args.rows}, d={args.features}, C={args.classes}, {args.dtype}", flush=True
    )
    for step in args.steps:
        print(f"{step}:", flush=True)
        subprocess.run([sys.executable, *sys.argv, "--child", step], check=True)


def make_rows(args):
    """Memory-mapped rows with their queries at the end, and labels."""
    name = f"scale-{args.rows}-{args.features}-{args.classes}-{args.dtype}.npy"
    path = args.folder / name
    total = args.rows + args.queries
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((args.classes, args.features), dtype=np.float32)
    spread = np.arange(1, args.features + 1, dtype=np.float32) ** -0.25
    y = rng.integers(args.classes, size=total)
    if not path.exists():
        args.folder.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        rows = np.lib.format.open_memmap(
            part, "w+", dtype=args.dtype, shape=(total, args.features)
        )
        for start in range(0, total, 20_000):
            labels = y[start : start + 20_000]
            noise = np.random.default_rng([1, start]).standard_normal(
                (len(labels), args.features), dtype=np.float32
            )
            rows[start : start + 20_000] = spread * (0.7 * centres[labels] + noise)
        rows.flush()
        part.rename(path)
    rows = np.load(path, mmap_mode="r")
    return rows[: args.rows], y[: args.rows], rows[args.rows :], y[args.rows :]


class Timer:
    def __init__(self, what):
        self.what = what

    def __enter__(self):
        self.start = time.perf_counter()
        return self

    def __exit__(self, *error):
        self.seconds = time.perf_counter() - self.start
        print(f"  {self.what}: {self.seconds:.1f} s, {peak_gib():.2f} GiB", flush=True)


def exact(args, rows):
    from skknn import SoftKNNClassifier

    X, y, queries, y_queries = rows
    with Timer("fit"):
        knn = SoftKNNClassifier(K).fit(X, y)
    print(f"  algorithm_ {knn.algorithm_}")
    knn.kneighbors(queries[:200])
    with Timer(f"{len(queries)} exact queries") as timer:
        distances, ids = knn.kneighbors(queries)
    print(f"  {1e3 * timer.seconds / len(queries):.2f} ms a query")
    prepared = knn._index._rows
    picked = range(0, len(queries), max(1, len(queries) // 10))
    for i in picked:
        row = knn._index._prepare(np.asarray(queries[i : i + 1], dtype=np.float32))
        want = stable_sort(prepared, row[0], K)
        assert np.array_equal(want, ids[i]), f"query {i} differs"
    print(f"  ids of {len(picked)} queries equal a float64 stable sort")
    print(f"  accuracy {(knn.predict(queries) == y_queries).mean():.4f}")


def stable_sort(base, query, k, chunk=20_000):
    query = query.astype(np.float64)
    sqdist = np.concatenate(
        [
            ((base[a : a + chunk].astype(np.float64) - query) ** 2).sum(axis=1)
            for a in range(0, len(base), chunk)
        ]
    )
    return np.argsort(sqdist, kind="stable")[:k]


def leave_one_out(args, rows):
    from tqdm import tqdm

    from skknn.neighbors import NeighborIndex

    X, *_ = rows
    X = np.asarray(X, dtype=np.float32) if args.dtype == "float16" else X
    with Timer(f"{args.approximate} index"):
        index = NeighborIndex(algorithm=args.approximate).fit(X)
    with Timer("effort tuned on 256 rows"):
        told = index.recall(K)
    n_samples, step = len(X), 1 << 16
    ids = np.empty((n_samples, K), dtype=np.int32)
    with Timer("leave-one-out of all rows") as timer:
        for start in tqdm(range(0, n_samples, step), desc="  blocks"):
            part = slice(start, start + step)
            ids[part] = index.leave_one_out(K, part)[1]
    print(f"  {1e3 * timer.seconds / n_samples:.3f} ms a row")
    # Other rows than the ones that the effort was tuned on.
    picked = np.sort(np.random.default_rng(7).choice(n_samples, 1000, replace=False))
    truth = NeighborIndex(preprocessing=None).fit(index._rows)
    with Timer("exact search of 1000 rows"):
        true = truth._search(index._rows[picked], K, picked)[1]
    found = [len(np.intersect1d(a, b)) / K for a, b in zip(ids[picked], true)]
    print(f"  recall@{K} {np.mean(found):.4f} (told: {told:.4f})")
    assert not (ids == np.arange(n_samples)[:, None]).any()


def joint(args, rows):
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    from skknn import JointKNNClassifier

    X, y, queries, y_queries = rows
    # A few steps show time and memory; to the optimum it takes about a hundred.
    warnings.simplefilter("ignore", ConvergenceWarning)
    base = LogisticRegression(max_iter=args.max_iter)
    clf = JointKNNClassifier(K, algorithm=args.approximate, estimator=base)
    with Timer(f"fit, {args.max_iter} iterations"):
        clf.fit(X, y)
    with Timer(f"{len(queries)} predictions"):
        accuracy = (clf.predict(queries) == y_queries).mean()
    print(f"  accuracy {accuracy:.4f}, recall_ {clf.knn_.recall_:.4f}")


def peak_gib():
    try:
        with open("/proc/self/status") as file:
            for line in file:
                if line.startswith("VmHWM"):
                    return int(line.split()[1]) / 2**20
    except OSError:
        pass
    return float("nan")


if __name__ == "__main__":
    main()
