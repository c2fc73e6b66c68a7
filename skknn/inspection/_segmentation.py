"""Images with their true and predicted label maps, and who voted for a position."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ._pictures import class_texts, draw_image, plain_text, pyplot

# Void, and what has no class.
_NO_CLASS = (0.0, 0.0, 0.0)
_BOX = "#E69F00"


class SegmentationDisplay:
    """Images, their masks, predicted label maps, and the neighbours of one position.

    Build it with :meth:`from_estimator`.

    Parameters
    ----------
    images : list of paths, PIL images or arrays
    predictions : list of ndarray of shape (H, W)
        Predicted labels.
    classes : ndarray of shape (n_classes,)
        All labels that have a colour; others are black.
    class_names : list of str
    masks : list of ndarray of shape (H, W), or None
        True labels.
    position : (row, column) or None
        A pixel of the first image's prediction.
    neighbors : list of (image, box, text), or None
        Training images with the tile (top, left, bottom, right, in shares of height
        and width) of each neighbour of that pixel.

    Attributes
    ----------
    figure_ : matplotlib Figure
    axes_ : ndarray of matplotlib Axes
        Set by :meth:`plot`.

    Examples
    --------
    >>> import numpy as np
    >>> from skknn import DenseEmbedder, InContextSegmenter
    >>> from skknn.inspection import SegmentationDisplay
    >>> images = np.zeros((2, 64, 64, 3), "uint8")
    >>> images[:, :, 32:] = 200
    >>> masks = (images[..., 0] > 0).astype(int)
    >>> embedder = DenseEmbedder("test_vit", weights=None, image_size=64)
    >>> segmenter = InContextSegmenter(embedder, n_neighbors=4).fit(images, masks)
    >>> display = SegmentationDisplay.from_estimator(
    ...     segmenter, images[:1], masks[:1], position=(8, 40), train_images=images
    ... )
    >>> len(display.neighbors), display.neighbors[0][2]
    (4, '1, cos 1.000')
    """

    def __init__(
        self,
        *,
        images: list[Any],
        predictions: list[NDArray],
        classes: NDArray,
        class_names: list[str],
        masks: list[NDArray] | None = None,
        position: tuple[int, int] | None = None,
        neighbors: list[tuple[Any, NDArray, str]] | None = None,
    ) -> None:
        self.images = images
        self.predictions = predictions
        self.classes = classes
        self.class_names = class_names
        self.masks = masks
        self.position = position
        self.neighbors = neighbors

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        images: Any,
        masks: Any = None,
        *,
        position: tuple[int, int] | None = None,
        train_images: Any = None,
        n_neighbors: int = 4,
        class_names: Sequence[str] | None = None,
    ) -> Self:
        """Predict a few images.

        Parameters
        ----------
        estimator : InContextSegmenter
            Fitted, with an embedder.
        images : sequence of paths, PIL images or arrays
        masks : sequence of masks, default=None
        position : (row, column), default=None
            A pixel of the first image whose neighbours are shown.
        train_images : sequence, default=None
            The images of ``fit``, in their order, without augmentation; needed for
            ``position``.
        n_neighbors : int, default=4
            How many neighbours to show.
        class_names : list of str, default=None
            Names in the order of ``classes_``.

        Returns
        -------
        SegmentationDisplay

        Raises
        ------
        TypeError
            If images or masks are a single one, such as a path, and no sequence.
        ValueError
            If ``position`` comes without ``train_images`` or is outside the image, or
            there are not as many masks as images.
        """
        from ..segmentation import check_as_many, count, read_mask

        count(images, "images")
        if train_images is not None:
            count(train_images, "train_images")
        images = list(images)
        if masks is not None:
            check_as_many(images, masks)
            masks = [read_mask(mask, number) for number, mask in enumerate(masks)]
        predictions = list(estimator.predict(images))
        names = class_texts(estimator.classes_, class_names)
        neighbors = None
        if position is not None:
            if train_images is None:
                raise ValueError(
                    "position= shows training images: pass them in train_images=, in "
                    "the order of fit."
                )
            size = predictions[0].shape
            if not all(0 <= p < n for p, n in zip(position, size)):
                raise ValueError(
                    f"position={position} is outside of the first image, which has "
                    f"(height, width) {size}."
                )
            neighbors = _neighbors(
                estimator, images[0], position, size, train_images, n_neighbors, names
            )
        return cls(
            images=images,
            predictions=predictions,
            classes=estimator.classes_,
            class_names=names,
            masks=masks,
            position=position,
            neighbors=neighbors,
        )

    def plot(self, ax: Any = None) -> Self:
        """Draw a row an image: image, truth, prediction; below them neighbours.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Its place is filled with the panels; None makes a new figure.

        Returns
        -------
        self : SegmentationDisplay
        """
        plt = pyplot(self)
        columns = ["image", "prediction"]
        if self.masks is not None:
            columns.insert(1, "truth")
        shown = self.neighbors or []
        n_rows = len(self.images) + bool(shown)
        n_columns = max(len(columns), len(shown))
        if ax is None:
            size = 2.4 * n_columns + 1.6, 1.9 * n_rows + 0.3
            self.figure_ = plt.figure(figsize=size, layout="constrained")
            place = self.figure_.add_gridspec(1, 1)[0]
        else:
            self.figure_, place = ax.figure, ax.get_subplotspec()
            ax.set_axis_off()
        grid = place.subgridspec(n_rows, n_columns)
        self.axes_ = grid.subplots(squeeze=False)
        for row, image in enumerate(self.images):
            maps = {"image": image, "prediction": self._coloured(self.predictions[row])}
            if self.masks is not None:
                maps["truth"] = self._coloured(self.masks[row])
            for axis, name in zip(self.axes_[row], columns):
                draw_image(axis, maps[name])
                if row == 0:
                    axis.set_title(name, fontsize=9)
            for axis in self.axes_[row, len(columns) :]:
                axis.set_axis_off()
        if self.position is not None:
            row, column = self.position
            self.axes_[0, 0].plot(column, row, "+", color=_BOX, ms=12, mew=2.5)
        if shown:
            self._draw_neighbors(shown)
        self._legend()
        return self

    def _draw_neighbors(self, shown: list[tuple[Any, NDArray, str]]) -> None:
        from matplotlib.patches import Rectangle

        for axis, (image, box, text) in zip(self.axes_[-1], shown):
            draw_image(axis, image)
            width, height = axis.get_xlim()[1] + 0.5, axis.get_ylim()[0] + 0.5
            top, left, bottom, right = box * [height, width, height, width]
            axis.add_patch(
                Rectangle(
                    (left, top), right - left, bottom - top, fill=False, ec=_BOX, lw=2
                )
            )
            axis.set_title(plain_text(text), fontsize=9)
        for axis in self.axes_[-1, len(shown) :]:
            axis.set_axis_off()

    def _coloured(self, labels: NDArray) -> NDArray[np.float64]:
        """RGB of a label map; labels without a class are black."""
        colours = np.vstack([self._colours(), _NO_CLASS])
        places = np.searchsorted(self.classes, labels)
        places = np.minimum(places, len(self.classes) - 1)
        known = self.classes[places] == labels
        return colours[np.where(known, places, len(self.classes))]

    def _colours(self) -> NDArray[np.float64]:
        from matplotlib import colormaps

        n = len(self.classes)
        if n <= 20:
            return colormaps["tab10" if n <= 10 else "tab20"](np.arange(n))[:, :3]
        return colormaps["nipy_spectral"](np.linspace(0.05, 0.95, n))[:, :3]

    def _legend(self) -> None:
        from matplotlib.patches import Patch

        names = [plain_text(name) for name in self.class_names]
        handles = [Patch(color=c, label=n) for c, n in zip(self._colours(), names)]
        self.figure_.legend(
            handles=handles, loc="outside right center", fontsize=8, frameon=False
        )


def _neighbors(
    estimator: Any,
    image: Any,
    position: tuple[int, int],
    size: tuple[int, int],
    train_images: Any,
    n_neighbors: int,
    names: list[str],
) -> list[tuple[Any, NDArray, str]]:
    distances, ids = estimator.kneighbors([image], n_neighbors)
    grid = ids.shape[1:3]
    row, column = (p * g // n for p, g, n in zip(position, grid, size))
    bank, found = estimator.bank_, []
    for distance, i in zip(distances[0, row, column], ids[0, row, column]):
        label = names[int(bank.labels[[i]].toarray().argmax())]
        text = f"{label}, cos {1 - distance:.3f}"
        found.append((train_images[bank.images[i]], bank.boxes[i], text))
    return found
