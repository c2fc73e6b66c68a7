"""Versions of what results depend on."""

import platform
import sys
from importlib.metadata import PackageNotFoundError, version

_PACKAGES = ("numpy", "scikit-learn", "torch", "torchvision", "timm", "pillow")


def installed_versions() -> dict[str, str]:
    """Versions of Python, of this package and of those that features come from."""
    found = {
        "python": platform.python_version(),
        "skknn": sys.modules[__name__.partition(".")[0]].__version__,
    }
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
