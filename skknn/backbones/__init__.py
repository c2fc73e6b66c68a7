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

``_dense_extractor`` gives maps instead of rows: ``_dense_layers`` chooses layers,
``_dense_preprocess`` resizes images of any size, ``_dense_features`` joins layers on
one grid. ``_build`` makes either from a name, file or module, ``_make_job`` its job.
"""

from ._build import build_extractor
from ._dense_extractor import DenseExtractor, DenseJob, DenseSettings
from ._dense_features import N_GRID, grid_of_row
from ._digest import module_digest
from ._extractor import Extractor
from ._load import load_backbone
from ._make_job import embedding_answers, job_answers, make_job
from ._pooling import POOLINGS

__all__ = [
    "N_GRID",
    "POOLINGS",
    "DenseExtractor",
    "DenseJob",
    "DenseSettings",
    "Extractor",
    "build_extractor",
    "embedding_answers",
    "grid_of_row",
    "job_answers",
    "load_backbone",
    "make_job",
    "module_digest",
]
