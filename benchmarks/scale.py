"""Search, leave-one-out and the joint classifier at the size of ImageNet, by stages.

    python benchmarks/scale.py                              # 1.28 million rows
    python benchmarks/scale.py --device cuda [--short]      # on a card
    python benchmarks/scale.py --short                      # 128,000 rows
    python benchmarks/scale.py --stages search approximate  # some of the stages

Synthetic rows, 384 columns in 1,000 classes: clusters that overlap, drawn in memory
(2 GB in float32). Each stage prints a JSON line: seconds, peaks of memory on the host
(Linux) and on the card, and what it found.

search         fit and exact queries; ids against a float64 stable sort. The search's
               seconds stand beside those of the votes made from what it found, and of
               float32 product and topk by torch on the same device
leave-one-out  every row but itself, exact, and the votes for its own class
approximate    the same by ``--approximate`` (extra faiss), with its recall
base           the weights, and the logistic regression fitted with them
joint          JointKNNClassifier from fit to predictions, all of the above in one

Without a card leave-one-out takes the rows of ``--loo-rows`` blocks alone and says so,
the other stages that need it take the approximate engine, and the regression stops
after 20 iterations. With one, its ``--max-iter`` is 1,000 and it is fitted there, by
scikit-learn's array API.
"""

import argparse
import json
import os
import time
import warnings
from contextlib import contextmanager

# scipy reads it once, when it is imported.
os.environ.setdefault("SCIPY_ARRAY_API", "1")

import numpy as np
import sklearn
from _memory import status
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from tqdm import tqdm

from skknn import JointKNNClassifier, SoftKNNClassifier
from skknn.classifiers import fit_base, make_base, weigh_rows
from skknn.datastore import soft_votes, true_class_votes

STAGES = ("search", "leave-one-out", "approximate", "base", "joint")
K, TAU = 20, 0.1
# Rows of a block of leave-one-out, each with a list of neighbours.
BLOCK = 1 << 16


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--short", action="store_true", help="128,000 rows")
    parser.add_argument("--rows", type=int)
    parser.add_argument("--features", type=int, default=384)
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--queries", type=int)
    parser.add_argument("--stages", nargs="*", choices=STAGES)
    parser.add_argument("--approximate", choices=["ivf", "hnsw"], default="ivf")
    parser.add_argument("--loo-rows", type=int, help="the first ones of leave-one-out")
    parser.add_argument("--max-iter", type=int, help="of the logistic regression")
    args = parser.parse_args()
    card = args.device != "cpu"
    args.rows = args.rows or (128_000 if args.short else 1_280_000)
    args.queries = args.queries or (10_000 if card else 1_000)
    args.max_iter = args.max_iter or (1000 if card else 20)
    limit = args.rows if card else BLOCK
    args.loo_rows = min(args.rows, args.loo_rows or limit)
    default = [s for s in STAGES if s != "approximate" or not card]
    stages = args.stages or default
    # A regression that is cut short shows time and memory all the same.
    warnings.simplefilter("ignore", ConvergenceWarning)
    sklearn.set_config(array_api_dispatch=card)
    Scale(args, card).run(stages)


class Scale:
    """Rows, what was fitted on them, and the stages."""

    def __init__(self, args, card):
        self.args, self.card = args, card
        with self.stage("rows", n=args.rows, d=args.features, classes=args.classes):
            self.X, self.y = draw(args, args.rows, seed=1)
            self.queries, self.y_queries = draw(args, args.queries, seed=2)
        engine = "auto" if card else args.approximate
        self.settings = {"n_neighbors": K, "tau": TAU, "device": args.device}
        self.joint_settings = {**self.settings, "algorithm": engine}
        self.weights = None

    def run(self, stages):
        with self.stage("fit") as found:
            self.knn = SoftKNNClassifier(**self.settings).fit(self.X, self.y)
            found["algorithm"] = self.knn.algorithm_
        for name in stages:
            getattr(self, name.replace("-", "_"))()

    @contextmanager
    def stage(self, name, **found):
        """Time what is inside and print it with what was found and the peaks."""
        if self.card:
            import torch

            torch.cuda.reset_peak_memory_stats(self.args.device)
        start = time.perf_counter()
        yield found
        if self.card:
            torch.cuda.synchronize(self.args.device)
            card = torch.cuda.max_memory_allocated(self.args.device) / 2**30
            found["card_gib"] = card
        say(stage=name, seconds=time.perf_counter() - start, host_gib=peak(), **found)

    def search(self):
        index, codes = self.knn.index_.rows, self.knn.index_.codes
        index.kneighbors(self.queries[:200], K)  # loads, copies to the device
        for n_queries in (1, 64, len(self.queries)):
            queries = self.queries[:n_queries]
            with self.stage(f"search of {n_queries}") as found:
                seconds, (distances, ids) = timed(index.kneighbors, queries, K)
                labels = codes[ids]
                votes, _ = timed(soft_votes, distances, labels, TAU, self.args.classes)
                found |= {"search": seconds, "votes": votes}
                if self.card:
                    found["float32_topk"] = self.plain_torch(queries)
        self.check(ids)
        predict, classes = timed(self.knn.predict, self.queries)
        say(predict=predict, accuracy=float((classes == self.y_queries).mean()))

    def plain_torch(self, queries):
        """Seconds of a float32 product and topk, which proves nothing about its ids."""
        import torch

        rows = torch.as_tensor(self.X, device=self.args.device)
        half = (rows * rows).sum(1) / 2

        def search():
            for start in range(0, len(queries), 2048):
                part = torch.as_tensor(
                    queries[start : start + 2048], device=self.args.device
                )
                scores = torch.addmm(half[None], part, rows.T, beta=-1)
                scores.topk(K)[1].cpu()

        search()
        return timed(search)[0]

    def check(self, ids):
        """Compare a few lists with a stable sort of all distances in float64."""
        prepare = self.knn.index_.rows.preprocessor_.transform
        picked = range(0, len(self.queries), max(1, len(self.queries) // 5))
        for i in picked:
            query = prepare(self.queries[i : i + 1]).astype(np.float64)
            squares = np.concatenate(
                [
                    ((prepare(self.X[a : a + BLOCK]) - query) ** 2).sum(axis=1)
                    for a in range(0, len(self.X), BLOCK)
                ]
            )
            want = np.argsort(squares, kind="stable")[:K]
            assert np.array_equal(want, ids[i]), f"query {i} differs"
        say(ids_equal_a_float64_stable_sort=len(picked))

    def leave_one_out(self):
        index = self.knn.index_
        with self.stage("leave-one-out", rows=self.args.loo_rows) as found:
            proba, seconds = own_class(index, self.args.loo_rows)
            found |= seconds
        if self.args.loo_rows == len(self.X):
            self.weights = weigh(proba)

    def approximate(self):
        name = self.args.approximate
        with self.stage(f"{name}, fit", neighbors=K) as found:
            knn = SoftKNNClassifier(**{**self.settings, "algorithm": name})
            knn.fit(self.X, self.y)
            found["told_recall"] = knn.recall_
        with self.stage(f"{name}, leave-one-out") as found:
            proba, seconds = own_class(knn.index_, len(self.X))
            found |= seconds
        self.weights = weigh(proba)
        # Other rows than the ones that the effort was tuned on.
        step = slice(7, None, len(self.X) // 200)
        with self.stage(f"{name}, recall", rows=len(self.X[step])) as found:
            ids = knn.index_.rows.leave_one_out(K, step)[1]
            truth = self.knn.index_.rows.leave_one_out(K, step)[1]
            shared = [len(np.intersect1d(a, b)) for a, b in zip(ids, truth)]
            found["recall"] = float(np.mean(shared)) / K

    def joint_classifier(self):
        base = LogisticRegression(max_iter=self.args.max_iter, tol=1e-6)
        return JointKNNClassifier(**self.joint_settings, estimator=base)

    def base(self):
        weights = self.weights
        if weights is None:
            # As heavy as real ones; what they are changes no time to speak of.
            weights = 1 + np.random.default_rng(0).exponential(0.01, len(self.X))
        recipe = make_base(self.joint_classifier())
        with self.stage("base", measured_weights=self.weights is not None) as found:
            base, _ = fit_base(recipe, self.X, self.y, weights, self.knn.classes_)
            found["iterations"] = int(base.n_iter_[0])
        seconds, proba = timed(base.predict_proba, self.queries)
        accuracy = float((proba.argmax(axis=1) == self.y_queries).mean())
        say(base_predictions=seconds, accuracy=accuracy)

    def joint(self):
        with self.stage("joint, fit") as found:
            clf = self.joint_classifier().fit(self.X, self.y)
            found["iterations"] = int(clf.estimator_.n_iter_[0])
        with self.stage("joint, predictions", queries=len(self.queries)) as found:
            classes = clf.predict(self.queries)
            found["accuracy"] = float((classes == self.y_queries).mean())


def own_class(index, n_rows):
    """Leave-one-out votes of the first rows for their class; seconds of both parts."""
    proba = np.empty(n_rows)
    seconds = {"search": 0.0, "votes": 0.0}
    for start in tqdm(range(0, n_rows, BLOCK), desc="blocks of rows"):
        part = slice(start, min(start + BLOCK, n_rows))
        search, (distances, ids) = timed(index.rows.leave_one_out, K, part)
        own = np.arange(n_rows)[part]
        assert not (ids == own[:, None]).any()
        agree = index.codes[ids] == index.codes[part][:, None]
        votes, proba[part] = timed(true_class_votes, distances, agree, TAU)
        seconds["search"] += search
        seconds["votes"] += votes
    return proba, seconds


def weigh(proba):
    weights = weigh_rows(proba, modulation="nll", gamma=2.0, alpha=0.01)
    say(stage="weights", mean=float(weights.sample_weight.mean()))
    return weights.for_base


def draw(args, n_rows, seed):
    """Rows and labels: centres, the same for all, and noise that falls by column."""
    shape = args.classes, args.features
    centres = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
    spread = np.arange(1, args.features + 1, dtype=np.float32) ** -0.25
    rng = np.random.default_rng(seed)
    y = rng.integers(args.classes, size=n_rows)
    X = np.empty((n_rows, args.features), dtype=np.float32)
    for start in range(0, n_rows, BLOCK):
        part = X[start : start + BLOCK]
        rng.standard_normal(dtype=np.float32, out=part)
        part += 0.7 * centres[y[start : start + BLOCK]]
        part *= spread
    return X, y


def timed(function, *args):
    start = time.perf_counter()
    result = function(*args)
    return time.perf_counter() - start, result


def say(**line):
    values = {
        key: float(f"{value:.4g}") if isinstance(value, float) else value
        for key, value in line.items()
    }
    print(json.dumps(values), flush=True)


def peak():
    """GiB at the peak of the process so far; None where the system does not say."""
    try:
        return status("VmHWM") / 2**20
    except OSError:
        return None


if __name__ == "__main__":
    main()
