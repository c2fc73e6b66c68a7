"""Which training positions vote for each position of an image."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Voters:
    """The nearest training positions of every position of one image's feature map.

    Attributes
    ----------
    images : ndarray of shape (h, w, k)
        Numbers of training images.
    boxes : ndarray of shape (h, w, k, 4)
        Top, left, bottom and right of their tiles, in shares of height and width.
    labels : ndarray of shape (h, w, k)
        Numbers of their most frequent classes.
    similarities : ndarray of shape (h, w, k)
    """

    images: NDArray[np.intp]
    boxes: NDArray[np.float32]
    labels: NDArray[np.intp]
    similarities: NDArray[np.float64]

    def at(
        self, position: tuple[int, int], size: tuple[int, int], names: list[str]
    ) -> list[tuple[int, NDArray[np.float32], str]]:
        """Number of the training image, tile and text of each voter for a pixel.

        Parameters
        ----------
        position : (row, column)
            Within ``size``.
        size : (height, width)
            Of the label map.
        names : list of str
            Of the classes.
        """
        grid = self.images.shape[:2]
        place = tuple(p * g // n for p, g, n in zip(position, grid, size))
        return [
            (int(image), box, f"{names[label]}, cos {similarity:.3f}")
            for image, box, label, similarity in zip(
                self.images[place],
                self.boxes[place],
                self.labels[place],
                self.similarities[place],
            )
        ]


def voters_of(bank: Any, distances: Any, ids: Any, n_neighbors: int) -> list[Voters]:
    """Look up the nearest of those that voted.

    Parameters
    ----------
    bank : MemoryBank
        Of the fitted InContextSegmenter.
    distances, ids : sequences of ndarray of shape (h, w, k)
        What its ``predict`` found.
    n_neighbors : int
    """
    main = np.asarray(bank.labels.argmax(axis=1)).ravel()
    nearest = (
        (d[..., :n_neighbors], i[..., :n_neighbors]) for d, i in zip(distances, ids)
    )
    return [Voters(bank.images[i], bank.boxes[i], main[i], 1 - d) for d, i in nearest]
