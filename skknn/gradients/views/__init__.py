"""What an objective's network passes see of an item: one modality a file.

For images: :class:`Frame` knows the model's input size and how pixels are resized;
the functions draw crop boxes and cut windows. For texts: words are left out at random,
by a generator that the text itself seeds (``_keyed``). For sounds: noise and shifts
along time, drawn likewise. Objectives of your own use them in ``views``
and ``expand``.
"""

from ._images import Frame, cut_windows, draw_boxes, window_side
from ._sounds import SoundFrame, add_noise, shift_time, sound_generator
from ._texts import TextFrame, delete_words, text_generator

__all__ = [
    "Frame",
    "SoundFrame",
    "TextFrame",
    "add_noise",
    "cut_windows",
    "delete_words",
    "draw_boxes",
    "shift_time",
    "sound_generator",
    "text_generator",
    "window_side",
]
