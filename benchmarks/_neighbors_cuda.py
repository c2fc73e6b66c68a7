"""Exact search on a card beside plain torch: a product and topk, nothing proven."""

import json
import time

import numpy as np
import torch

# Rows, queries, features, neighbours.
CASES = (
    (50_000, 5_000, 384, 128),
    (100_000, 10_000, 768, 128),
    (1_280_000, 10_000, 384, 20),
    (1_280_000, 10_000, 384, 128),
    (1_280_000, 10_000, 768, 128),
)
SHORT = (CASES[0], CASES[2], CASES[3])
FEW = (1, 8, 64)


def run(device, short):
    """Print a JSON line for each case."""
    for case in SHORT if short else CASES:
        compare(*case, device=device, repeats=3 if short else 5)
    few_queries(device, repeats=30)
    leave_one_out(device)


def compare(n, n_queries, d, k, *, device, repeats):
    """Many queries: ours, and plain torch in three precisions."""
    rows, queries = clustered(n, n_queries, d)
    index = search(rows, device)
    start = time.perf_counter()
    index.kneighbors(queries[:64], k)
    first = time.perf_counter() - start
    ours = seconds(lambda: index.kneighbors(queries, k), repeats)
    plain = Plain(rows, queries, device)
    line = {
        "search": [n, n_queries, d, k],
        "ours_ms": 1e3 * ours,
        "first_ms": 1e3 * first,
    }
    for name in ("float32", "tf32", "bfloat16"):
        line[f"{name}_ms"] = 1e3 * seconds(lambda name=name: plain(k, name), repeats)
    line["of_float32"] = line["ours_ms"] / line["float32_ms"]
    ids, sure = index.kneighbors(queries[:200], k)[1], plain(k, "float32")[:200]
    line["overlap"] = np.mean([len(np.intersect1d(*p)) / k for p in zip(ids, sure)])
    say(**line)


def few_queries(device, repeats):
    """Small batches among 50,000 rows."""
    n, _, d, k = CASES[0]
    rows, queries = clustered(n, max(FEW), d)
    index = search(rows, device)
    for n_queries in FEW:
        some = queries[:n_queries]
        plain = Plain(rows, some, device)
        ours = seconds(lambda some=some: index.kneighbors(some, k), repeats)
        theirs = seconds(lambda plain=plain: plain(k, "float32", upload=True), repeats)
        say(
            queries=n_queries,
            ours_ms=1e3 * ours,
            float32_ms=1e3 * theirs,
            of_float32=ours / theirs,
        )


def leave_one_out(device):
    """20,000 of 50,000 rows, each without itself."""
    n, _, d, k = CASES[0]
    index = search(clustered(n, 1, d)[0], device)
    ours = seconds(lambda: index.leave_one_out(k, slice(20_000)), 3)
    say(leave_one_out=[n, 20_000, d, k], ours_ms=1e3 * ours)


def search(rows, device):
    """Return our index over rows."""
    from skknn.datastore import NeighborIndex

    return NeighborIndex(preprocessing=None, algorithm="torch", device=device).fit(rows)


class Plain:
    """Scores by one product, the best by topk, copied back."""

    def __init__(self, rows, queries, device):
        self.host = queries
        self.rows = torch.from_numpy(rows).to(device)
        self.low = self.rows.bfloat16()
        self.queries = torch.from_numpy(queries).to(device)
        self.half = (self.rows * self.rows).sum(1) / 2
        self.step = 1024 if len(rows) > 500_000 else 4096

    def __call__(self, k, precision, upload=False):
        queries = self.queries
        if upload:
            queries = torch.from_numpy(self.host).to(self.rows.device)
        before = torch.backends.cuda.matmul.allow_tf32
        torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
        try:
            ids = [self.top(part, k, precision) for part in queries.split(self.step)]
        finally:
            torch.backends.cuda.matmul.allow_tf32 = before
        return np.concatenate(ids)

    def top(self, queries, k, precision):
        if precision == "bfloat16":
            scores = (queries.bfloat16() @ self.low.T).float()
        else:
            scores = queries @ self.rows.T
        values, ids = scores.sub_(self.half).topk(k, dim=1)
        values.cpu()
        return ids.cpu().numpy()


def clustered(n, n_queries, d):
    """Unit rows around 1,000 centres, and queries beside some of them."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((1000, d), dtype=np.float32)
    rows = rng.standard_normal((n, d), dtype=np.float32)
    rows += centres[rng.integers(0, 1000, n)]
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    queries = 0.1 * rng.standard_normal((n_queries, d), dtype=np.float32)
    return rows, queries + rows[rng.integers(0, n, n_queries)]


def seconds(function, repeats):
    """Median time of a call, the device waited for."""
    function()
    taken = []
    for _ in range(repeats):
        synchronize()
        start = time.perf_counter()
        function()
        synchronize()
        taken.append(time.perf_counter() - start)
    return float(np.median(taken))


def synchronize():
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def say(**line):
    rounded = {
        name: round(float(value), 4) if isinstance(value, float) else value
        for name, value in line.items()
    }
    print(json.dumps(rounded), flush=True)
