"""Name, file or module -> a frozen extractor that knows its preprocessing.

``_load`` builds the module, with weights that ``_weights`` finds (``_model_folder`` in
folders); ``_digest`` and ``_probe`` tell it from others by what is written down of it
and by what it does, ``_module_stamp`` from itself before a change. ``_extractor`` holds
it with its preprocessing (``_preprocess``), precision and pooling (``_pooling``,
``_features``; ``_layers`` and ``_hooks`` for earlier layers) and gives it as a
``_network`` in the form in which it is soonest done:
a copy (``_fused_copy``) with batch normalisations fused into convolutions (``_fuse``)
and, on a CPU, weights laid out for oneDNN (``_prepack``). A job (``_job``) takes
decoded images through it, as many at a time as ``_device_memory`` allows; ``_transfer``
moves them to the device and the rows back. CUDA devices also resize and crop
(``_device_images``, ``_integer_resize``). ``_connections`` tells which layers feed
which, for fusing; ``_precision`` in which number format they may run.

``_dense_extractor`` gives maps instead of rows: ``_dense_layers`` chooses layers,
``_dense_preprocess`` resizes images of any size, ``_dense_features`` joins layers on
one grid. ``_build`` makes either from a name, file or module, ``_make_job`` its job.

Texts take the same way: ``TextBackbone`` (``_text_backbone``, an ``ItemBackbone``) is
what users pass; ``_text_folder`` finds the model, ``_text_load`` loads it, ``_tokens``
makes numbers of texts, ``_text_network`` pools. ``_text_extractor`` holds them; what it
shares with that of images is ``_frozen_extractor``. ``_text_job`` sorts texts into
``_passes``. Sounds likewise: ``AudioBackbone`` (``_audio_backbone``), ``_audio_load``
and ``_speaker_encoder``, ``_front_ends`` (``_mel``) that make windows of sounds,
``_audio_network``, ``_audio_extractor``, ``_audio_job``. Both share ``_pass_job``,
``_sequence_network``, ``_transformers_folder`` and ``_transformers_load``. Another
modality is such a backbone, an extractor and a job.

Names are loaded on first use: the backbones that are parameters of estimators must not
load torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._audio_backbone import AudioBackbone
from ._item_backbone import ItemBackbone
from ._text_backbone import TextBackbone

if TYPE_CHECKING:
    from ._audio_extractor import AudioExtractor
    from ._build import build_extractor
    from ._dense_extractor import DenseExtractor, DenseJob, DenseSettings
    from ._dense_features import N_GRID, grid_of_row
    from ._digest import module_digest
    from ._extractor import Extractor
    from ._frozen_extractor import FrozenExtractor
    from ._load import load_backbone
    from ._make_job import embedding_answers, job_answers, make_job
    from ._pooling import POOLINGS
    from ._text_extractor import TextExtractor

_HOME = {
    "AudioExtractor": "_audio_extractor",
    "N_GRID": "_dense_features",
    "POOLINGS": "_pooling",
    "DenseExtractor": "_dense_extractor",
    "DenseJob": "_dense_extractor",
    "DenseSettings": "_dense_extractor",
    "Extractor": "_extractor",
    "FrozenExtractor": "_frozen_extractor",
    "TextExtractor": "_text_extractor",
    "build_extractor": "_build",
    "embedding_answers": "_make_job",
    "grid_of_row": "_dense_features",
    "job_answers": "_make_job",
    "load_backbone": "_load",
    "make_job": "_make_job",
    "module_digest": "_digest",
}

__all__ = [
    "N_GRID",
    "POOLINGS",
    "AudioBackbone",
    "AudioExtractor",
    "DenseExtractor",
    "DenseJob",
    "DenseSettings",
    "Extractor",
    "FrozenExtractor",
    "ItemBackbone",
    "TextBackbone",
    "TextExtractor",
    "build_extractor",
    "embedding_answers",
    "grid_of_row",
    "job_answers",
    "load_backbone",
    "make_job",
    "module_digest",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value
