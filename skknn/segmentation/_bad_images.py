"""Errors of chunks of images, with the rows of the whole."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# Threads that look for further images that cannot be read.
_THREADS = 4


@contextmanager
def rows_of_whole(X: Any, low: int) -> Iterator[None]:
    """Let errors of a chunk name rows of the whole, and all that cannot be read.

    Parameters
    ----------
    X : sequence of images
        All of them.
    low : int
        Row of the chunk's first image.

    Raises
    ------
    BadImageError
        Without the embedder's remedy ``on_error="nan"``.
    """
    from ..modalities import BadItemError, as_images

    try:
        yield
    except BadItemError as error:
        if error.row is None:
            raise
        from ..extraction import with_all_bad_items

        # An image without a map has no positions to label.
        images = as_images(X).needed("images")
        bad = images.bad(low + error.row, ValueError(error.problem))
        raise with_all_bad_items(bad, images, _THREADS) from error.__cause__
