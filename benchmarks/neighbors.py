"""Exact neighbour search side by side: time, memory, and whether the ids are right.

    python benchmarks/neighbors.py                        # everything, all threads
    python benchmarks/neighbors.py --cases B C --threads 1 --engines fast faiss
    python benchmarks/neighbors.py --cases small8 loo --data isotropic
    python benchmarks/neighbors.py --memory               # extra peak memory
    python benchmarks/neighbors.py --device cuda          # on a card, JSON lines

Every engine answers the same queries in turns within one process; medians over the
turns are compared. With ``--threads 1`` processor seconds are compared, which other
work on the machine cannot stretch; else wall-clock seconds. Timed calls exclude what
is done once per fit (copies of the rows in a lower precision),
most of which the first call shows; small batches come after 4,000 other queries. Ids
are compared with a float64 stable sort by (distance, index).

"clustered" rows are unit rows around 100 centres with a power-law spectrum, as
embeddings are; "isotropic" ones are random directions, the worst case for every
engine that skips rows. faiss is ``IndexFlatL2`` with
``faiss.cvar.distance_compute_blas_threshold = 1``, so that it uses its matrix product
for every batch; ``faiss-default`` leaves the threshold as faiss sets it. ``topk`` is
torch ``addmm`` and ``topk`` in blocks of 256 queries. Unset OPENBLAS_CORETYPE, if your
system sets it, to compare with numpy at its best.
"""

import argparse
import gc
import os
import subprocess
import sys
import time

import _neighbors_cuda
import numpy as np
from _memory import peak_bytes, reset_peak, resident_bytes

# name: (base rows, queries, features, neighbours); loo has the base as queries.
CASES = {
    "A": (10_000, 10_000, 384, 20),
    "B": (50_000, 5_000, 384, 128),
    "C": (50_000, 5_000, 768, 128),
    "D": (100_000, 2_000, 768, 512),
    "loo": (20_000, None, 384, 128),
    "small1": (50_000, 1, 384, 128),
    "small8": (50_000, 8, 384, 128),
    "small64": (50_000, 64, 384, 128),
    "small300": (50_000, 300, 384, 128),
    "small1-3k": (3_000, 1, 384, 20),
    "small8-3k": (3_000, 8, 384, 20),
    "small50-3k": (3_000, 50, 384, 20),
}
GROUPS = {"small": [name for name in CASES if name.startswith("small")]}
ENGINES = [
    "fast", "torch", "brute", "skknn-faiss", "auto",
    "faiss", "faiss-default", "sklearn32", "sklearn64", "topk",
]  # fmt: skip


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", nargs="*", default=[*CASES], choices=CASES)
    parser.add_argument("--engines", nargs="*", default=ENGINES, choices=ENGINES)
    kinds = ["clustered", "isotropic"]
    parser.add_argument("--data", nargs="*", default=kinds, choices=kinds)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="of rows and queries")
    parser.add_argument("--check", type=int, default=200, help="queries verified")
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--device", default="cpu", help="cpu, or cuda for JSON lines")
    parser.add_argument("--short", action="store_true", help="on a card: fewer cases")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.device != "cpu":
        _neighbors_cuda.run(args.device, args.short)
        return
    if args.child:
        print(*memory_of(args))
        return
    cases = [c for name in args.cases for c in GROUPS.get(name, [name])]
    limit_threads(args.threads)
    print(f"{args.threads} threads, {versions()}")
    for case in cases:
        for kind in args.data:
            if args.memory:
                memory_table(case, kind, args)
            else:
                time_table(case, kind, args)


def limit_threads(n_threads):
    import torch
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(n_threads)
    threadpool_limits(n_threads)
    try:
        import faiss

        faiss.omp_set_num_threads(n_threads)
    except ImportError:
        pass


def versions():
    import sklearn
    import torch

    return f"numpy {np.__version__}, torch {torch.__version__}, sklearn " + (
        sklearn.__version__
    )


def shape_of(case, args):
    n_samples, n_queries, n_features, k = CASES[case]
    n_samples = int(n_samples * args.scale)
    if n_queries is not None and not case.startswith("small"):
        n_queries = max(1, int(n_queries * args.scale))
    return n_samples, n_queries, n_features, min(k, n_samples - 1)


def rows_of(kind, n_samples, n_features, seed):
    """float32 unit rows; seed 0 is the base, 1 the queries of the same kind."""
    shared = np.random.default_rng(0)
    rng = np.random.default_rng([1, seed])
    rows = rng.standard_normal((n_samples, n_features), dtype=np.float32)
    if kind == "clustered":
        centres = shared.standard_normal((100, n_features), dtype=np.float32)
        spread = np.arange(1, n_features + 1, dtype=np.float32) ** -0.25
        turn, _ = np.linalg.qr(shared.standard_normal((n_features, n_features)))
        rows += centres[rng.integers(100, size=n_samples)]
        rows = (rows * spread) @ turn.astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


class Own:
    """An engine of this package behind NeighborIndex, rows as they are."""

    def __init__(self, name, base, leave_out):
        from skknn.datastore import NeighborIndex

        algorithm = name.removeprefix("skknn-")
        device = None if name == "auto" else "cpu"
        self.index = NeighborIndex(
            preprocessing=None, algorithm=algorithm, device=device
        ).fit(base)
        self.leave_out = leave_out

    def search(self, queries, k):
        if self.leave_out:
            return self.index.leave_one_out(k)[1]
        return self.index.kneighbors(queries, k)[1]


class ScikitLearn:
    def __init__(self, name, base, leave_out):
        from sklearn.neighbors import NearestNeighbors

        self.dtype = np.float64 if name.endswith("64") else np.float32
        self.search_ = NearestNeighbors(algorithm="brute").fit(base.astype(self.dtype))
        self.leave_out = leave_out

    def search(self, queries, k):
        queries = None if self.leave_out else queries.astype(self.dtype, copy=False)
        return self.search_.kneighbors(queries, k)[1]


class Faiss:
    def __init__(self, name, base, leave_out):
        import faiss

        self.threshold = faiss.cvar.distance_compute_blas_threshold
        if name == "faiss":
            self.threshold = 1
        self.index = faiss.IndexFlatL2(base.shape[1])
        self.index.add(base)
        self.leave_out = leave_out

    def search(self, queries, k):
        import faiss

        before = faiss.cvar.distance_compute_blas_threshold
        faiss.cvar.distance_compute_blas_threshold = self.threshold
        try:
            # Wrong with duplicates, but what is done: one more, without the first.
            ids = self.index.search(queries, k + self.leave_out)[1]
        finally:
            faiss.cvar.distance_compute_blas_threshold = before
        return ids[:, int(self.leave_out) :]


class TopK:
    def __init__(self, name, base, leave_out):
        import torch

        self.base = torch.from_numpy(base)
        self.half = -(self.base**2).sum(1) / 2
        self.leave_out = leave_out

    def search(self, queries, k):
        import torch

        ids = []
        for start in range(0, len(queries), 256):
            block = torch.from_numpy(queries[start : start + 256])
            scores = torch.addmm(self.half, block, self.base.T)
            if self.leave_out:
                rows = torch.arange(len(block))
                scores[rows, rows + start] = -torch.inf
            ids.append(scores.topk(k, dim=1).indices)
        return torch.cat(ids).numpy()


def make(name, base, leave_out):
    for key, kind in {"sklearn": ScikitLearn, "faiss": Faiss, "topk": TopK}.items():
        if name.startswith(key):
            return kind(name, base, leave_out)
    return Own(name, base, leave_out)


def true_ids(base, queries, k, own, chunk=4096):
    """By a float64 stable sort of sums of squared differences."""
    ids = np.empty((len(queries), k), dtype=np.int64)
    for i, query in enumerate(queries):
        sqdist = np.concatenate(
            [
                ((base[a : a + chunk].astype(np.float64) - query) ** 2).sum(axis=1)
                for a in range(0, len(base), chunk)
            ]
        )
        if own is not None:
            sqdist[own[i]] = np.inf
        ids[i] = np.argsort(sqdist, kind="stable")[:k]
    return ids


def time_table(case, kind, args):
    n_samples, n_queries, n_features, k = shape_of(case, args)
    base = rows_of(kind, n_samples, n_features, 0)
    leave_out = n_queries is None
    queries = base if leave_out else rows_of(kind, n_queries, n_features, 1)
    clock = time.process_time if args.threads == 1 else time.perf_counter
    engines, first, times, right = {}, {}, {}, {}
    picked = np.linspace(0, len(queries) - 1, min(args.check, len(queries))).astype(int)
    own = picked if leave_out else None
    want = true_ids(base, queries[picked].astype(np.float64), k, own)
    for name in args.engines:
        start = clock()
        try:
            engines[name] = make(name, base, leave_out)
        except ImportError as error:
            print(f"  {name}: {error}")
            continue
        ids = engines[name].search(queries, k)[picked]
        first[name] = clock() - start
        if case.startswith("small"):
            engines[name].search(rows_of(kind, 4000, n_features, 2), k)
        times[name] = []
        right[name] = (ids == want).all(axis=1).mean()
    # Small batches are over too soon to be timed one by one.
    calls = max(1, 300 // len(queries)) if case.startswith("small") else 1
    for turn in range(args.repeats):
        order = list(engines)
        for name in order[turn % len(order) :] + order[: turn % len(order)]:
            gc.collect()
            # Threads of the library before go on spinning for a while.
            time.sleep(0.1)
            start = clock()
            for _ in range(calls):
                engines[name].search(queries, k)
            times[name].append((clock() - start) / calls)
    print(
        f"\n{case}: n={n_samples}, q={len(queries)}{' (leave-one-out)' * leave_out}, "
        f"d={n_features}, k={k}, {kind}"
    )
    print(
        f"{'engine':>14} {'ms/query':>9} {'spread':>7} {'/faiss':>7} {'/sklearn32':>10}"
        f" {'first call s':>12} {'rows right':>10}"
    )
    median = {name: float(np.median(values)) for name, values in times.items()}
    for name, value in sorted(median.items(), key=lambda item: item[1]):
        ratios = [
            f"{value / median[other]:.2f}" if other in median else "-"
            for other in ("faiss", "sklearn32")
        ]
        spread = (max(times[name]) - min(times[name])) / value
        label = name
        if name == "auto":
            label = f"auto:{engines[name].index.algorithm_}"
        print(
            f"{label:>14} {1e3 * value / len(queries):9.4f} {spread:7.0%} "
            f"{ratios[0]:>7} {ratios[1]:>10} {first[name]:12.2f} {right[name]:10.1%}"
        )


def memory_table(case, kind, args):
    n_samples, n_queries, n_features, k = shape_of(case, args)
    queries = n_samples if n_queries is None else n_queries
    print(f"\n{case}: extra peak memory in MiB, n={n_samples}, d={n_features}, k={k}")
    print(
        f"  base {n_samples * n_features * 4 >> 20}, results {queries * k * 16 >> 20}"
    )
    for name in args.engines:
        command = [sys.executable, __file__, "--child", name, "--cases", case]
        command += ["--data", kind, "--threads", str(args.threads)]
        command += ["--scale", str(args.scale)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            print(f"{name:>14} failed: {done.stderr.strip().splitlines()[-1]}")
            continue
        first, search = done.stdout.split()
        print(f"{name:>14} kept after fit and first query {first}, search {search}")


def memory_of(args):
    """MiB that fit and a first query keep, and that a search adds at its peak.

    Results of the search, 16 bytes a neighbour, are not counted.
    """
    name, case, kind = args.child, args.cases[0], args.data[0]
    limit_threads(args.threads)
    n_samples, n_queries, n_features, k = shape_of(case, args)
    base = rows_of(kind, n_samples, n_features, 0)
    leave_out = n_queries is None
    queries = base if leave_out else rows_of(kind, n_queries, n_features, 1)
    # Libraries and their buffers come first, on a small base.
    small = rows_of(kind, 3000, n_features, 0)
    make(name, small, False).search(small[:600], 5)
    gc.collect()
    before = resident_bytes()
    engine = make(name, base, leave_out)
    if leave_out and isinstance(engine, Own):
        engine.index.leave_one_out(k, slice(0, 300))
    else:
        engine.search(queries[:300], k)
    gc.collect()
    kept = resident_bytes()
    reset_peak()
    engine.search(queries, k)
    results = len(queries) * k * 16
    return (kept - before) >> 20, max(0, peak_bytes() - kept - results) >> 20


if __name__ == "__main__":
    main()
