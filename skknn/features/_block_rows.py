"""Rows of embedding and gradient blocks: which are zero or NaN, and their PCA."""

from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..utils._warn import warn

if TYPE_CHECKING:
    from sklearn.decomposition import PCA


def fit_pca(
    blocks: NDArray[np.float32], n_components: int | str, n_features: int
) -> "PCA":
    """PCA of the rows without NaN.

    Parameters
    ----------
    blocks : ndarray of shape (n, width), float32
    n_components : int or "auto"
        "auto" is 384 for backbones of up to 384 features, else 512.
    n_features : int
        Of the backbone.

    Returns
    -------
    PCA
        With components in float32.
    """
    from ._single_pca import SinglePCA

    rows = blocks[np.isfinite(blocks).all(axis=1)]
    n, width = rows.shape
    if n < 2:
        raise ValueError(
            f"n_samples={n}: PCA needs at least 2 rows without NaN. Pass more, or "
            "n_components=None."
        )
    if isinstance(n_components, str):
        wanted = 384 if n_features <= 384 else 512
    else:
        wanted = n_components
    possible = min(n, width)
    if wanted > possible:
        warn(
            f"n_components={n_components!r} asks for {wanted} components, but "
            f"{n} rows of {width} values allow {possible}, which are taken."
        )
    # Both are exact; the covariance is the cheaper one unless rows are few.
    solver = "covariance_eigh" if n >= width else "full"
    return SinglePCA(min(wanted, possible), svd_solver=solver).fit(
        rows.astype(np.float64)
    )


def reduce_rows(blocks: NDArray[np.float32], pca: "PCA | None") -> NDArray[np.float32]:
    """Apply the PCA to rows (n, width); rows with NaN stay NaN."""
    if pca is None:
        return blocks
    out = np.full((len(blocks), pca.n_components_), np.nan, dtype=np.float32)
    finite = np.isfinite(blocks).all(axis=1)
    if finite.any():
        out[finite] = pca.transform(blocks[finite].astype(np.float64))
    return out


def numbered(slices: dict[str, slice]) -> list[str]:
    """Return names of the columns of blocks: block and number within it.

    Behind a block that ends in a digit or "_", another "_" comes between. So a name
    without its last digits, and the "_" before them if there is one, is the block's:
    no two columns share a name.
    """
    return [
        f"{block}_{i}" if block[-1:] in {*"0123456789_"} else f"{block}{i}"
        for block, part in slices.items()
        for i in range(part.stop - part.start)
    ]


def warn_of_blocks(
    blocks: NDArray[np.float32], slices: dict[str, slice], bad: Collection[int] = ()
) -> None:
    """Warn of rows whose gradient is exactly zero, or NaN.

    Parameters
    ----------
    blocks : ndarray of shape (n, width), float32
    slices : dict objective -> slice
    bad : collection of int
        Rows of NaN that are known to be.
    """
    known = np.zeros(len(blocks), dtype=bool)
    known[list(bad)] = True
    for name, part in slices.items():
        zero = ~blocks[:, part].any(axis=1)
        # A sum is NaN or infinite where a part is, and takes no copy.
        lost = ~np.isfinite(blocks[:, part].sum(axis=1)) & ~known
        for which, what in (
            (zero, "exactly zero, and so is that block of their rows"),
            (lost, "NaN: the objective, or the backbone, gave what is no number"),
        ):
            if which.any():
                warn(
                    f"The {name} gradient of {int(which.sum())} of {len(blocks)} rows "
                    f"(first: row {int(which.argmax())}) is {what}."
                )
