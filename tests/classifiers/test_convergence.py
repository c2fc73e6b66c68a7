"""Reports of solvers that stop early, in one thread and in many."""

import threading
import warnings

import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier

from skknn import JointKNNClassifier, KNNWeightedLogisticRegression
from skknn.classifiers._convergence import convergence_failures


@pytest.mark.parametrize(
    "classifier, remedy",
    [
        (KNNWeightedLogisticRegression(max_iter=3), "Increase max_iter=3 or tol=1e-06"),
        (
            # Before scikit-learn 1.7 it takes no weights.
            JointKNNClassifier(
                alpha=0, estimator=MLPClassifier(max_iter=2, random_state=0)
            ),
            "its limit of iterations",
        ),
    ],
    ids=["default base", "own base"],
)
def test_a_base_that_did_not_converge_is_reported_once_with_a_remedy(
    classifier, remedy, digits
):
    X, y = digits
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        classifier.fit(X[:300], y[:300])
    found = [w for w in caught if issubclass(w.category, ConvergenceWarning)]
    assert len(found) == 1
    message = str(found[0].message)
    assert message.startswith(type(classifier).__name__)
    assert remedy in message and "scale" in message
    assert found[0].filename == __file__


def test_other_warnings_of_the_base_pass_through(digits):
    class Talkative(MLPClassifier):
        def fit(self, X, y, sample_weight=None):
            warnings.warn("base speaking", UserWarning)
            return super().fit(X, y)

    X, y = digits
    base = Talkative(max_iter=1, hidden_layer_sizes=2, random_state=0)
    with pytest.warns(UserWarning, match="base speaking"):
        with pytest.warns(ConvergenceWarning):
            JointKNNClassifier(estimator=base).fit(X[:100], y[:100])


def test_fits_in_threads_that_end_in_another_order_lose_no_warnings(digits):
    """Entered first, left first: the order that catch_warnings cannot undo."""
    X, y = digits[0][:80], digits[1][:80]
    gates = [threading.Event(), threading.Event()]
    begun = [threading.Event(), threading.Event()]
    n_reports = []

    class StopsEarly(LogisticRegression):
        def __init__(self, number=0):
            super().__init__()
            self.number = number

        def fit(self, X, y, sample_weight=None):
            begun[self.number].set()
            assert gates[self.number].wait(20)
            warnings.warn("stopped early", ConvergenceWarning)
            return super().fit(X, y, sample_weight)

    def fit(number):
        JointKNNClassifier(5, estimator=StopsEarly(number)).fit(X, y)
        n_reports.append(number)

    filters, show = list(warnings.filters), warnings.showwarning
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        inside_filters, inside_show = list(warnings.filters), warnings.showwarning
        threads = [threading.Thread(target=fit, args=(i,)) for i in range(2)]
        for thread, started in zip(threads, begun):
            thread.start()
            assert started.wait(20)
        for thread, gate in zip(threads, gates):
            gate.set()
            thread.join(20)
        assert n_reports == [0, 1]
        assert warnings.filters == inside_filters
        assert warnings.showwarning is inside_show
        warnings.warn("still heard", UserWarning)
    texts = [str(w.message) for w in caught]
    assert texts.count("still heard") == 1
    assert sum("stopped before it converged" in text for text in texts) == 2
    assert "stopped early" not in texts
    assert warnings.filters == filters and warnings.showwarning is show


def test_catch_warnings_of_others_may_overlap(monkeypatch):
    """Their block begins inside ours and ends after it, as threads may have it."""
    heard = []
    monkeypatch.setattr(warnings, "showwarning", lambda m, *rest: heard.append(str(m)))
    monkeypatch.setattr(warnings, "filters", list(warnings.filters))
    warnings.simplefilter("always")
    ours, theirs = convergence_failures(), warnings.catch_warnings()
    failures = ours.__enter__()
    theirs.__enter__()
    warnings.warn("one", ConvergenceWarning)
    ours.__exit__(None, None, None)
    theirs.__exit__(None, None, None)
    warnings.warn("two", ConvergenceWarning)
    warnings.warn("three", UserWarning)
    assert failures == ["one"] and heard == ["two", "three"]
    with convergence_failures() as failures:
        warnings.warn("four", ConvergenceWarning)
    warnings.warn("five", UserWarning)
    assert failures == ["four"] and heard[2:] == ["five"]


def test_many_fits_in_threads_leave_warnings_as_they_were(digits):
    X, y = digits[0][:120], digits[1][:120]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        threads = [
            threading.Thread(
                target=lambda: [
                    KNNWeightedLogisticRegression(5, max_iter=2).fit(X, y)
                    for _ in range(3)
                ]
            )
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        warnings.warn("still heard", UserWarning)
    texts = [str(w.message) for w in caught]
    assert texts.count("still heard") == 1
    assert sum(text.startswith("KNNWeighted") for text in texts) == 12
    assert not any(text.startswith("lbfgs") for text in texts)
