"""Which training rows made a prediction (R, Fig. 6)."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..datastore import vote_weights
from ._pictures import (
    BLUE,
    GREEN,
    ORANGE,
    class_texts,
    draw_image,
    knn_side,
    plain_text,
    pyplot,
)


class NeighborsDisplay:
    """The voting neighbours of one query, their distances, weights and classes.

    Build it with :meth:`from_estimator`.

    Parameters
    ----------
    distances : ndarray of shape (n_shown,)
        Distances of the neighbours shown, ascending.
    weights : ndarray of shape (n_shown,)
        Their shares of all votes; the votes of all k neighbours sum to 1.
    neighbor_ids : ndarray of shape (n_shown,), int
        Training row numbers.
    neighbor_labels : list of str
        Their classes.
    proba : ndarray of shape (n_classes,)
        Predicted probabilities of the query.
    class_names : list of str
    true_label : str or None
        Class of the query, where known.
    query_image : path, PIL image, array or None
    neighbor_images : list of paths, PIL images or arrays, or None

    Attributes
    ----------
    figure_ : matplotlib Figure
    axes_ : list of matplotlib Axes
        Set by :meth:`plot`.

    References
    ----------
    .. [1] M. Jia, B.-C. Chen, Z. Wu, C. Cardie, S. Belongie, S.-N. Lim, "Rethinking
       Nearest Neighbors for Visual Classification", 2021,
       https://arxiv.org/abs/2112.08459, Fig. 6.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skknn import SoftKNNClassifier
    >>> from skknn.inspection import NeighborsDisplay
    >>> digits = load_digits()
    >>> knn = SoftKNNClassifier(8).fit(digits.data[:900], digits.target[:900])
    >>> display = NeighborsDisplay.from_estimator(
    ...     knn, digits.data[900], images=digits.images[:900]
    ... )
    >>> len(display.distances), bool(display.weights.sum() <= 1)
    (5, True)
    """

    def __init__(
        self,
        *,
        distances: NDArray[np.float64],
        weights: NDArray[np.float64],
        neighbor_ids: NDArray[np.intp],
        neighbor_labels: list[str],
        proba: NDArray[np.floating],
        class_names: list[str],
        true_label: Any = None,
        query_image: Any = None,
        neighbor_images: list[Any] | None = None,
    ) -> None:
        self.distances = distances
        self.weights = weights
        self.neighbor_ids = neighbor_ids
        self.neighbor_labels = neighbor_labels
        self.proba = proba
        self.class_names = class_names
        self.true_label = true_label
        self.query_image = query_image
        self.neighbor_images = neighbor_images

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        x: Any,
        *,
        n_neighbors: int = 5,
        images: Any = None,
        query_image: Any = None,
        true_label: Any = None,
        class_names: Sequence[str] | None = None,
    ) -> Self:
        """Look up the neighbours of one query.

        Parameters
        ----------
        estimator : classifier, Pipeline or search
            Fitted; a :class:`~skknn.SoftKNNClassifier` or
            :class:`~skknn.JointKNNClassifier`, a Pipeline that ends in one, or a
            search such as :class:`~skknn.NeighborSearchCV` that fitted one. The
            probabilities shown are its own (the mixture, for the joint
            classifier); neighbours and weights are of its kNN side.
        x : row of shape (n_features,), or one item of what ``estimator`` takes
            For example the path of an image, for a Pipeline that embeds.
        n_neighbors : int, default=5
            How many neighbours to show, at most k.
        images : sequence, default=None
            Image of each training row (path, PIL image or array).
        query_image : path, PIL image or array, default=None
            None takes ``x`` itself where it is a path or an image.
        true_label : label, default=None
        class_names : list of str, default=None
            Names in the order of ``classes_``.

        Returns
        -------
        NeighborsDisplay
        """
        x = [x] if _is_image(x) else np.asarray(x)[None]
        if query_image is None and isinstance(x, list):
            query_image = x[0]
        # First, because it says what is wrong with a model that has no neighbours.
        model, knn, rows = knn_side(estimator, x)
        proba = estimator.predict_proba(x)[0]
        names = class_texts(model.classes_, class_names)
        distances, ids = knn.kneighbors(rows)
        weights = vote_weights(distances, knn.tau_)[0]
        shown = min(n_neighbors, ids.shape[1])
        ids = ids[0, :shown]
        text = dict(zip(model.classes_.tolist(), names))
        return cls(
            distances=distances[0, :shown],
            weights=weights[:shown] / weights.sum(),
            neighbor_ids=ids,
            neighbor_labels=[names[c] for c in knn.index_.codes[ids]],
            proba=proba,
            class_names=names,
            true_label=None if true_label is None else text.get(true_label, true_label),
            query_image=query_image,
            neighbor_images=None if images is None else [images[i] for i in ids],
        )

    def plot(self, ax: Any = None, *, n_classes: int = 5) -> Self:
        """Draw query, neighbours and the most probable classes in one row.

        Neighbours that share the predicted class are green, others orange; without
        images they are bars.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Its place is filled with the panels; None makes a new figure.
        n_classes : int, default=5
            Bars shown, the most probable classes first.

        Returns
        -------
        self : NeighborsDisplay
        """
        plt = pyplot(self)

        images = self.neighbor_images
        with_images = images is not None
        n_images = 1 + len(self.distances) if with_images else 0
        widths = [1] * n_images + [1.3] if with_images else [1.3, 1]
        if ax is None:
            self.figure_ = plt.figure(
                figsize=(1.75 * n_images + 3 if with_images else 7.5, 2.9),
                layout="constrained",
            )
            place = self.figure_.add_gridspec(1, 1)[0]
        else:
            self.figure_, place = ax.figure, ax.get_subplotspec()
            ax.set_axis_off()
        grid = place.subgridspec(1, len(widths), width_ratios=widths)
        self.axes_ = [self.figure_.add_subplot(grid[0, i]) for i in range(len(widths))]
        guess = self.class_names[int(self.proba.argmax())]
        title = f"query\ntaken for {plain_text(guess)}"
        if self.true_label is not None:
            title = title.replace("query", f"query: {plain_text(self.true_label)}", 1)
        labels = [plain_text(label) for label in self.neighbor_labels]
        colors = [GREEN if c == guess else ORANGE for c in self.neighbor_labels]
        if images is not None:
            self._panel(self.axes_[0], self.query_image, title)
            texts = zip(labels, self.distances, self.weights)
            for axis, image, color, (label, distance, weight) in zip(
                self.axes_[1:-1], images, colors, texts
            ):
                text = f"{label}\nd = {distance:.3g}, vote {weight:.0%}"
                self._panel(axis, image, text, color)
        else:
            names = [
                f"{label} (row {i}, d = {d:.3g})"
                for label, i, d in zip(labels, self.neighbor_ids, self.distances)
            ]
            self._bars(self.axes_[0], names, self.weights, "share of the votes", colors)
            self.axes_[0].set_title(title, fontsize=9)
        order = np.argsort(-self.proba, kind="stable")[:n_classes]
        names = [plain_text(self.class_names[c]) for c in order]
        self._bars(self.axes_[-1], names, self.proba[order], "probability", BLUE)
        return self

    def _bars(
        self,
        axis: Any,
        names: list[str],
        values: NDArray[np.floating],
        label: str,
        color: Any,
    ) -> None:
        axis.barh(range(len(names)), values, color=color)
        axis.set_yticks(range(len(names)), names)
        axis.invert_yaxis()
        axis.set_xlim(0, 1)
        axis.set_xlabel(label)
        axis.spines[["top", "right"]].set_visible(False)

    def _panel(
        self, axis: Any, image: Any, title: str, color: str | None = None
    ) -> None:
        if image is not None:
            draw_image(axis, image)
        else:
            axis.set_xticks([])
            axis.set_yticks([])
            axis.set_box_aspect(1)
        axis.set_title(title, fontsize=9)
        for spine in axis.spines.values():
            spine.set_color(color or "black")
            spine.set_linewidth(2.5 if color else 0.8)


def _is_image(x: Any) -> bool:
    return isinstance(x, (str, bytes)) or hasattr(x, "__fspath__") or hasattr(x, "mode")
