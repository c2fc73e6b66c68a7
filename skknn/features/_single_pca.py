"""PCA that is fitted in float64 and kept in float32, as the rows are that it makes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA


class SinglePCA(PCA):
    """scikit-learn's PCA whose ``components_`` are float32: half the memory and pickle.

    They are rounded once, in ``fit``, so that rows are the same before and after
    pickling. Products are still in float64 where rows are.
    """

    components_: NDArray[Any]

    def fit(self, X: Any, y: Any = None) -> "SinglePCA":
        """Fit in float64 and round the components."""
        super().fit(X, y)
        self.components_ = self.components_.astype(np.float32)
        return self

    def fit_transform(self, X: Any, y: Any = None) -> NDArray[Any]:
        """Fit and return the rows that ``transform`` gives."""
        return self.fit(X, y).transform(X)
