"""The PCA over embedding and gradient blocks."""

import warnings

import numpy as np


def fit_pca(blocks, n_components, n_features):
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
    """
    from sklearn.decomposition import PCA

    rows = blocks[np.isfinite(blocks).all(axis=1)]
    n, width = rows.shape
    if n < 2:
        raise ValueError(
            f"n_samples={n}: PCA needs at least 2 readable images. Pass more, or "
            "n_components=None."
        )
    wanted = n_components
    if wanted == "auto":
        wanted = 384 if n_features <= 384 else 512
    possible = min(n, width)
    if wanted > possible:
        warnings.warn(
            f"n_components={n_components!r} asks for {wanted} components, but "
            f"{n} rows of {width} values allow {possible}, which are taken.",
            UserWarning,
            stacklevel=5,  # past fit and its decorator, to the caller
        )
    # Both are exact; the covariance is the cheaper one unless rows are few.
    solver = "covariance_eigh" if n >= width else "full"
    return PCA(min(wanted, possible), svd_solver=solver).fit(rows.astype(np.float64))
