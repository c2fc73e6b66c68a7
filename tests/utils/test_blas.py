"""Limits on threads hold in any thread, and are undone by whoever is last."""

import threading
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import ThreadpoolController, threadpool_limits

from skknn import JointKNNClassifier, SoftKNNClassifier
from skknn.utils import _blas
from skknn.utils._blas import (
    blas_threads,
    one_thread_if_small,
    single_threaded_blas,
    single_threaded_scipy,
)

X, y = load_digits(return_X_y=True)


def threads_now(package="numpy"):
    """Of a package's own library; that of faiss is not limited."""
    pools = ThreadpoolController().select(user_api="blas").info()
    own = [pool for pool in pools if package in Path(pool["filepath"]).parts[-2]]
    return min(pool["num_threads"] for pool in own or pools)


def have_one_each():
    """Whether numpy and scipy are wheels, with a library each."""
    with threadpool_limits(3, user_api="blas"), single_threaded_blas():
        return threads_now("scipy") == 3


one_each = pytest.mark.skipif(not have_one_each(), reason="one library for both")


@pytest.fixture(autouse=True)
def three_threads():
    """Somebody in the main thread has had a say, as searches there have."""
    _blas._take_control()
    with threadpool_limits(3, user_api="blas"):
        if threads_now() != 3:
            pytest.skip("numpy's BLAS has a fixed number of threads")
        with single_threaded_blas():
            pass
        yield
        _blas._take_control()


def in_new_thread(function):
    found = []
    thread = threading.Thread(target=lambda: found.append(function()))
    thread.start()
    thread.join()
    return found[0]


def inside():
    with single_threaded_blas():
        return threads_now()


def test_in_any_thread():
    for call in (inside, lambda: in_new_thread(inside)) * 2:
        assert call() == 1
        assert threads_now() == blas_threads() == 3


@pytest.mark.parametrize("first_leaves_last", [False, True])
def test_whoever_is_last_undoes_it(first_leaves_last):
    """The first one stays alive behind it, so that it could keep control."""
    entered, leave, left, end = (threading.Event() for _ in range(4))

    def first():
        with single_threaded_blas():
            entered.set()
            leave.wait()
        left.set()
        end.wait()

    thread = threading.Thread(target=first, daemon=True)
    thread.start()
    entered.wait()
    with single_threaded_blas():
        if not first_leaves_last:
            leave.set()
            left.wait()
        assert threads_now() == 1
    leave.set()
    left.wait()
    assert threads_now() == 3
    end.set()
    thread.join()


def test_limits_of_the_user_in_another_thread_stay():
    with threadpool_limits(2, user_api="blas"):
        assert in_new_thread(inside) == 1
        assert threads_now() == 2
    assert threads_now() == 3


@pytest.mark.parametrize("limit", [single_threaded_blas, single_threaded_scipy])
def test_limits_of_others_that_end_within_ours(limit):
    """As of scikit-learn's KMeans in another thread: the number to go back to is not
    the one that was there when ours began."""
    package = "numpy" if limit is single_threaded_blas else "scipy"
    others, ours = threadpool_limits(1, user_api="blas"), limit()
    ours.__enter__()
    _blas._take_control()
    others.restore_original_limits()
    assert threads_now(package) == 3
    ours.__exit__(None, None, None)
    assert threads_now(package) == 3


def test_only_small_products():
    with one_thread_if_small(1000):
        assert threads_now() == 1
    with one_thread_if_small(2**30):
        assert threads_now() == 3


class Spy(SoftKNNClassifier):
    """A base that notes on how many threads it is asked."""

    seen = []

    def predict_proba(self, X=None):
        self.seen.append(threads_now())
        return super().predict_proba(X)


def test_single_queries_take_one_thread_and_many_take_all():
    joint = JointKNNClassifier(5, alpha=0, estimator=Spy(5)).fit(X, y)
    many = np.repeat(X, 4, axis=0)
    for rows, expected in ((X[:1], 1), (many, 3)):
        Spy.seen.clear()
        call = lambda rows=rows: joint.predict_proba(rows)  # noqa: E731
        np.testing.assert_array_equal(call(), in_new_thread(call))
        assert Spy.seen == [expected] * 2
        assert threads_now() == 3


@one_each
def test_scipy_alone():
    with single_threaded_scipy():
        assert (threads_now("numpy"), threads_now("scipy")) == (3, 1)
        with single_threaded_blas():
            assert (threads_now("numpy"), threads_now("scipy")) == (1, 1)
        assert (threads_now("numpy"), threads_now("scipy")) == (3, 1)
    assert (threads_now("numpy"), threads_now("scipy")) == (3, 3)


class Solver(LogisticRegression):
    """Notes on how many threads it is fitted."""

    seen = []

    def fit(self, X, y, sample_weight=None):
        self.seen.append((threads_now("numpy"), threads_now("scipy")))
        return super().fit(X, y, sample_weight)


@one_each
@pytest.mark.parametrize(
    ("base", "of_scipy"),
    [
        (Solver(max_iter=20), 1),
        (make_pipeline(StandardScaler(), Solver(max_iter=20)), 1),
        # What takes matrices apart by scipy needs its threads.
        (Solver(solver="newton-cholesky", max_iter=20), 3),
    ],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_while_a_base_is_fitted(base, of_scipy):
    Solver.seen.clear()
    for call in (in_new_thread, lambda fit: fit()) * 2:
        call(lambda: JointKNNClassifier(estimator=base).fit(X[:200, :20], y[:200] % 2))
        assert (threads_now("numpy"), threads_now("scipy")) == (3, 3)
    assert set(Solver.seen) == {(3, of_scipy)}


@one_each
def test_after_a_fit_that_fails():
    with pytest.raises(ValueError):
        JointKNNClassifier(estimator=Solver(C=-1)).fit(X, y)
    assert (threads_now("numpy"), threads_now("scipy")) == (3, 3)
