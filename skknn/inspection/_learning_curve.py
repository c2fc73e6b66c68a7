"""What fine-tuning went through, epoch by epoch."""

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ._pictures import BLUE, GREEN, GREY, ORANGE, final_classifier, pyplot


class LearningCurveDisplay:
    """Losses of fine-tuning, and how far the bank tells the classes apart.

    Build it with :meth:`from_estimator`.

    Parameters
    ----------
    loss : ndarray of shape (n_epochs,)
        Mean weighted loss of the training rows.
    knn_proba : ndarray of shape (n_epochs,)
        Mean probability that the bank gives to the training rows' own classes, each
        row without itself; NaN where there was no bank.
    validation_loss, validation_accuracy : ndarray of shape (n_epochs,) or None
        Of the rows that were held out; None if there were none.
    n_epochs : int
        Epochs after which the backbone was taken.

    Attributes
    ----------
    figure_ : matplotlib Figure
    axes_ : ndarray of two matplotlib Axes
        Set by :meth:`plot`.

    Examples
    --------
    >>> import numpy as np
    >>> from skknn import FineTunedJointClassifier
    >>> from skknn.inspection import LearningCurveDisplay
    >>> images = np.random.default_rng(0).integers(0, 256, (12, 32, 32, 3), "uint8")
    >>> model = FineTunedJointClassifier(
    ...     "test_resnet", n_neighbors=3, epochs=2, weights=None, image_size=32,
    ...     random_state=0, device="cpu",
    ... ).fit(images, ["a", "b"] * 6)
    >>> display = LearningCurveDisplay.from_estimator(model)
    >>> display.loss.shape
    (2,)
    """

    def __init__(
        self,
        *,
        loss: NDArray[np.float64],
        knn_proba: NDArray[np.float64],
        validation_loss: NDArray[np.float64] | None,
        validation_accuracy: NDArray[np.float64] | None,
        n_epochs: int,
    ) -> None:
        self.loss = loss
        self.knn_proba = knn_proba
        self.validation_loss = validation_loss
        self.validation_accuracy = validation_accuracy
        self.n_epochs = n_epochs

    @classmethod
    def from_estimator(cls, estimator: Any) -> Self:
        """Collect the history of a fitted classifier.

        Parameters
        ----------
        estimator : FineTunedJointClassifier, Pipeline or search
            Fitted; a Pipeline that ends in one, or a search for one.

        Returns
        -------
        LearningCurveDisplay

        Raises
        ------
        ValueError
            If there is no fitted :class:`~skknn.FineTunedJointClassifier` in it.
        """
        found, _ = final_classifier(estimator)
        if not hasattr(found, "history_"):
            raise ValueError(
                f"estimator={estimator!r} has no history of epochs. Pass a fitted "
                "FineTunedJointClassifier, or a Pipeline or search with one at the "
                "end."
            )
        history = found.history_
        validated = "validation_loss" in history[0]
        return cls(
            loss=_column(history, "loss"),
            knn_proba=_column(history, "mean_knn_proba"),
            validation_loss=_column(history, "validation_loss") if validated else None,
            validation_accuracy=_column(history, "validation_accuracy")
            if validated
            else None,
            n_epochs=found.n_epochs_,
        )

    def plot(self, ax: Any = None) -> Self:
        """Draw the losses, beside them accuracy and mean votes for the own class.

        Parameters
        ----------
        ax : array of two matplotlib Axes, default=None

        Returns
        -------
        self : LearningCurveDisplay
        """
        plt = pyplot(self)

        if ax is None:
            _, ax = plt.subplots(1, 2, figsize=(8.5, 3.2), layout="constrained")
        left, right = ax = np.ravel(ax)
        epochs = np.arange(1, len(self.loss) + 1)
        left.plot(epochs, self.loss, "o-", color=BLUE, label="training, weighted")
        if self.validation_loss is not None:
            left.plot(
                epochs, self.validation_loss, "o-", color=ORANGE, label="held out"
            )
        left.set_ylabel("mean loss")
        right.plot(
            epochs,
            self.knn_proba,
            "o-",
            color=GREEN,
            label="votes for the own class, left out",
        )
        if self.validation_accuracy is not None:
            right.plot(
                epochs,
                self.validation_accuracy,
                "o-",
                color=ORANGE,
                label="accuracy, held out",
            )
        right.set_ylim(0, 1.02)
        for axis in ax:
            axis.axvline(self.n_epochs, color=GREY, linestyle=":", label="taken")
            axis.set_xlabel("epoch")
            axis.legend()
        self.axes_, self.figure_ = ax, left.figure
        return self


def _column(history: list[dict[str, float]], name: str) -> NDArray[np.float64]:
    return np.array([epoch[name] for epoch in history], dtype=np.float64)
