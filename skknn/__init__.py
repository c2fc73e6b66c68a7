"""Nearest neighbours that make frozen deep features classify better.

Names are loaded on first use, so ``import skknn`` itself imports neither
scikit-learn nor torch.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOME = {
    "BackboneEmbedder": "features",
    "TextBackbone": "backbones",
    "DenseEmbedder": "features",
    "FungiTransformer": "features",
    "AudioBackbone": "backbones",
    "AudioSimCLRObjective": "gradients",
    "BlockWeights": "features",
    "KLObjective": "gradients",
    "DINOObjective": "gradients",
    "SimCLRObjective": "gradients",
    "PatchSimCLRObjective": "gradients",
    "TextSimCLRObjective": "gradients",
    "SoftKNNClassifier": "classifiers",
    "KNNWeightedLogisticRegression": "classifiers",
    "JointKNNClassifier": "classifiers",
    "JointKNNClassifierCV": "model_selection",
    "NeighborSearchCV": "model_selection",
    "InContextSegmenter": "segmentation",
    "FineTunedJointClassifier": "finetuning",
    "classify_folder": "folders",
}
_SUBPACKAGES = (
    "classifiers",
    "datasets",
    "features",
    "finetuning",
    "folders",
    "gradients",
    "inspection",
    "metrics",
    "model_selection",
    "neighbors",
    "segmentation",
)

__all__ = ["__version__", *_HOME, *_SUBPACKAGES]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(import_module(f"skknn.{_HOME[name]}"), name)
    elif name in _SUBPACKAGES:
        value = import_module(f"skknn.{name}")
    else:
        raise AttributeError(f"module 'skknn' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
