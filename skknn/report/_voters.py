"""The most similar training photos, in a row of small pictures."""

from typing import Any

from ._pictures import SMALL, Pictures
from ._shown import voters
from ._text import name, percent, photo_text

# Shares of the votes that are all of them but for rounding.
_NEARLY_ALL = 0.995


def voting_photos(
    row: dict[str, Any], pictures: Pictures, *, counted: bool = True
) -> str:
    """Those with the largest shares of the votes; nothing where none are known.

    Parameters
    ----------
    counted : bool
        Whether votes have a part in what is said of the photo.
    """
    chosen = voters(row)
    if not chosen:
        return ""
    if not counted:
        items = "".join(
            _voter(file, label, None, pictures, "labelled") for file, label, _ in chosen
        )
        which = "Votes had no share; the most similar photos:"
        return f'<p class="what">{which}</p><ul class="voters">{items}</ul>'
    items = "".join(_voter(*v, pictures, "that voted for") for v in chosen)
    shares = [share or 0.0 for _, _, share in chosen]
    which = "Photos that voted most"
    if sum(shares) > _NEARLY_ALL:
        which = "Photos that voted"
    return f'<p class="what">{which}</p><ul class="voters">{items}</ul>'


def _voter(
    file: str, label: Any, share: float | None, pictures: Pictures, what: str
) -> str:
    drawn = pictures.html(file, SMALL, photo_text(file, label, what))
    said = "" if share is None else f"<b>{percent(share, 0)}</b>"
    text = "" if label is None else f'<span class="cut">{name(label, 24)}</span>'
    return f"<li>{drawn}{said}{text}</li>"
