"""Which training rows made a prediction, and what the base adds (R, Fig. 6)."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ._asked_rows import AskedRows
from ._pictures import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    SKY,
    check_one_a_row,
    check_shown,
    class_texts,
    draw_image,
    plain_text,
    pyplot,
    shortened,
)

# Neighbours in a row of pictures, and letters that fit above one of them. Beside bars
# as many leave room for the bars.
_IN_A_ROW, _LETTERS = 5, 18


class NeighborsDisplay:
    """The voting neighbours of one query, their distances, weights and classes.

    Of a joint classifier also what votes and base say by themselves. Build it with
    :meth:`from_estimator`.

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
    votes_proba : ndarray of shape (n_classes,) or None
        Probabilities by the votes of all k neighbours alone. None, as the next two,
        where the classifier is the votes.
    base_proba : ndarray of shape (n_classes,) or None
        Probabilities by the base alone.
    lam : float or None
        Share of the votes in ``proba``.

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
        votes_proba: NDArray[np.floating] | None = None,
        base_proba: NDArray[np.floating] | None = None,
        lam: float | None = None,
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
        self.votes_proba = votes_proba
        self.base_proba = base_proba
        self.lam = lam

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
        check_shown("n_neighbors", n_neighbors)
        x = [x] if _is_image(x) else np.asarray(x)[None]
        if query_image is None and isinstance(x, list):
            query_image = x[0]
        asked = AskedRows(estimator, x)
        model, codes = asked.classifier, asked.knn.index_.codes
        check_one_a_row("images", images, len(codes))
        names = class_texts(model.classes_, class_names)
        sides: dict[str, Any] = {}
        if asked.has_base:
            found = asked.sides()
            proba = found.mixture[0]
            sides = {
                "votes_proba": found.votes[0],
                "base_proba": found.base[0],
                "lam": float(model.lam),
            }
        else:
            proba = asked.mixture()[0]
        nearest = asked.nearest()
        ids = nearest.ids[0, :n_neighbors]
        text = dict(zip(model.classes_.tolist(), names))
        return cls(
            distances=nearest.distances[0, :n_neighbors],
            weights=nearest.shares[0, :n_neighbors],
            neighbor_ids=ids,
            neighbor_labels=[names[c] for c in codes[ids]],
            proba=proba,
            class_names=names,
            true_label=None if true_label is None else text.get(true_label, true_label),
            query_image=query_image,
            neighbor_images=None if images is None else [images[i] for i in ids],
            **sides,
        )

    def plot(self, ax: Any = None, *, n_classes: int = 5) -> Self:
        """Draw query, neighbours, and below them the most probable classes.

        Neighbours that share the predicted class are green, others orange; without
        images they are bars. Of a joint classifier each class has three bars: votes,
        base and their mixture, which decides.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Its place is filled with the panels; None makes a new figure.
        n_classes : int, default=5
            Classes shown, the most probable first.

        Returns
        -------
        self : NeighborsDisplay
        """
        check_shown("n_classes", n_classes)
        plt = pyplot(self)

        shown = min(n_classes, len(self.proba))
        bars_height = 0.75 + shown * (0.24 if self.votes_proba is None else 0.42)
        n_rows = -(-len(self.distances) // _IN_A_ROW)
        with_images = self.neighbor_images is not None
        if with_images:
            size = 8.6, 1.95 * n_rows + bars_height
        else:
            size = 8.6, max(bars_height, 0.75 + 0.24 * len(self.distances)) + 0.5
        if ax is None:
            self.figure_ = plt.figure(figsize=size, layout="constrained")
            place = self.figure_.add_gridspec(1, 1)[0]
        else:
            self.figure_, place = ax.figure, ax.get_subplotspec()
            ax.set_axis_off()
        if with_images:
            heights = [1.95 * n_rows, bars_height]
            above, below = place.subgridspec(2, 1, height_ratios=heights)
            # Grids of their own: names of classes beside bars take no room above.
            grid = above.subgridspec(n_rows, 1 + min(_IN_A_ROW, len(self.distances)))
            places = [grid[:, 0]]
            places += [
                grid[i // _IN_A_ROW, 1 + i % _IN_A_ROW]
                for i in range(len(self.distances))
            ]
            places.append(below.subgridspec(1, 1)[0])
        else:
            grid = place.subgridspec(1, 2)
            places = [grid[0, 0], grid[0, 1]]
        self.axes_ = [self.figure_.add_subplot(each) for each in places]
        guess = self.class_names[int(self.proba.argmax())]
        self._draw_neighbors(guess)
        self._draw_classes(self.axes_[-1], shown)
        return self

    def _draw_neighbors(self, guess: str) -> None:
        title = f"query\ntaken for {_short(guess, _LETTERS - 10)}"
        if self.true_label is not None:
            true = _short(self.true_label, _LETTERS - 7)
            title = title.replace("query", f"query: {true}", 1)
        labels = [_short(label, _LETTERS) for label in self.neighbor_labels]
        colors = [GREEN if c == guess else ORANGE for c in self.neighbor_labels]
        if self.neighbor_images is not None:
            self._panel(self.axes_[0], self.query_image, title)
            texts = zip(labels, self.distances, self.weights)
            for axis, image, color, (label, distance, weight) in zip(
                self.axes_[1:-1], self.neighbor_images, colors, texts
            ):
                text = f"{label}\nvote {weight:.0%}, d {distance:.3g}"
                self._panel(axis, image, text, color)
            return
        axis = self.axes_[0]
        names = [
            f"{label} (row {i}, d = {d:.3g})"
            for label, i, d in zip(labels, self.neighbor_ids, self.distances)
        ]
        axis.barh(range(len(names)), self.weights, color=colors)
        self._finish(axis, names, "share of the votes")
        axis.set_title(title, fontsize=9)

    def _draw_classes(self, axis: Any, n_classes: int) -> None:
        """Probabilities of the most probable classes, by each side."""
        order = np.argsort(-self.proba, kind="stable")[:n_classes]
        names = [_short(self.class_names[c], _LETTERS) for c in order]
        if self.votes_proba is None or self.base_proba is None:
            axis.barh(range(len(names)), self.proba[order], color=BLUE)
            self._finish(axis, names, "probability")
            return
        sides = {
            f"votes (share {self.lam:.2g})": (self.votes_proba, SKY),
            "base": (self.base_proba, GREY),
            "mixture": (self.proba, BLUE),
        }
        for number, (name, (proba, color)) in enumerate(sides.items()):
            places = np.arange(len(names)) + 0.27 * (number - 1)
            axis.barh(places, proba[order], height=0.25, color=color, label=name)
        self._finish(axis, names, "probability")
        axis.legend(
            fontsize=9, frameon=False, ncols=3, loc="lower right", bbox_to_anchor=(1, 1)
        )

    def _finish(self, axis: Any, names: list[str], label: str) -> None:
        axis.set_yticks(range(len(names)), names, fontsize=9)
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


def _short(label: Any, length: int) -> str:
    """A label as it is drawn, without its middle where that is too long."""
    return plain_text(shortened(str(label), length))


def _is_image(x: Any) -> bool:
    return isinstance(x, (str, bytes)) or hasattr(x, "__fspath__") or hasattr(x, "mode")
