"""What users have -> RGB images, one at a time, with errors that name the row."""

from ._decode import BadImageError
from ._rows import RowImages, resolve_image_shape, resolve_value_range
from ._sequence import ImageSequence, as_images, is_rows

__all__ = [
    "BadImageError",
    "ImageSequence",
    "RowImages",
    "as_images",
    "is_rows",
    "resolve_image_shape",
    "resolve_value_range",
]
