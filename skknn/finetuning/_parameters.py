"""What the parameters of fine-tuning may be, and what to do where they are not."""

from numbers import Integral, Real
from typing import Any

from ..classifiers._parameters import GUIDED_CONSTRAINTS, GUIDED_REMEDIES
from ..features._remedies import IMAGE_REMEDIES
from ..features._shared_parameters import CONSTRAINTS as SHARED
from ..features._shared_parameters import POSITIVE
from ..utils._sklearn import Interval, StrOptions

_SHARED = set(SHARED) - {"batch_size", "on_error"}
_NOT_NEGATIVE = Interval(Real, 0, None, closed="left")
_COUNT = Interval(Integral, 0, None, closed="left")

CONSTRAINTS: dict[str, Any] = {
    **{name: SHARED[name] for name in sorted(_SHARED)},
    **{name: GUIDED_CONSTRAINTS[name] for name in ("n_neighbors", "tau", "alpha")},
    "algorithm": GUIDED_CONSTRAINTS["algorithm"],
    "backbone": [str, callable],
    "lam": [Interval(Real, 0, 1, closed="both")],
    "refresh": [StrOptions({"epoch", "test"})],
    "epochs": [POSITIVE],
    "trainable": [str, _COUNT, list, tuple],
    "optimizer": [StrOptions({"sgd", "adamw"})],
    "learning_rate": [Interval(Real, 0, None, closed="neither")],
    "momentum": [Interval(Real, 0, 1, closed="left")],
    "weight_decay": [_NOT_NEGATIVE],
    "warmup_epochs": [StrOptions({"auto"}), _COUNT],
    "batch_size": [POSITIVE],
    "augment": ["boolean"],
    "min_crop": [Interval(Real, 0, 1, closed="right")],
    "batch_norm": [StrOptions({"frozen", "update"})],
    "validation_fraction": [Interval(Real, 0, 1, closed="neither"), None],
    "patience": [POSITIVE, None],
    "image_cache_bytes": [_COUNT],
}

REMEDIES = {
    **{name: IMAGE_REMEDIES[name] for name in IMAGE_REMEDIES if name in _SHARED},
    "backbone": f"{IMAGE_REMEDIES['backbone']} Backbones of texts and sounds stay "
    "frozen: put a FungiTransformer or BackboneEmbedder before JointKNNClassifier.",
    **{name: GUIDED_REMEDIES[name] for name in ("n_neighbors", "tau", "alpha")},
    "algorithm": GUIDED_REMEDIES["algorithm"],
    "lam": "lam is the share of the kNN votes: 0 is the head alone, 1 kNN alone.",
    "refresh": "'epoch' embeds the training rows before every epoch, 'test' before the "
    "first one and after the last.",
    "epochs": "Use a positive number of passes over the training rows, such as 30.",
    "trainable": "Use 'all', a number of last blocks (0 trains the head alone), or "
    "names of parts of the backbone.",
    "optimizer": "Use 'sgd', with momentum, or 'adamw', with a learning_rate that is "
    "smaller by far, such as 0.001.",
    "learning_rate": "It is meant for steps of 256 images and follows batch_size.",
    "momentum": "Use 0.9 unless you know better; it is of 'sgd' alone.",
    "weight_decay": "Use 0 for none; 0.0001 is usual.",
    "warmup_epochs": "Use 'auto', or the number of epochs in which the learning rate "
    "rises.",
    "batch_size": "Use the number of images in one step, such as 32.",
    "augment": "Use True, or False for the evaluation transform in every epoch.",
    "min_crop": "It is the smallest share of an image's area that is cut out; 1 cuts "
    "out nearly all.",
    "batch_norm": "Use 'frozen' for small data sets and batches, else 'update'.",
    "validation_fraction": "Use a share such as 0.1, or None to learn from all rows.",
    "patience": "Use a number of epochs, or None to train to the end.",
    "image_cache_bytes": "Use the memory that decoded images may take, such as 2**30; "
    "0 keeps none.",
}
