"""The weighted logistic regression: time, memory and objective beside scikit-learn's.

    python benchmarks/solver.py                          # 50,000 x 384, 100 classes
    python benchmarks/solver.py --rows 10000 --turns 3
    python benchmarks/solver.py --threads 0              # as many as the libraries take
    python benchmarks/solver.py --memory

``KNNWeightedLogisticRegression`` searches neighbours, then solves; "skknn" is its
second part, on the weights of the first. scikit-learn's ``LogisticRegression`` gets
the same weights, in float32 and in float64, and the same ``tol`` and ``max_iter``.
"newton" is the solver of ``NeighborSearchCV`` for large grids: one more weight vector
after the first.

Objectives are computed in float64 and compared with the lowest seen. Seconds of the
clock and of the processor on ``--threads`` threads, in turns, medians; ratios are of
the clock.
"""

import argparse
import gc
import subprocess
import sys
import time

import numpy as np
from _memory import peak_bytes, reset_peak, resident_bytes
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from skknn import KNNWeightedLogisticRegression

K, TAU, ALPHA, C = 20, 0.1, 0.1, 1.0
SETTINGS = {"C": C, "tol": 1e-6, "max_iter": 1000}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--features", type=int, default=384)
    parser.add_argument("--classes", type=int, default=100)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    args = parser.parse_args()
    import torch

    if args.threads:
        torch.set_num_threads(args.threads)
        threadpool_limits(args.threads)
    print(f"{args.rows} x {args.features}, {args.classes} classes", end="; ")
    if args.child:
        print(memory_of(args.child, args))
    elif args.memory:
        memory_table(args)
    else:
        time_table(args)


def rows_of(args):
    rng = np.random.default_rng(0)
    y = rng.permutation(np.arange(args.rows) % args.classes)
    scale = np.arange(1.0, args.features + 1) ** -0.25
    centres = rng.normal(size=(args.classes, args.features)) * 0.35
    X = (centres[y] + rng.normal(size=(args.rows, args.features))) * scale
    X *= np.sqrt(args.features) / np.linalg.norm(X, axis=1, keepdims=True)
    return X.astype(np.float32), y


def ours(X, y):
    return KNNWeightedLogisticRegression(
        n_neighbors=K, tau=TAU, alpha=ALPHA, **SETTINGS
    ).fit(X, y)


def theirs(X, y, weights):
    return LogisticRegression(**SETTINGS).fit(X, y, sample_weight=weights)


def objective(X, y, weights, coef, intercept):
    """Weighted mean log loss and penalty, in float64."""
    total = 0.0
    for start in range(0, len(X), 4096):
        part = slice(start, start + 4096)
        scores = X[part].astype(np.float64) @ coef.T.astype(np.float64) + intercept
        scores -= scores.max(axis=1, keepdims=True)
        own = scores[np.arange(len(scores)), y[part]]
        losses = np.log(np.exp(scores).sum(axis=1)) - own
        total += (weights[part] * losses).sum()
    return (total + 0.5 / C * (coef.astype(np.float64) ** 2).sum()) / weights.sum()


def time_table(args):
    from skknn.classifiers import fit_base, make_base
    from skknn.model_selection._newton import LogisticPath

    X, y = rows_of(args)
    clf = ours(X, y)
    X64, weights = X.astype(np.float64), clf.sample_weight_
    plain = LogisticRegression(**SETTINGS).fit(X, y)
    start = np.ones(len(X))
    path = LogisticPath(
        X, y, plain.coef_, plain.intercept_, start,
        C=C, fit_intercept=True, tol=SETTINGS["tol"],
    )  # fmt: skip
    tol = SETTINGS["tol"]
    path.solve(1 + (weights - 1) / 2, tol)
    coefs = {}

    def run(name):
        gc.collect()
        begin = time.perf_counter(), time.process_time()
        if name == "newton":
            coefs[name] = path.solve(weights, tol)[:2]
        else:
            rows = X64 if name == "sklearn float64" else X
            if name == "skknn":
                base, _ = fit_base(make_base(clf), X, y, weights, clf.classes_)
            else:
                base = theirs(rows, y, weights)
            coefs[name] = base.coef_, base.intercept_
        return time.perf_counter() - begin[0], time.process_time() - begin[1]

    names = ["skknn", "sklearn float32", "sklearn float64", "newton"]
    seconds = {name: [] for name in names}
    for turn in range(args.turns):
        for name in names[turn % 4 :] + names[: turn % 4]:
            seconds[name].append(run(name))
    median = {name: np.median(values, axis=0) for name, values in seconds.items()}
    # The Newton path gives none where it does not get there: lbfgs would take over.
    values = {
        name: objective(X, y, weights, *pair)
        for name, pair in coefs.items()
        if pair[0] is not None
    }
    least = min(values.values())
    print(f"{args.turns} turns, weights {weights.min():.2f} to {weights.max():.2f}")
    print(f"{'':18} {'clock':>8} {'processor':>10} {'objective - lowest':>20}")
    for name in names:
        above = f"{values[name] - least:.1e}" if name in values else "not reached"
        clock, processor = median[name]
        print(f"{name:18} {clock:8.2f} {processor:10.2f} {above:>20}")
    for other in ("sklearn float32", "sklearn float64"):
        ratios = np.divide(seconds["skknn"], seconds[other])[:, 0]
        print(f"skknn / {other}: {np.median(ratios):.2f}")


def memory_table(args):
    print(f"float32 rows {4 * args.rows * args.features >> 20} MiB; peak above them:")
    for name in ("skknn", "sklearn float32", "sklearn float64"):
        command = [sys.executable, __file__, "--child", name]
        for key in ("rows", "features", "classes", "threads"):
            command += [f"--{key}", str(getattr(args, key))]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        print(f"{name:18} {done.stdout.split()[-1]:>6} MiB", flush=True)


def memory_of(name, args):
    X, y = rows_of(args)
    ours(X[:600], y[:600] % 3)
    gc.collect()
    before = resident_bytes()
    reset_peak()
    if name == "skknn":
        ours(X, y)
    else:
        theirs(X.astype(np.float64) if name.endswith("64") else X, y, np.ones(len(X)))
    return (peak_bytes() - before) >> 20


if __name__ == "__main__":
    main()
