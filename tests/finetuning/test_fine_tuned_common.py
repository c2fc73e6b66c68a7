"""FineTunedJointClassifier through scikit-learn's check suite, on 2-D rows."""

import pytest
from finetuning_examples import TinyNetwork
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks

from skknn import FineTunedJointClassifier

MODEL = FineTunedJointClassifier(
    TinyNetwork,
    weights=None,
    image_size=8,
    n_neighbors=3,
    lam=0.9,
    epochs=2,
    augment=False,
    random_state=0,
    device="cpu",
)
EXPECTED_FAILURES = {}


@pytest.mark.filterwarnings("ignore:Rows of .* values are no square image")
@pytest.mark.filterwarnings("ignore:.* values in .* rows .* lie outside")
@pytest.mark.filterwarnings("ignore:n_neighbors=.* is more than")
@pytest.mark.filterwarnings("ignore:.* training rows have no neighbour")
@parametrize_with_checks(
    [MODEL], expected_failed_checks=lambda estimator: EXPECTED_FAILURES
)
def test_scikit_learn(estimator, check):
    check(estimator)


def test_no_tag_empties_the_suite():
    tags = get_tags(MODEL)
    assert tags.estimator_type == "classifier"
    assert tags.target_tags.required
    assert tags.input_tags.two_d_array
    assert not tags.no_validation
    assert not tags.non_deterministic
    assert tags.requires_fit
