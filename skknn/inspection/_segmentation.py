"""Images with their true and predicted label maps, and who voted for a position."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ._pictures import class_texts, draw_image, plain_text, pyplot
from ._voters import Voters, voters_of

# Void, and what has no class.
_NO_CLASS = (0.0, 0.0, 0.0)
_BOX = "#E69F00"


class SegmentationDisplay:
    """Images, their masks, predicted label maps, and the neighbours of one position.

    Build it with :meth:`from_estimator`. With the training images at hand, a click on a
    predicted label map shows who voted there (while the display is kept in a
    variable, and where matplotlib has windows); :meth:`show_neighbors` does the same.

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
        The pixel of a prediction whose neighbours are shown.
    neighbors : list of (image, box, text), or None
        Training images with the tile (top, left, bottom, right, in shares of height
        and width) of each neighbour of that pixel.
    voters : list of objects, or None
        For each image the nearest training positions of all its positions.
    train_images : sequence, or None
        The images that ``voters`` number.

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
    >>> display.show_neighbors(8, 10)[0][2]
    '0, cos 1.000'
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
        voters: list[Voters] | None = None,
        train_images: Any = None,
    ) -> None:
        self.images = images
        self.predictions = predictions
        self.classes = classes
        self.class_names = class_names
        self.masks = masks
        self.position = position
        self.neighbors = neighbors
        self.voters = voters
        self.train_images = train_images
        self._of_image = 0

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
            A pixel of the first image whose neighbours are shown at first.
        train_images : sequence, default=None
            The images of ``fit``, in their order, without augmentation; needed for
            ``position``, clicks and :meth:`show_neighbors`.
        n_neighbors : int, default=4
            How many of those that vote to show.
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
        names = class_texts(estimator.classes_, class_names)
        if position is not None and train_images is None:
            raise ValueError(
                "position= shows training images: pass them in train_images=, in "
                "the order of fit."
            )
        voters = None
        if train_images is None:
            predictions = list(estimator.predict(images))
        else:
            found = estimator.predict(images, return_neighbors=True)
            predictions = list(found[0])
            voters = voters_of(estimator.bank_, found[1], found[2], n_neighbors)
        display = cls(
            images=images,
            predictions=predictions,
            classes=estimator.classes_,
            class_names=names,
            masks=masks,
            voters=voters,
            train_images=train_images,
        )
        if position is not None:
            display.show_neighbors(*position)
        return display

    def show_neighbors(
        self, row: int, col: int, image: int = 0
    ) -> list[tuple[Any, NDArray, str]]:
        """Choose the pixel whose neighbours are shown; draws them if there is a plot.

        Parameters
        ----------
        row, col : int
            A pixel of a prediction.
        image : int, default=0
            Whose prediction.

        Returns
        -------
        neighbors : list of (image, box, text)
            Training images with the tile of each neighbour, the nearest first.

        Raises
        ------
        ValueError
            Without training images, or if the pixel is outside of the image.
        """
        from ..segmentation import entry

        if self.voters is None:
            raise ValueError(
                "Neighbours are in training images: pass them to from_estimator in "
                "train_images=, in the order of fit."
            )
        if not 0 <= image < len(self.images):
            raise ValueError(
                f"image={image} is none of the {len(self.images)} that are shown."
            )
        size = self.predictions[image].shape
        if not (0 <= row < size[0] and 0 <= col < size[1]):
            raise ValueError(
                f"position={row, col} is outside of image {image}, which has (height, "
                f"width) {size}."
            )
        self.position, self._of_image = (row, col), image
        self.neighbors = [
            (entry(self.train_images, number), box, text)
            for number, box, text in self.voters[image].at(
                self.position, size, self.class_names
            )
        ]
        if hasattr(self, "figure_"):
            self._draw_position()
            self.figure_.canvas.draw_idle()
        return self.neighbors

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
        shown = len(self.neighbors or ())
        if self.voters is not None:
            shown = max(shown, self.voters[0].images.shape[2])
        n_rows = len(self.images) + bool(shown)
        n_columns = max(len(columns), shown)
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
        self._marker: Any = None
        self._draw_position()
        if self.voters is not None:
            self.figure_.canvas.mpl_connect("button_press_event", self._on_click)
        self._legend()
        return self

    def _on_click(self, event: Any) -> None:
        """Show the neighbours of the pixel of a prediction that was clicked."""
        column = 1 if self.masks is None else 2
        for number in range(len(self.images)):
            if event.inaxes is self.axes_[number, column]:
                self.show_neighbors(round(event.ydata), round(event.xdata), number)

    def _draw_position(self) -> None:
        """Draw the cross, and the neighbours into the last row."""
        from matplotlib.patches import Rectangle

        if self._marker is not None:
            self._marker.remove()
            self._marker = None
        if self.position is not None:
            row, column = self.position
            self._marker = self.axes_[self._of_image, 0].plot(
                column, row, "+", color=_BOX, ms=12, mew=2.5
            )[0]
        if len(self.axes_) == len(self.images):
            return
        for axis in self.axes_[-1]:
            axis.clear()
            axis.set_axis_off()
        for axis, (image, box, text) in zip(self.axes_[-1], self.neighbors or ()):
            axis.set_axis_on()
            draw_image(axis, image)
            width, height = axis.get_xlim()[1] + 0.5, axis.get_ylim()[0] + 0.5
            top, left, bottom, right = box * [height, width, height, width]
            axis.add_patch(
                Rectangle(
                    (left, top), right - left, bottom - top, fill=False, ec=_BOX, lw=2
                )
            )
            axis.set_title(plain_text(text), fontsize=9)

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
