"""Load data that is already on this machine; nothing is ever downloaded.

``load_image_folder`` (``_image_folder``, with ``_walk`` and ``_folder_names``) lists
the images of class folders. ``check_images`` and ``drop_unreadable``
(``_unreadable``) find those that cannot be read.
"""

from ._image_folder import load_image_folder
from ._unreadable import BadImage, check_images, drop_unreadable

__all__ = ["BadImage", "check_images", "drop_unreadable", "load_image_folder"]
