"""Load data that is already on this machine; nothing is ever downloaded."""

from ._image_folder import load_image_folder

__all__ = ["load_image_folder"]
