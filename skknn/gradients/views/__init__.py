"""What an objective's network passes see of an item: one modality a file.

For images: :class:`Frame` knows the model's input size and how pixels are resized;
the functions draw crop boxes and cut windows. For texts: words are left out at random,
by a generator that the text itself seeds. Objectives of your own use them in ``views``
and ``expand``.
"""

from ._images import Frame, cut_windows, draw_boxes, window_side
from ._texts import TextFrame, delete_words, text_generator

__all__ = [
    "Frame",
    "TextFrame",
    "cut_windows",
    "delete_words",
    "draw_boxes",
    "text_generator",
    "window_side",
]
