import warnings

import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from skknn import JointKNNClassifier, KNNWeightedLogisticRegression


@pytest.mark.parametrize(
    "classifier, remedy",
    [
        (KNNWeightedLogisticRegression(max_iter=3), "Increase max_iter=3 or tol=1e-06"),
        (
            JointKNNClassifier(estimator=MLPClassifier(max_iter=2, random_state=0)),
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
