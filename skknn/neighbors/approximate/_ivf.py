"""Inverted lists of k-means cells, rows in 8 bits a number."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


class IVF:
    """Cells are learned from a sample that is the same every time."""

    build_threads: int | None = None

    def build(self, faiss: Any, X: NDArray) -> Any:
        """An index trained on ``X`` of shape (n_samples, n_features), still empty."""
        n_samples, n_features = X.shape
        n_cells = max(1, min(int(2 * n_samples**0.5), n_samples // 40))
        coarse = faiss.IndexFlatL2(n_features)
        index = faiss.IndexIVFScalarQuantizer(
            coarse, n_features, n_cells, faiss.ScalarQuantizer.QT_8bit
        )
        index.cp.niter = 10
        index.cp.min_points_per_centroid = 1
        index.cp.max_points_per_centroid = 1 << 20
        size = min(n_samples, max(20_000, 40 * n_cells))
        rows = np.random.RandomState(0).choice(n_samples, size, replace=False)
        index.train(np.ascontiguousarray(X[np.sort(rows)], dtype=np.float32))
        return index

    def parameters(self, faiss: Any, effort: int) -> Any:
        """What faiss calls the effort of a search: cells that are visited."""
        return faiss.SearchParametersIVF(nprobe=effort)

    def n_candidates(self, k: int) -> int:
        """Rows to ask for: distances in 8 bits put some a little too far."""
        return k + max(16, k // 2)

    def efforts(self, index: Any, k: int) -> tuple[int, int]:
        """Least and largest effort for k neighbours."""
        least = int(2 * k / (index.ntotal / index.nlist)) + 4
        return max(1, min(least, index.nlist)), index.nlist
