"""What an objective's network passes see of an item: one modality a file.

For images: :class:`Frame` knows the model's input size and how pixels are resized;
the functions draw crop boxes and cut windows. Objectives of your own use them in
``views`` and ``expand``.
"""

from ._images import Frame, cut_windows, draw_boxes, window_side

__all__ = ["Frame", "cut_windows", "draw_boxes", "window_side"]
