"""How alike blocks of features are (F, Fig. 2)."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array

from ._pictures import plain_text, pyplot


def linear_cka(A: ArrayLike, B: ArrayLike) -> float:
    """Linear centred kernel alignment of two feature matrices.

    Parameters
    ----------
    A : array-like of shape (n_samples, n_features_a)
    B : array-like of shape (n_samples, n_features_b)
        The same rows, described otherwise.

    Returns
    -------
    float
        From 0 (nothing in common) to 1 (equal up to rotation and scale); 0 where a
        matrix is constant.

    Examples
    --------
    >>> import numpy as np
    >>> from skknn.inspection import linear_cka
    >>> A = np.random.default_rng(0).normal(size=(50, 3))
    >>> round(linear_cka(A, 7 * A[:, ::-1]), 6)
    1.0
    """
    P, Q = (check_array(M, dtype=np.float64, ensure_min_samples=2) for M in (A, B))
    if len(P) != len(Q):
        raise ValueError(
            f"A has {len(P)} rows and B has {len(Q)}: they must describe the same "
            "samples in the same order."
        )
    P, Q = (M - M.mean(axis=0) for M in (P, Q))
    # The smaller of the two Gram forms: features x features or rows x rows.
    if max(P.shape[1], Q.shape[1]) <= len(P):
        cross = np.linalg.norm(P.T @ Q) ** 2
        scale = np.linalg.norm(P.T @ P) * np.linalg.norm(Q.T @ Q)
    else:
        K, L = P @ P.T, Q @ Q.T
        cross = (K * L).sum()
        scale = np.linalg.norm(K) * np.linalg.norm(L)
    return float(cross / scale) if scale > 0 else 0.0


class CKADisplay:
    """Similarity of feature blocks, pair by pair.

    Build it with :meth:`from_features`.

    Parameters
    ----------
    similarity : ndarray of shape (n_blocks, n_blocks)
        Linear CKA of each pair.
    names : list of str

    Attributes
    ----------
    figure_ : matplotlib Figure
    ax_ : matplotlib Axes
        Set by :meth:`plot`.

    References
    ----------
    .. [1] W. Simoncini, S. Gidaris, A. Bursuc, Y. M. Asano, "No Train, all Gain:
       Self-Supervised Gradients Improve Deep Frozen Representations", NeurIPS 2024,
       https://arxiv.org/abs/2407.10964, Fig. 2.

    Examples
    --------
    >>> import numpy as np
    >>> from skknn.inspection import CKADisplay
    >>> X = np.random.default_rng(0).normal(size=(50, 6))
    >>> blocks = {"left": slice(0, 3), "right": slice(3, 6)}
    >>> CKADisplay.from_features(X, blocks).similarity.shape
    (2, 2)
    """

    def __init__(self, *, similarity: NDArray[np.float64], names: list[str]) -> None:
        self.similarity = similarity
        self.names = names

    @classmethod
    def from_features(cls, X: Any, blocks: Mapping[str, slice] | None = None) -> Self:
        """Compare blocks of columns, or several matrices.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or dict of str -> array
            Features of the same rows. A dict gives the blocks themselves.
        blocks : dict of str -> slice, default=None
            Blocks of columns of ``X``, for example ``feature_slices_`` of a fitted
            transformer without PCA.

        Returns
        -------
        CKADisplay
        """
        if blocks is not None:
            X = np.asarray(X)
            X = {name: X[:, columns] for name, columns in blocks.items()}
        elif not hasattr(X, "items"):
            raise ValueError(
                "blocks=None needs X to be a dict name -> features. Pass blocks, a "
                "dict name -> slice of columns, for one matrix."
            )
        names = list(X)
        similarity = np.eye(len(names))
        for i, first in enumerate(names):
            for j in range(i):
                value = linear_cka(X[first], X[names[j]])
                similarity[i, j] = similarity[j, i] = value
        return cls(similarity=similarity, names=names)

    def plot(self, ax: Any = None, *, cmap: str = "cividis") -> Self:
        """Draw the matrix with its values.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
        cmap : str, default="cividis"

        Returns
        -------
        self : CKADisplay
        """
        plt = pyplot(self)

        n = len(self.names)
        if ax is None:
            size = (2.4 + 0.8 * n, 1.4 + 0.7 * n)
            _, ax = plt.subplots(figsize=size, layout="constrained")
        image = ax.imshow(self.similarity, vmin=0, vmax=1, cmap=cmap)
        for (row, column), value in np.ndenumerate(self.similarity):
            ax.text(
                column,
                row,
                f"{value:.2f}",
                ha="center",
                va="center",
                color="black" if value > 0.5 else "white",
            )
        names = [plain_text(name) for name in self.names]
        ax.set_xticks(range(n), names, rotation=30, ha="right")
        ax.set_yticks(range(n), names)
        ax.figure.colorbar(image, ax=ax, label="linear CKA")
        self.figure_, self.ax_ = ax.figure, ax
        return self
