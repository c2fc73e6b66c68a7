"""Under which terms weights of a backbone may be used, as far as that is recorded."""

from typing import Any


def recorded_licence(backbone: Any) -> str | None:
    """Licence of the pretrained weights of a timm name, or None if none is recorded."""
    if not isinstance(backbone, str):
        return None
    try:
        from timm.models import get_pretrained_cfg
    except ImportError:
        return None
    try:
        found = get_pretrained_cfg(backbone)
    except Exception:  # names of folders and of the hub are none of timm's
        return None
    return getattr(found, "license", None) or None
