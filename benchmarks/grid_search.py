"""NeighborSearchCV and GridSearchCV side by side, on the grid of R's Table 4.

    python benchmarks/grid_search.py                     # every case, five turns
    python benchmarks/grid_search.py votes-digits votes  # two of them
    python benchmarks/grid_search.py joint-overlapping --turns 1 --naive-fits 25
    python benchmarks/grid_search.py votes --full        # every fit, not a sample
    python benchmarks/grid_search.py --memory            # peak memory and grid size

votes-digits and votes are 231 points (11 k, 21 tau) of SoftKNNClassifier, on digits
and on 10,000 made-up rows of 384 columns in 100 classes. The joint cases are the 6,930
points (k, tau, 3 alpha, 10 lambda) of JointKNNClassifier on such rows, with classes
well separated or overlapping; "sequential" names them with that strategy. All with
5 folds and no refit.

In each turn NeighborSearchCV searches the whole grid, and GridSearchCV makes
``--naive-fits`` fits drawn at random from the same points and folds, half of them
before and half after. Its time for the whole grid is extrapolated from these. Seconds
are those of the processor on one thread, which other work on the machine cannot
stretch much. The scores of these fits are compared with ours.
"""

import argparse
import gc
import os
import subprocess
import sys
import time
import warnings
from importlib.util import find_spec

import numpy as np
from _memory import peak_bytes, reset_peak, resident_bytes
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, ParameterGrid, StratifiedKFold

from skknn import JointKNNClassifier, NeighborSearchCV, SoftKNNClassifier

KS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, "mean"]
TAUS = sorted({0.001, 0.01, *np.arange(1, 11) / 100, *np.arange(1, 11) / 10, 10.0})
VOTES = {"k": KS, "tau": TAUS}
JOINT = {**VOTES, "alpha": [0.01, 0.001, 0.0001], "lam": np.linspace(0.5, 0.95, 10)}
# name: (data, estimator, grid, strategy, default number of naive fits)
CASES = {
    "votes-digits": ("digits", SoftKNNClassifier(), VOTES, "exhaustive", 60),
    "votes": ("separated", SoftKNNClassifier(), VOTES, "exhaustive", 60),
    "joint-separated": ("separated", JointKNNClassifier(), JOINT, "exhaustive", 20),
    "joint-overlapping": ("overlapping", JointKNNClassifier(), JOINT, "exhaustive", 20),
    "sequential-separated": (
        "separated", JointKNNClassifier(), JOINT, "sequential", 20
    ),
    "sequential-overlapping": (
        "overlapping", JointKNNClassifier(), JOINT, "sequential", 20
    ),
}  # fmt: skip


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cases", nargs="*", default=[*CASES], metavar="case")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--naive-fits", type=int, help="a turn")
    parser.add_argument("--full", action="store_true", help="all fits, in one turn")
    parser.add_argument("--algorithm", default="auto", help="engine of both sides")
    parser.add_argument("--scoring", default="accuracy")
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    args = parser.parse_args()
    unknown = set(args.cases) - CASES.keys()
    if unknown:
        parser.error(
            f"no such case: {', '.join(unknown)}; there are {', '.join(CASES)}"
        )
    if args.full:
        args.turns = 1
    limit_threads()
    warnings.simplefilter("ignore")
    if args.child:
        print(memory_of(args.child))
    elif args.memory:
        memory_table()
    else:
        for name in args.cases:
            compare(name, args)


def compare(name, args):
    kind, estimator, grid, strategy, n_fits = CASES[name]
    n_fits = args.naive_fits or n_fits
    X, y = rows_of(kind)
    estimator.set_params(algorithm=args.algorithm)
    points = list(ParameterGrid(grid))
    splits = list(StratifiedKFold(5).split(X, y))
    rng = np.random.default_rng(0)
    ours, naive, differences = [], [], []
    for turn in range(args.turns):
        everything = [(p, fold) for p in range(len(points)) for fold in range(5)]
        picks = [
            everything[i]
            for i in rng.permutation(len(everything))[: None if args.full else n_fits]
        ]
        n_fits = len(picks)
        half = n_fits // 2
        first, first_scores = naive_fits(
            estimator, points, splits, picks[:half], X, y, args
        )
        gc.collect()
        start = time.process_time()
        search = NeighborSearchCV(
            estimator, grid, scoring=args.scoring, cv=splits, strategy=strategy,
            refit=False,
        ).fit(X, y)  # fmt: skip
        ours.append(time.process_time() - start)
        second, second_scores = naive_fits(
            estimator, points, splits, picks[half:], X, y, args
        )
        naive.append((first + second) / n_fits * len(points) * len(splits))
        if strategy == "exhaustive":
            differences += [
                abs(search.cv_results_[f"split{fold}_test_score"][point] - score)
                for (point, fold), score in zip(picks, first_scores + second_scores)
            ]
        print(
            f"{name} turn {turn + 1}: {ours[-1]:.2f} s, naive {naive[-1]:.0f} s, "
            f"{naive[-1] / ours[-1]:.0f} times; best {search.best_params_}, "
            f"{search.best_score_:.4f}",
            flush=True,
        )
    ratios = np.divide(naive, ours)
    print(
        f"{name}: {len(points)} points, {len(splits)} folds, {len(X)} x {X.shape[1]} "
        f"rows, {args.algorithm}\n"
        f"  NeighborSearchCV {np.median(ours):.2f} s, GridSearchCV "
        f"{np.median(naive):.0f} s (from {n_fits} fits a turn), "
        f"{np.median(ratios):.0f} times (median of {args.turns}; "
        f"{ratios.min():.0f} to {ratios.max():.0f})"
    )
    if differences:
        print(
            f"  equal to the bit with GridSearchCV: {differences.count(0)} of "
            f"{len(differences)} scores, largest difference {max(differences):.1e}"
        )


def naive_fits(estimator, points, splits, picks, X, y, args):
    """Processor seconds and scores of single fits by GridSearchCV."""
    scores = []
    start = time.process_time()
    for point, fold in picks:
        grid = {name: [value] for name, value in points[point].items()}
        search = GridSearchCV(
            estimator, grid, scoring=args.scoring, cv=[splits[fold]], refit=False
        ).fit(X, y)
        scores.append(search.cv_results_["mean_test_score"][0])
    return time.process_time() - start, scores


def rows_of(kind):
    """Rows and labels. Made-up ones: unit rows, spectrum of a power law, rotated."""
    if kind == "digits":
        X, y = load_digits(return_X_y=True)
        return X / 16, y
    n_samples, n_features, n_classes = 10_000, 384, 100
    separation = {"separated": 1.4, "overlapping": 0.5}[kind]
    rng = np.random.default_rng(0)
    order = np.arange(1.0, n_features + 1)
    noise, signal = order**-0.5, order**-0.75
    noise, signal = noise / np.linalg.norm(noise), signal / np.linalg.norm(signal)
    turn, _ = np.linalg.qr(rng.normal(size=(n_features, n_features)))
    centres = rng.normal(size=(n_classes, n_features)) * signal * separation
    y = rng.permutation(np.arange(n_samples) % n_classes)
    X = (centres[y] + rng.normal(size=(n_samples, n_features)) * noise) @ turn
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    return X.astype(np.float32), y


# What the memory of a search is measured on: the same largest k, few or many points.
MEMORY = {
    "22 points": (SoftKNNClassifier(), {"k": KS, "tau": [0.1, 1]}),
    "231 points": (SoftKNNClassifier(), VOTES),
    "2 points, joint": (JointKNNClassifier(), {"k": [512], "alpha": [0.01, 0.1]}),
    "440 points, joint": (
        JointKNNClassifier(),
        {"k": KS, "alpha": [0.01, 0.1], "lam": np.linspace(0, 1, 20)},
    ),
}


def memory_table():
    print("MiB on top of the rows, at the peak of the search (10,000 x 384, k <= 512)")
    for name in MEMORY:
        command = [sys.executable, __file__, "--child", name]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        print(f"{name:>20} {done.stdout.strip():>5}", flush=True)


def memory_of(name):
    estimator, grid = MEMORY[name]
    X, y = rows_of("separated")
    # Libraries come first, on few rows.
    estimator.set_params(algorithm="fast" if find_spec("numba") else "auto")
    NeighborSearchCV(estimator, {"k": [2, 4]}).fit(X[:600], y[:600] % 3)
    gc.collect()
    before = resident_bytes()
    reset_peak()
    NeighborSearchCV(estimator, grid, refit=False).fit(X, y)
    return (peak_bytes() - before) >> 20


def limit_threads():
    os.environ["OMP_NUM_THREADS"] = "1"
    import torch
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(1)
    threadpool_limits(1)


if __name__ == "__main__":
    main()
