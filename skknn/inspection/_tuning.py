"""How the score moves over two parameters of a search (R, Fig. 5)."""

from collections.abc import Iterable
from numbers import Real
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..classifiers import JOINT_ALIASES
from ._pictures import plain_text, pyplot

_SYMBOLS = {"n_neighbors": "k", "lam": "lambda"}


class TuningDisplay:
    """Map of the best score at each pair of values of two parameters.

    Build it with :meth:`from_cv_results`.

    Parameters
    ----------
    scores : ndarray of shape (n_y, n_x)
        Best score of each pair over all other parameters; NaN where none was tried.
    x_values : list
        Values of the parameter along x.
    y_values : list
        Values of the parameter along y.
    x_name : str
        Name of the parameter along x.
    y_name : str
        Name of the parameter along y.
    score_name : str
        Column that the scores are from.

    Attributes
    ----------
    figure_ : matplotlib Figure
    ax_ : matplotlib Axes
        Set by :meth:`plot`.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import GridSearchCV
    >>> from skknn import SoftKNNClassifier
    >>> from skknn.inspection import TuningDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> grid = {"k": [1, 5, 20], "tau": [0.01, 0.1]}
    >>> search = GridSearchCV(SoftKNNClassifier(), grid).fit(X, y)
    >>> TuningDisplay.from_cv_results(search.cv_results_).scores.shape
    (3, 2)
    """

    def __init__(
        self,
        *,
        scores: NDArray[np.float64],
        x_values: list[Any],
        y_values: list[Any],
        x_name: str,
        y_name: str,
        score_name: str,
    ) -> None:
        self.scores = scores
        self.x_values = x_values
        self.y_values = y_values
        self.x_name = x_name
        self.y_name = y_name
        self.score_name = score_name

    @classmethod
    def from_cv_results(
        cls,
        cv_results: Any,
        *,
        x: str = "tau",
        y: str = "k",
        score: str = "mean_test_score",
    ) -> Self:
        """Collect the scores of a finished search.

        Parameters
        ----------
        cv_results : dict or search
            A fitted scikit-learn search, or its ``cv_results_``.
        x : str, default="tau"
            Parameter along x, by name or alias, with or without the prefix of a
            Pipeline.
        y : str, default="k"
            Parameter along y. ``x="alpha", y="lambda"`` gives the other map of [1]_.
        score : str, default="mean_test_score"
            Column of ``cv_results``.

        Returns
        -------
        TuningDisplay

        Raises
        ------
        ValueError
            If a parameter or the column is not in ``cv_results``.

        References
        ----------
        .. [1] M. Jia, B.-C. Chen, Z. Wu, C. Cardie, S. Belongie, S.-N. Lim,
           "Rethinking Nearest Neighbors for Visual Classification", 2021,
           https://arxiv.org/abs/2112.08459, Fig. 5.
        """
        cv_results = getattr(cv_results, "cv_results_", cv_results)
        if score not in cv_results:
            columns = sorted(key for key in cv_results if key.startswith("mean_"))
            raise ValueError(
                f"score={score!r} is no column of cv_results. There are: {columns}."
            )
        columns = [_column(cv_results, name) for name in (x, y)]
        x_values, y_values = (_distinct(cv_results[c]) for c in columns)
        scores = np.full((len(y_values), len(x_values)), np.nan)
        pairs = zip(*(cv_results[c] for c in columns), cv_results[score])
        for x_value, y_value, value in pairs:
            place = y_values.index(y_value), x_values.index(x_value)
            scores[place] = np.fmax(scores[place], value)
        x_name, y_name = (_canonical(c) for c in columns)
        return cls(
            scores=scores,
            x_values=x_values,
            y_values=y_values,
            x_name=_SYMBOLS.get(x_name, x_name),
            y_name=_SYMBOLS.get(y_name, y_name),
            score_name=score,
        )

    def plot(
        self, ax: Any = None, *, cmap: str = "cividis", annotate: bool | None = None
    ) -> Self:
        """Draw the map; a frame marks the best pair.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
        cmap : str, default="cividis"
        annotate : bool, default=None
            Whether to write the scores; None writes them on small maps.

        Returns
        -------
        self : TuningDisplay
        """
        plt = pyplot(self)

        n_y, n_x = self.scores.shape
        if ax is None:
            size = (1.8 + 0.62 * max(4, n_x), 1.3 + 0.36 * max(4, n_y))
            _, ax = plt.subplots(figsize=size, layout="constrained")
        image = ax.imshow(self.scores, origin="lower", aspect="auto", cmap=cmap)
        ax.set_xticks(range(n_x), [_text(v) for v in self.x_values], rotation=45)
        ax.set_yticks(range(n_y), [_text(v) for v in self.y_values])
        ax.set_xlabel(plain_text(self.x_name))
        ax.set_ylabel(plain_text(self.y_name))
        middle = (
            np.nanmin(self.scores) + np.ptp(self.scores[~np.isnan(self.scores)]) / 2
        )
        best = np.unravel_index(np.nanargmax(self.scores), self.scores.shape)
        if annotate is None:
            annotate = n_x <= 12 and n_y <= 14
        if annotate:
            for (row, column), value in np.ndenumerate(self.scores):
                if not np.isnan(value):
                    ax.text(
                        column,
                        row,
                        f"{value:.3f}",
                        ha="center",
                        va="center",
                        fontsize=7.5,
                        fontweight="bold" if (row, column) == best else "normal",
                        color="black" if value > middle else "white",
                    )
        ax.add_patch(
            plt.Rectangle(
                (best[1] - 0.5, best[0] - 0.5), 1, 1, fill=False, ec="#D55E00", lw=2.5
            )
        )
        ax.figure.colorbar(
            image, ax=ax, label=plain_text(self.score_name.replace("_", " "))
        )
        self.figure_, self.ax_ = ax.figure, ax
        return self


def _text(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, Real) else plain_text(value)


def _canonical(column: str) -> str:
    name = column.removeprefix("param_").rpartition("__")[2]
    return JOINT_ALIASES.get(name, name)


def _column(cv_results: dict[str, Any], name: str) -> str:
    columns = [key for key in cv_results if key.startswith("param_")]
    wanted = name.removeprefix("param_")
    for column in columns:
        if column == f"param_{wanted}":
            return column
    found = [c for c in columns if _canonical(c) == JOINT_ALIASES.get(wanted, wanted)]
    if len(found) == 1:
        return found[0]
    raise ValueError(
        f"{name!r} names {len(found)} parameters of the search. It varied: "
        f"{[c.removeprefix('param_') for c in columns]}. Give one of these in full."
    )


def _distinct(column: Iterable[Any]) -> list[Any]:
    values = list(dict.fromkeys(v for v in column if v is not np.ma.masked))
    numbers = sorted(v for v in values if isinstance(v, Real))
    return numbers + [v for v in values if not isinstance(v, Real)]
