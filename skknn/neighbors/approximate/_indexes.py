"""The indexes of faiss: how they are built, and what effort means to them."""

from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray


class HNSW:
    """Hierarchical navigable small-world graph."""

    # With several threads, the graph would depend on their timing.
    build_threads: int | None = 1
    # How often the rows it was built for an index may come to hold.
    growth = np.inf

    def build(self, X: NDArray) -> Any:
        """An index for rows like ``X``, still empty."""
        index = faiss.IndexHNSWFlat(X.shape[1], 32)
        index.hnsw.efConstruction = 100
        return index

    def parameters(self, effort: int) -> Any:
        """Effort is how many rows are visited."""
        return faiss.SearchParametersHNSW(efSearch=effort)  # type: ignore

    def n_candidates(self, k: int) -> int:
        """Rows to ask for."""
        return k

    def efforts(self, index: Any, k: int) -> tuple[int, int]:
        """Least and largest effort for k neighbours."""
        return max(64, 2 * k), index.ntotal


class IVF(HNSW):
    """Inverted lists of k-means cells, rows in 8 bits a number."""

    build_threads = None
    growth = 2.0  # cells were learnt from the rows at first

    def build(self, X: NDArray) -> Any:
        n_samples, n_features = X.shape
        n_cells = max(1, min(int(2 * n_samples**0.5), n_samples // 40))
        cells, kind = faiss.IndexFlatL2(n_features), faiss.ScalarQuantizer.QT_8bit
        index = faiss.IndexIVFScalarQuantizer(cells, n_features, n_cells, kind)
        index.cp.niter = 10
        index.cp.min_points_per_centroid = 1
        index.cp.max_points_per_centroid = 1 << 20
        size = min(n_samples, max(20_000, 40 * n_cells))
        rows = np.random.RandomState(0).choice(n_samples, size, replace=False)
        index.train(np.ascontiguousarray(X[np.sort(rows)], dtype=np.float32))
        return index

    def parameters(self, effort: int) -> Any:
        """Effort is how many cells are visited."""
        return faiss.SearchParametersIVF(nprobe=effort)  # type: ignore

    def n_candidates(self, k: int) -> int:
        # Distances in 8 bits put some neighbours a little too far.
        return k + max(16, k // 2)

    def efforts(self, index: Any, k: int) -> tuple[int, int]:
        least = int(2 * k / (index.ntotal / index.nlist)) + 4
        return max(1, min(least, index.nlist)), index.nlist
