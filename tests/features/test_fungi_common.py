"""FungiTransformer through scikit-learn's full check suite, on 2-D rows."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from skknn import DINOObjective, FungiTransformer, KLObjective, SimCLRObjective

EXPECTED_FAILURES = {}


def tiny(**kwargs):
    """All three objectives on a random network of two blocks."""
    settings = {
        "backbone": "vit_tiny_patch16_224",
        "backbone_params": {"depth": 2, "embed_dim": 16, "num_heads": 2},
        "image_size": 16,
        "weights": None,
        "objectives": (
            KLObjective(head_dim=8),
            DINOObjective(n_global=1, n_local=1, head_dim=8),
            SimCLRObjective(n_views=4, n_negatives=2, head_dim=8),
        ),
        "n_jobs": 1,
        "device": "cpu",
    }
    return FungiTransformer(**settings | kwargs)


@pytest.mark.filterwarnings("ignore:Rows of .* values are no square image")
@pytest.mark.filterwarnings("ignore:.* values in .* rows .* lie outside")
@pytest.mark.filterwarnings("ignore:n_components=")
@parametrize_with_checks(
    [tiny(), tiny(n_components=None, objectives=("kl",))],
    expected_failed_checks=lambda estimator: EXPECTED_FAILURES,
)
def test_scikit_learn(estimator, check):
    check(estimator)
