"""What users have -> items that are read lazily, one at a time.

Whoever has ``X`` asks ``is_table`` whether it is 2-D numbers (``_recognise``): then
each row is a flattened image (``_flattened``); else ``as_images`` (``_containers``)
takes lists, arrays, tensors and Datasets. Both are an :class:`ItemSource`
(``_item_source``; for images ``_images``; ``_rows_of_items`` is what all share): the
extraction loop fetches the content of a row (``_files``), which has a digest, and lets
the source decode it in a thread (``_decode``: files are opened by ``_encoded``, plain
JPEG decoded by ``_jpeg``, turned by ``_orientation``) to an :class:`RGBImage`
(``_rgb_image``). A row that cannot be used is a :class:`BadImageError`, which names it.
What people look at is a ``_thumbnail``, made of the same bytes in the same way.

Another modality is another :class:`ItemSource` with a line in ``_modality``: texts
(``_texts``) and sounds (``_sounds``, decoded by ``_sound``) come as one column of any
container (``_columns``).
"""

from ._containers import as_images
from ._decode import BadImageError
from ._flattened import FlattenedImages, resolve_image_shape, resolve_value_range
from ._images import ImageSource
from ._item_source import BadItemError, Content, ItemSource
from ._modality import MODALITIES, Modality
from ._recognise import is_dataset, is_table
from ._rgb_image import RGBImage
from ._sound import Sound, resampled
from ._sounds import BadSoundError, SoundSource, as_sounds
from ._texts import BadTextError, TextSource, as_texts
from ._thumbnail import thumbnail

__all__ = [
    "MODALITIES",
    "BadImageError",
    "BadItemError",
    "BadSoundError",
    "BadTextError",
    "Content",
    "FlattenedImages",
    "ImageSource",
    "ItemSource",
    "Modality",
    "RGBImage",
    "Sound",
    "SoundSource",
    "TextSource",
    "as_images",
    "as_sounds",
    "as_texts",
    "is_dataset",
    "is_table",
    "resampled",
    "resolve_image_shape",
    "resolve_value_range",
    "thumbnail",
]
