"""Under which terms weights of a backbone may be used, as far as that is recorded."""

from typing import Any

_DEFAULT = "tf_efficientnet_lite0"
_ITS_TERMS = "trained on ImageNet, whose own terms are for research"


def licence_of_weights(settings: dict[str, Any]) -> str:
    """Say under which terms the weights may be used.

    Parameters
    ----------
    settings : dict
        ``backbone``, a timm name or anything else, and ``weights``, "auto" where it is
        not there.

    Returns
    -------
    str
        Sentences.
    """
    backbone, weights = settings.get("backbone"), settings.get("weights", "auto")
    if weights is None and isinstance(backbone, str):
        return "None: the weights are random."
    known = _recorded(backbone) if weights == "auto" else None
    if known:
        more = f"; {_ITS_TERMS}" if backbone == _DEFAULT else ""
        return (
            f"{known}, as timm records it for {backbone}{more}. Its page says what it "
            "was trained on."
        )
    return (
        "Not known here. The page of the backbone says under which terms its weights "
        "may be used, and what they were trained on."
    )


def _recorded(backbone: Any) -> str | None:
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
