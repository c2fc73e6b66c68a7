"""The training rows whose neighbours disagree most with their label (R, Eq. 3)."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._pictures import (
    ORANGE,
    check_one_a_row,
    check_shown,
    class_texts,
    draw_image,
    final_classifier,
    plain_text,
    pyplot,
    shortened,
)
from ._ranked_rows import rank_rows

# Letters of a title that fit above a picture.
_LETTERS = 22


class HardExamplesDisplay:
    """Training rows with the largest modulation: hard, or wrongly labelled.

    Build it with :meth:`from_estimator`.

    Parameters
    ----------
    row_ids : ndarray of shape (n_shown,), int
        Training rows, hardest first.
    knn_proba : ndarray of shape (n_shown,)
        Leave-one-out probability of their own class.
    modulation : ndarray of shape (n_shown,)
    labels : list of str
        Their classes, or ``"row"`` where ``y`` was not given.
    images : list or None
    suggested : list of str or None
        The other class that is likeliest for each, by the same votes; None where the
        estimator does not tell.

    Attributes
    ----------
    figure_ : matplotlib Figure
    axes_ : list of matplotlib Axes
        Set by :meth:`plot`.

    References
    ----------
    .. [1] M. Jia, B.-C. Chen, Z. Wu, C. Cardie, S. Belongie, S.-N. Lim, "Rethinking
       Nearest Neighbors for Visual Classification", 2021,
       https://arxiv.org/abs/2112.08459, Eq. 3.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skknn import KNNWeightedLogisticRegression
    >>> from skknn.inspection import HardExamplesDisplay
    >>> digits = load_digits()
    >>> clf = KNNWeightedLogisticRegression().fit(digits.data / 16, digits.target)
    >>> display = HardExamplesDisplay.from_estimator(
    ...     clf, y=digits.target, images=digits.images, n_examples=6
    ... )
    >>> display.row_ids.shape
    (6,)
    """

    def __init__(
        self,
        *,
        row_ids: NDArray[np.intp],
        knn_proba: NDArray[np.float64],
        modulation: NDArray[np.float64],
        labels: list[str],
        images: list[Any] | None = None,
        suggested: list[str] | None = None,
    ) -> None:
        self.row_ids = row_ids
        self.knn_proba = knn_proba
        self.modulation = modulation
        self.labels = labels
        self.images = images
        self.suggested = suggested

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        y: ArrayLike | None = None,
        X: Any = None,
        images: Any = None,
        n_examples: int = 10,
        class_names: Sequence[str] | None = None,
    ) -> Self:
        """Rank the training rows of a fitted estimator.

        Parameters
        ----------
        estimator : classifier, LabelAudit, Pipeline or search
            Fitted; a :class:`~skknn.KNNWeightedLogisticRegression` or
            :class:`~skknn.JointKNNClassifier`, a Pipeline that ends in one, a search
            such as :class:`~skknn.NeighborSearchCV` that fitted one; or a
            :class:`LabelAudit`, whose ranking is better where a linear classifier is
            better than votes.
        y : array-like of shape (n_samples,), default=None
            Training labels, for the titles. A :class:`LabelAudit` knows them.
        X : training rows as ``estimator`` takes them, default=None
            For suggestions of a :class:`~skknn.KNNWeightedLogisticRegression`, which
            keeps no rows; with ``y``. They know no groups.
        images : sequence, default=None
            Image of each training row (path, PIL image or array).
        n_examples : int, default=10
        class_names : list of str, default=None
            Names in the order of ``classes_``.

        Returns
        -------
        HardExamplesDisplay
        """
        check_shown("n_examples", n_examples)
        estimator, X = final_classifier(estimator, X)
        found = rank_rows(estimator, X, y)
        for name, values in (("y", y), ("images", images)):
            check_one_a_row(name, values, len(found.modulation))
        # Equal modulations (the clamp) are told apart by nothing: first rows first.
        order = np.argsort(-found.modulation, kind="stable")[:n_examples]
        names = np.array(class_texts(estimator.classes_, class_names), dtype=object)
        codes, suggested = found.codes, found.suggested(order)
        return cls(
            row_ids=order,
            knn_proba=found.proba[order],
            modulation=found.modulation[order],
            labels=["row"] * len(order) if codes is None else [*names[codes[order]]],
            images=None if images is None else [images[i] for i in order],
            suggested=None if suggested is None else [*names[suggested]],
        )

    def plot(self, ax: Any = None, *, n_columns: int = 5) -> Self:
        """Draw the images, or bars of the modulation where there are none.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Its place is filled; None makes a new figure.
        n_columns : int, default=5
            Images in a row.

        Returns
        -------
        self : HardExamplesDisplay
        """
        check_shown("n_columns", n_columns)
        plt = pyplot(self)

        labels = [plain_text(label) for label in self.labels]
        others = [""] * len(labels)
        if self.suggested is not None:
            others = [f" → {plain_text(label)}?" for label in self.suggested]
        if self.images is None:
            if ax is None:
                size = (5, 0.9 + 0.27 * len(self.row_ids))
                _, ax = plt.subplots(figsize=size, layout="constrained")
            names = [
                f"{text}{other} ({i})"
                for text, other, i in zip(labels, others, self.row_ids)
            ]
            ax.barh(range(len(names)), self.modulation, color=ORANGE)
            ax.set_yticks(range(len(names)), names)
            ax.invert_yaxis()
            ax.set_xlabel("modulation (-log p of the row's own class)")
            ax.spines[["top", "right"]].set_visible(False)
            self.figure_, self.axes_ = ax.figure, [ax]
            return self
        n_rows = -(-len(self.row_ids) // n_columns)
        if ax is None:
            self.figure_ = plt.figure(
                figsize=(1.9 * n_columns, 2.4 * n_rows), layout="constrained"
            )
            place = self.figure_.add_gridspec(1, 1)[0]
        else:
            self.figure_, place = ax.figure, ax.get_subplotspec()
            ax.set_axis_off()
        grid = place.subgridspec(n_rows, n_columns)
        self.axes_ = []
        for i, image in enumerate(self.images):
            axis = self.figure_.add_subplot(grid[i // n_columns, i % n_columns])
            draw_image(axis, image)
            axis.set_title(
                f"{self._title(i)}\nrow {self.row_ids[i]}, p = {self.knn_proba[i]:.2g}",
                fontsize=9,
            )
            self.axes_.append(axis)
        return self

    def _title(self, i: int) -> str:
        """Class and suggestion of an example, on two lines where one is too long."""
        label = self.labels[i]
        if self.suggested is None:
            return plain_text(shortened(label, _LETTERS))
        other = f"→ {self.suggested[i]}?"
        if len(label) + 1 + len(other) <= _LETTERS:
            return plain_text(f"{label} {other}")
        lines = [label, f"→ {shortened(self.suggested[i], _LETTERS - 3)}?"]
        return "\n".join(plain_text(shortened(line, _LETTERS)) for line in lines)
