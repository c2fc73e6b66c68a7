"""Anything -> text that is safe in HTML and that people can read."""

import html
import os
import unicodedata
from collections.abc import Sequence
from typing import Any

from ._own_paths import within

#: What numbers that are not there look like.
NOTHING = "\N{EN DASH}"

# Marks that change how others look: joined emoji and Persian words need the first two,
# all others can make a name look like another one.
_JOINERS = "\u200c\u200d"
_UNSEEN = ("Cc", "Cf", "Zl", "Zp")


def readable(text: Any) -> str:
    """Text of anything: bytes that are no UTF-8 and unseen characters made visible."""
    # Names of files may hold bytes that are no UTF-8, as halves of surrogate pairs.
    whole = str(text).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return "".join(
        c.encode("unicode_escape").decode("ascii")
        if unicodedata.category(c) in _UNSEEN and c not in _JOINERS
        else c
        for c in whole
    )


def escaped(text: Any) -> str:
    """Readable text for HTML, also within quoted attributes."""
    return html.escape(readable(text), quote=True)


def shortened(text: Any, length: int = 60) -> str:
    """Readable text, without its middle where it is longer than ``length``."""
    whole = readable(text)
    if len(whole) <= length:
        return whole
    end = length // 2
    return f"{whole[: length - end - 1]}\N{HORIZONTAL ELLIPSIS}{whole[-end:]}"


def name(text: Any, length: int = 60) -> str:
    """HTML of a file or class: shortened, whole when pointed at, its own direction."""
    short = html.escape(shortened(text, length))
    whole = escaped(shortened(text, 400))
    title = "" if short == html.escape(readable(text)) else f' title="{whole}"'
    return f"<bdi{title}>{short}</bdi>"


def file_name(file: Any, length: int = 44) -> str:
    """HTML of a file: its folders small, then its own name."""
    folder, base = os.path.split(within(file))
    above = f'<span class="folder">{name(folder + "/", 30)}</span>' if folder else ""
    return f'<span class="file">{above}{name(base, length)}</span>'


def photo_text(file: Any, label: Any, what: str) -> str:
    """What a picture shows, for those who do not see it."""
    of = "" if is_missing(label) else f" {what} {shortened(label, 40)}"
    return f"Photo{of}: {shortened(within(file))}"


def is_missing(value: Any) -> bool:
    """Tell whether a cell of a frame is empty: None, NaN, NaT or pandas' NA."""
    if value is None:
        return True
    try:
        return bool(value != value)
    except TypeError:  # pandas.NA is neither
        return True


def percent(share: Any, digits: int = 1) -> str:
    """A share of 1 in percent; a dash if there is none."""
    if is_missing(share):
        return NOTHING
    if 0 < float(share) < 0.01:
        digits = 1  # "0 %" would say that it is nothing
    return f"{100 * float(share):.{digits}f}\N{NO-BREAK SPACE}%"


def interval(low: Any, high: Any) -> str:
    """Two shares of 1 in whole percent; a dash if there are none."""
    if is_missing(low) or is_missing(high):
        return NOTHING
    return f"{100 * float(low):.0f}\N{EN DASH}{percent(high, 0)}"


def number(value: Any) -> str:
    """A whole number with its thousands apart; a dash if there is none."""
    return NOTHING if is_missing(value) else f"{int(value):,}"


def counted(n: int, one: str, many: str | None = None) -> str:
    """A number and what is counted: "1 photo", "1,034 photos"."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def listed(texts: Sequence[str]) -> str:
    """Texts as a list within a sentence: "a, b and c"."""
    if len(texts) < 2:
        return "".join(texts)
    return f"{', '.join(texts[:-1])} and {texts[-1]}"


def first_of(shown: int, total: int, order: str, elsewhere: str) -> str:
    """Sentence that says what a section leaves out; nothing where it is complete."""
    if shown >= total:
        return ""
    return (
        f'<p class="left-out">The first {shown:,} of {total:,}, {escaped(order)}. '
        f"{escaped(elsewhere)}</p>"
    )
