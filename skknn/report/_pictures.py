"""Photos -> small JPEGs within the page, as many as fit."""

import base64
import io
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from ._text import escaped, shortened


@dataclass(frozen=True)
class Size:
    """How large pictures of one kind may be.

    Attributes
    ----------
    side : int
        Pixels of the square that they fit into.
    n_bytes : int
        Of the JPEG, at most.
    """

    side: int
    n_bytes: int


#: The photo that is talked about, and those that voted for it.
LARGE, SMALL = Size(224, 14_000), Size(96, 4_000)
_QUALITIES = (78, 65, 50, 35, 20)

Wanted = tuple[str, Size]


@dataclass(frozen=True)
class Picture:
    """A thumbnail, or why there is none.

    Attributes
    ----------
    jpeg : bytes or None
    width, height : int
        Pixels; 0 without a JPEG.
    problem : str
    """

    jpeg: bytes | None = None
    width: int = 0
    height: int = 0
    problem: str = ""


_NO_ROOM = "picture left out to keep this page small"


class Pictures:
    """What has been drawn, as HTML.

    Parameters
    ----------
    drawn : dict from (file, size) to Picture
    """

    def __init__(self, drawn: Mapping[Wanted, Picture]) -> None:
        self._drawn = drawn

    @property
    def n_left_out(self) -> int:
        """How many did not fit into the page."""
        return sum(picture.problem == _NO_ROOM for picture in self._drawn.values())

    def html(self, file: str, size: Size, alt: str) -> str:
        """The picture of a file, or a box that says why it is not there."""
        picture = self._drawn.get((file, size), Picture(problem=_NO_ROOM))
        if picture.jpeg is None:
            return (
                f'<span class="no-picture" role="img" aria-label="{escaped(alt)}: '
                f'{escaped(picture.problem)}">{escaped(shortened(picture.problem, 80))}'
                "</span>"
            )
        data = base64.b64encode(picture.jpeg).decode("ascii")
        return (
            f'<img src="data:image/jpeg;base64,{data}" width="{picture.width}" '
            f'height="{picture.height}" alt="{escaped(alt)}" decoding="async">'
        )


def draw(
    wanted: Iterable[Wanted],
    find: Callable[[str], str | None],
    *,
    n_bytes: int,
    n_jobs: int,
) -> Pictures:
    """Read photos and make thumbnails of them.

    Parameters
    ----------
    wanted : iterable of (file, size)
        Once for each time that the page shows it, the most important first.
    find : callable
        From the name of a file to a path, or None.
    n_bytes : int
        That all of them may have within the page.
    n_jobs : int
        Threads that decode.

    Returns
    -------
    Pictures
    """
    times = Counter(wanted)  # keeps the order
    order = list(times)
    with ThreadPoolExecutor(max(n_jobs, 1)) as pool:
        drawn = list(pool.map(lambda which: _picture(which, find), order))
    return Pictures(_within(dict(zip(order, drawn)), times, n_bytes))


def _within(
    drawn: dict[Wanted, Picture], times: Mapping[Wanted, int], n_bytes: int
) -> dict[Wanted, Picture]:
    """Leave out those for which there is no room any more."""
    kept = {}
    for which, picture in drawn.items():
        if picture.jpeg is not None:
            needed = times[which] * -(-len(picture.jpeg) // 3) * 4  # base64
            if needed > n_bytes:
                picture = Picture(problem=_NO_ROOM)
            else:
                n_bytes -= needed
        kept[which] = picture
    return kept


def _picture(which: Wanted, find: Callable[[str], str | None]) -> Picture:
    from ..modalities import thumbnail  # loads Pillow

    file, size = which
    path = find(file)
    if path is None:
        return Picture(problem="file not found")
    try:
        image = thumbnail(path, size.side)
    except (OSError, ValueError):
        return Picture(problem="cannot be read")
    jpeg = _encoded(image, size.n_bytes)
    return Picture(jpeg, image.width, image.height)


def _encoded(image: Any, n_bytes: int) -> bytes:
    """JPEG of the best quality that is small enough, smaller if none is."""
    while True:
        for quality in _QUALITIES:
            buffer = io.BytesIO()
            image.save(buffer, "JPEG", quality=quality, optimize=True)
            if buffer.tell() <= n_bytes:
                return buffer.getvalue()
        image = image.reduce(2)


def finder(roots: Sequence[str]) -> Callable[[str], str | None]:
    """How to find files that are named relative to one of some folders."""

    def find(file: str) -> str | None:
        for root in roots:
            path = os.path.join(root, file)  # an absolute one stays as it is
            if os.path.isfile(path):
                return path
        return None

    return find
