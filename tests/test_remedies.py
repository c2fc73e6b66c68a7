"""Every error about a parameter of an estimator says what to do."""

import inspect

import numpy as np
import pytest

import skknn
from skknn import (
    AudioBackbone,
    BackboneEmbedder,
    DenseEmbedder,
    FungiTransformer,
    JointKNNClassifier,
    NeighborSearchCV,
    PatchSimCLRObjective,
    TextBackbone,
)
from skknn.backbones import ItemBackbone
from skknn.gradients import Objective


class Nothing:
    """A value that no parameter may have."""

    def __repr__(self):
        return "Nothing()"


PUBLIC = [getattr(skknn, name) for name in skknn.__all__]
CLASSES = [kind for kind in PUBLIC if hasattr(kind, "_parameter_constraints")]
PARAMETERS = [
    pytest.param(kind, name, id=f"{kind.__name__}-{name}")
    for kind in CLASSES
    for name, allowed in kind._parameter_constraints.items()
    if allowed != "no_validation"
]


def message(kind, name, value):
    """What is said about a value when it is used."""
    own = {"estimator": JointKNNClassifier(), "param_grid": {"k": [1]}}
    estimator = kind(**own) if kind is NeighborSearchCV else kind()
    estimator.set_params(**{name: value})
    made = {"weights": None, "image_size": 32}
    X = [[0.0]] * 4
    if isinstance(estimator, PatchSimCLRObjective):
        estimator = DenseEmbedder("test_vit", gradients=estimator, **made)
    elif isinstance(estimator, ItemBackbone):
        estimator, X = BackboneEmbedder(estimator), ["one"] * 4
    elif isinstance(estimator, Objective) and estimator.modalities == ("text",):
        estimator = FungiTransformer(TextBackbone(), objectives=[estimator])
        X = ["one"] * 4
    elif isinstance(estimator, Objective) and estimator.modalities == ("sound",):
        estimator = FungiTransformer(AudioBackbone(), objectives=[estimator])
        X = [np.zeros(800, np.float32)] * 4
    elif isinstance(estimator, Objective):
        estimator = FungiTransformer("test_vit", objectives=[estimator], **made)
    if hasattr(estimator, "backbone") and np.ndim(X) == 2:
        X = np.zeros((4, 8, 8, 3), np.uint8)
    with pytest.raises((TypeError, ValueError)) as caught:
        estimator.fit(X, [0, 1] * 2)
    return str(caught.value)


def test_all_estimators_are_asked():
    names = {kind.__name__ for kind in CLASSES}
    fitted = {k.__name__ for k in PUBLIC if inspect.isclass(k) and hasattr(k, "fit")}
    assert len(fitted) >= 10 and fitted <= names


@pytest.mark.parametrize("kind, name", PARAMETERS)
def test_errors_name_parameter_value_and_remedy(kind, name):
    text = message(kind, name, Nothing())
    assert f"The {name!r} parameter of {kind.__name__}" in text
    allowed, value, remedy = text.partition(" Got Nothing() instead. ")
    assert value and "must be" in allowed
    assert len(remedy.split()) >= 4 and remedy.endswith(".")


@pytest.mark.parametrize("value", [0, 2.5, "2"])
@pytest.mark.parametrize(
    "kind", [kind for kind in CLASSES if "n_jobs" in kind._parameter_constraints]
)
def test_numbers_of_threads_that_are_none_are_refused(kind, value):
    """joblib's own error for 0 names neither the estimator nor a remedy."""
    text = message(kind, "n_jobs", value)
    assert text.startswith(f"The 'n_jobs' parameter of {kind.__name__}")
    assert "-1 for all cores" in text or "every core" in text
