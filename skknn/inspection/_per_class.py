"""Precision and recall of each class for kNN, BASE and JOINT (R, Fig. 13)."""

import copy
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import precision_recall_fscore_support
from sklearn.utils.multiclass import unique_labels

from ._pictures import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    class_texts,
    final_classifier,
    plain_text,
    pyplot,
)


class PerClassDisplay:
    """Precision and recall of each class, several models side by side.

    Build it with :meth:`from_estimator` or :meth:`from_predictions`.

    Parameters
    ----------
    precision : dict of str -> ndarray of shape (n_classes,)
        One entry a model; 0 where a class was never predicted.
    recall : dict of str -> ndarray of shape (n_classes,)
        One entry a model.
    support : ndarray of shape (n_classes,), int
        Rows of each class.
    class_names : list of str

    Attributes
    ----------
    figure_ : matplotlib Figure
    axes_ : ndarray of two matplotlib Axes
        Set by :meth:`plot`.

    References
    ----------
    .. [1] M. Jia, B.-C. Chen, Z. Wu, C. Cardie, S. Belongie, S.-N. Lim, "Rethinking
       Nearest Neighbors for Visual Classification", 2021,
       https://arxiv.org/abs/2112.08459, Fig. 13.

    Examples
    --------
    >>> from skknn.inspection import PerClassDisplay
    >>> display = PerClassDisplay.from_predictions(
    ...     ["a", "b", "b"], {"kNN": ["a", "a", "b"], "JOINT": ["a", "b", "b"]}
    ... )
    >>> display.recall["kNN"]
    array([1. , 0.5])
    """

    def __init__(
        self,
        *,
        precision: dict[str, NDArray[np.float64]],
        recall: dict[str, NDArray[np.float64]],
        support: NDArray[np.integer],
        class_names: list[str],
    ) -> None:
        self.precision = precision
        self.recall = recall
        self.support = support
        self.class_names = class_names

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: ArrayLike,
        *,
        class_names: Sequence[str] | None = None,
    ) -> Self:
        """Compare the two sides of a joint classifier with their mixture.

        Parameters
        ----------
        estimator : JointKNNClassifier, Pipeline or search
            Fitted; a Pipeline ends in a :class:`~skknn.JointKNNClassifier`, a search
            such as :class:`~skknn.NeighborSearchCV` fitted one.
        X : array-like of shape (n_samples, n_features), or what ``estimator`` takes
        y : array-like of shape (n_samples,)
        class_names : list of str, default=None
            Names in the order of ``classes_``.

        Returns
        -------
        PerClassDisplay
            With the models ``"kNN"``, ``"BASE"`` (the fitted base) and ``"JOINT"``.
        """
        joint, rows = final_classifier(estimator, X)
        if not hasattr(joint, "knn_"):
            raise ValueError(
                f"estimator={joint!r} has no kNN side to compare with. Pass a fitted "
                "JointKNNClassifier, or use from_predictions."
            )
        # lam only acts at prediction, so copies share everything that was fitted.
        predictions = {
            name: copy.copy(joint).set_params(lam=share).predict(rows)
            for name, share in (("kNN", 1.0), ("BASE", 0.0), ("JOINT", joint.lam))
        }
        return cls.from_predictions(
            y, predictions, labels=joint.classes_, class_names=class_names
        )

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        predictions: dict[str, Any],
        *,
        labels: Any = None,
        class_names: Sequence[str] | None = None,
    ) -> Self:
        """Compare any predictions.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
        predictions : dict of str -> array-like of shape (n_samples,)
            Predicted labels of each model.
        labels : array-like of shape (n_classes,), default=None
            Classes to show; None takes all that occur.
        class_names : list of str, default=None

        Returns
        -------
        PerClassDisplay
        """
        if labels is None:
            labels = unique_labels(y_true, *predictions.values())
        precision, recall = {}, {}
        for name, predicted in predictions.items():
            precision[name], recall[name], _, support = precision_recall_fscore_support(
                y_true, predicted, labels=labels, zero_division=0.0
            )
        return cls(
            precision=precision,
            recall=recall,
            support=support,
            class_names=class_texts(labels, class_names),
        )

    def plot(self, ax: Any = None) -> Self:
        """Draw one line a class: dots for the models, recall right of precision.

        Parameters
        ----------
        ax : array of two matplotlib Axes, default=None

        Returns
        -------
        self : PerClassDisplay
        """
        plt = pyplot(self)

        if ax is None:
            size = (8.5, 1.2 + 0.33 * len(self.class_names))
            _, ax = plt.subplots(1, 2, figsize=size, sharey=True, layout="constrained")
        ax = np.ravel(ax)
        places = np.arange(len(self.class_names))
        styles = zip((ORANGE, BLUE, GREEN, GREY, "black"), "oDs^v")
        shifts = np.linspace(-0.2, 0.2, len(self.precision))
        for shift, (name, style), values in zip(
            shifts,
            zip(self.precision, styles),
            zip(self.precision.values(), self.recall.values()),
        ):
            color, marker = style
            for axis, value in zip(ax, values):
                axis.plot(
                    value,
                    places + shift,
                    marker,
                    color=color,
                    label=plain_text(name),
                    ms=5,
                )
        for axis, title in zip(ax, ("precision", "recall")):
            axis.set_xlabel(title)
            axis.grid(axis="y", color="#E0E0E0", lw=0.7)
            axis.set_axisbelow(True)
            axis.spines[["top", "right"]].set_visible(False)
        names = [
            f"{plain_text(name)} ({n})"
            for name, n in zip(self.class_names, self.support)
        ]
        ax[0].set_yticks(places, names)
        ax[0].invert_yaxis()
        ax[0].figure.legend(
            *ax[0].get_legend_handles_labels(),
            loc="outside upper center",
            ncols=len(self.precision),
            frameon=False,
        )
        self.figure_, self.axes_ = ax[0].figure, ax
        return self
