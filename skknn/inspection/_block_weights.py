"""Which blocks of features help the votes, and what each change brought."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from ._pictures import BLUE, GREY, plain_text, pyplot


class BlockWeightsDisplay:
    """Weights of blocks, and the leave-one-out loss on the way to them.

    Build it with :meth:`from_estimator`.

    Parameters
    ----------
    weights : ndarray of shape (n_steps, n_blocks)
        Weights that the search went through; the last row was taken.
    losses : ndarray of shape (n_steps,)
        Mean loss of the training rows, each left out.
    standard_errors : ndarray of shape (n_steps,)
        Of the fall of the loss from the step before; 0 for the first.
    block_names : list of str
    scoring : str
        What the loss is of.

    Attributes
    ----------
    figure_ : matplotlib Figure
    axes_ : ndarray of two matplotlib Axes
        Set by :meth:`plot`.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skknn import BlockWeights
    >>> from skknn.inspection import BlockWeightsDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> blocks = {"petal": [2, 3], "sepal": [0, 1]}
    >>> search = BlockWeights(blocks=blocks).fit(X, y)
    >>> display = BlockWeightsDisplay.from_estimator(search)
    >>> display.changes
    ['sepal alone', 'petal 0 → 2']
    """

    def __init__(
        self,
        *,
        weights: NDArray[np.float64],
        losses: NDArray[np.float64],
        standard_errors: NDArray[np.float64],
        block_names: Sequence[str],
        scoring: str,
    ) -> None:
        self.weights = weights
        self.losses = losses
        self.standard_errors = standard_errors
        self.block_names = list(block_names)
        self.scoring = scoring

    @classmethod
    def from_estimator(cls, estimator: Any) -> Self:
        """Collect what a fitted search for weights went through.

        Parameters
        ----------
        estimator : BlockWeights, Pipeline or search
            Fitted; of a Pipeline with several, the last is shown.

        Returns
        -------
        BlockWeightsDisplay

        Raises
        ------
        ValueError
            If there is no :class:`~skknn.BlockWeights` in it.
        """
        found = _find(estimator)
        if found is None:
            raise ValueError(
                f"estimator={estimator!r} has no weights of blocks. Pass a fitted "
                "BlockWeights, or a Pipeline or search with one."
            )
        check_is_fitted(found)
        path = found.path_
        return cls(
            weights=np.array([list(step["weights"].values()) for step in path]),
            losses=np.array([step["loss"] for step in path]),
            standard_errors=np.array([step["standard_error"] for step in path]),
            block_names=list(found.weights_),
            scoring=found.scoring,
        )

    @property
    def changes(self) -> list[str]:
        """What each step changed, in words."""
        first = self.weights[0].argmax()
        said = [f"{self.block_names[first]} alone"]
        for before, after in zip(self.weights[:-1], self.weights[1:]):
            block = np.flatnonzero(before != after)[0]
            name = self.block_names[block]
            said.append(f"{name} {before[block]:g} → {after[block]:g}")
        return said

    def plot(self, ax: Any = None) -> Self:
        """Draw a bar a block, beside it the loss after each change.

        Parameters
        ----------
        ax : array of two matplotlib Axes, default=None

        Returns
        -------
        self : BlockWeightsDisplay
        """
        plt = pyplot(self)

        n_lines = max(len(self.block_names), len(self.losses))
        if ax is None:
            size = (8.5, 1.4 + 0.35 * n_lines)
            _, ax = plt.subplots(1, 2, figsize=size, layout="constrained")
        bars, path = ax = np.ravel(ax)
        places = np.arange(len(self.block_names))
        bars.barh(places, self.weights[-1], color=BLUE)
        bars.set_yticks(places, [plain_text(name) for name in self.block_names])
        bars.set_xlabel("weight")
        steps = np.arange(len(self.losses))
        path.errorbar(
            self.losses, steps, xerr=self.standard_errors, fmt="o-", color=BLUE,
            ecolor=GREY, capsize=3,
        )  # fmt: skip
        path.set_yticks(steps, [plain_text(change) for change in self.changes])
        loss = "log loss" if self.scoring == "neg_log_loss" else "share of errors"
        path.set_xlabel(f"leave-one-out {loss}")
        for axis in ax:
            axis.invert_yaxis()
            axis.grid(axis="x", color="#E0E0E0", lw=0.7)
            axis.set_axisbelow(True)
            axis.spines[["top", "right"]].set_visible(False)
        self.figure_, self.axes_ = bars.figure, ax
        return self


def _find(estimator: Any) -> Any:
    """The last BlockWeights in (nested) Pipelines, searches and joint classifiers."""
    if hasattr(estimator, "path_") and hasattr(estimator, "weights_"):
        return estimator
    if isinstance(estimator, Pipeline):
        inside = [step for _, step in reversed(estimator.steps)]
    else:
        names = "best_estimator_", "knn_transformer_"
        inside = [getattr(estimator, name, None) for name in names]
    for each in inside:
        found = None if each is None else _find(each)
        if found is not None:
            return found
    return None
