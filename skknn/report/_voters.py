"""The training photos that voted, in a row of small pictures."""

from typing import Any

from ._answer import pieces
from ._pictures import SMALL, Pictures
from ._shown import voters
from ._text import name, percent, photo_text


def voting_photos(row: dict[str, Any], pictures: Pictures) -> str:
    """Those with the largest shares of the votes; nothing where none are known."""
    chosen = voters(row)
    if not chosen:
        return ""
    items = "".join(_voter(*voter, pictures) for voter in chosen)
    every = len(pieces(row.get("nearest_files")))
    which = "Photos that voted" if len(chosen) == every else "Photos that voted most"
    return f'<p class="what">{which}</p><ul class="voters">{items}</ul>'


def _voter(file: str, label: Any, share: float | None, pictures: Pictures) -> str:
    drawn = pictures.html(file, SMALL, photo_text(file, label, "that voted for"))
    said = "" if share is None else f"<b>{percent(share, 0)}</b> "
    text = "" if label is None else name(label, 16)
    return f"<li>{drawn}<span>{said}{text}</span></li>"
