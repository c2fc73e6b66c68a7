"""BackboneEmbedder through scikit-learn's full check suite, on 2-D rows."""

import os
import subprocess
import sys

import pytest
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks

from skknn import BackboneEmbedder

EXPECTED_FAILURES = {}


def tiny(**kwargs):
    """A small random network on small images."""
    settings = {
        "backbone": "test_resnet",
        "image_size": 32,
        "weights": None,
        "random_state": 0,
        "device": "cpu",
    }
    return BackboneEmbedder(**settings | kwargs)


VIT = {
    "backbone": "vit_tiny_patch16_224",
    "backbone_params": {"depth": 1, "embed_dim": 16, "num_heads": 2},
}


@pytest.mark.filterwarnings("ignore:Rows of .* values are no square image")
@pytest.mark.filterwarnings("ignore:.* values in .* rows .* lie outside")
@parametrize_with_checks(
    [tiny(), tiny(**VIT, pooling="gem", batch_size=3)],
    expected_failed_checks=lambda estimator: EXPECTED_FAILURES,
)
def test_scikit_learn(estimator, check):
    check(estimator)


def test_no_tag_empties_the_suite():
    tags = get_tags(tiny())
    assert tags.input_tags.two_d_array
    assert not tags.no_validation
    assert not tags.non_deterministic
    assert tags.requires_fit


def test_scikit_learn_with_the_array_api_switched_on():
    """The switch is read when scipy is imported, hence the new process."""
    code = (
        "import warnings; warnings.simplefilter('ignore')\n"
        "from sklearn.utils.estimator_checks import check_estimator\n"
        "from skknn import BackboneEmbedder\n"
        "found = check_estimator(BackboneEmbedder('test_resnet', image_size=32,\n"
        "    weights=None, random_state=0, device='cpu'), on_fail=None)\n"
        "bad = [c['check_name'] for c in found if c['status'] in ('failed', 'xfail')]\n"
        "print(len(found), bad)\n"
    )
    out = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=os.environ | {"SCIPY_ARRAY_API": "1"},
    )
    assert out.returncode == 0, out.stderr
    n_checks, failed = out.stdout.strip().split(" ", 1)
    assert int(n_checks) > 40
    assert failed == "[]"
