"""One self-supervised loss a file, their base class, and the names they go by.

``resolve_objectives`` (``_registry``) turns what users pass into a dict of
:class:`Objective` (``_objective``). Each says which views of an image it wants, and
gives one loss an image from their latents, in which no other image has a part. The
loss of SimCLR is the same for images, texts and sounds (``_info_nce``); names stand for
the objectives of a modality.
"""

from ._audio_simclr import AudioSimCLRObjective
from ._dino import DINOObjective
from ._kl import KLObjective
from ._objective import Objective
from ._patch_simclr import PatchSimCLRObjective
from ._registry import resolve_objectives, resolve_patch_objective
from ._simclr import SimCLRObjective
from ._text_simclr import TextSimCLRObjective

__all__ = [
    "AudioSimCLRObjective",
    "DINOObjective",
    "KLObjective",
    "Objective",
    "PatchSimCLRObjective",
    "SimCLRObjective",
    "TextSimCLRObjective",
    "resolve_objectives",
    "resolve_patch_objective",
]
