"""Which cutter is for which modality."""

from ..backbones import FrozenExtractor
from ._cut_images import ImageCutter
from ._cut_sounds import SoundCutter
from ._cut_texts import TextCutter
from ._cutter import Cutter
from ._state import FungiState

_CUTTERS: dict[str, type[Cutter]] = {
    "image": ImageCutter,
    "sound": SoundCutter,
    "text": TextCutter,
}


def choose_cutter(
    extractor: FrozenExtractor, state: FungiState, batch_size: int | None
) -> Cutter:
    """Return what cuts the items that an extractor takes.

    Parameters
    ----------
    extractor : FrozenExtractor
    state : FungiState
    batch_size : int or None
        Items in a forward pass; None where nobody says.
    """
    return _CUTTERS[extractor.modality](extractor, state, batch_size)
