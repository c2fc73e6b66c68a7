"""Name, file or module -> a frozen extractor that knows its preprocessing.

``_load`` builds the module, with weights that ``_weights`` finds (``_model_folder`` in
folders); ``_digest`` and ``_probe`` tell it from others by what is written down of it
and by what it does. ``_extractor`` holds it with its preprocessing (``_preprocess``),
precision and pooling (``_pooling``, ``_features``; ``_layers`` and ``_hooks`` for
earlier layers) and gives it as a ``_network`` in the form in which it is soonest done:
a copy (``_fused_copy``) with batch normalisations fused into convolutions (``_fuse``)
and, on a CPU, weights laid out for oneDNN (``_prepack``). A job (``_job``) takes
decoded images through it, as many at a time as ``_device_memory`` allows; ``_transfer``
moves them to the device and the rows back. CUDA devices also resize and crop
(``_device_images``, ``_integer_resize``). ``_connections`` tells which layers feed
which, for fusing; ``_precision`` in which number format they may run.
"""

from ._digest import module_digest
from ._extractor import Extractor, build_extractor
from ._job import EmbeddingJob, embedding_answers
from ._load import load_backbone
from ._pooling import POOLINGS

__all__ = [
    "POOLINGS",
    "EmbeddingJob",
    "Extractor",
    "build_extractor",
    "embedding_answers",
    "load_backbone",
    "module_digest",
]
