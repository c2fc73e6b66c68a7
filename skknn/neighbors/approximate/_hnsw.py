"""Hierarchical navigable small-world graph."""

from typing import Any

from numpy.typing import NDArray


class HNSW:
    """Built on one thread: with several, the graph would depend on their timing."""

    build_threads: int | None = 1

    def build(self, faiss: Any, X: NDArray) -> Any:
        """An index for ``X`` of shape (n_samples, n_features), still empty."""
        index = faiss.IndexHNSWFlat(X.shape[1], 32)
        index.hnsw.efConstruction = 100
        return index

    def parameters(self, faiss: Any, effort: int) -> Any:
        """What faiss calls the effort of a search: rows that are visited."""
        return faiss.SearchParametersHNSW(efSearch=effort)

    def n_candidates(self, k: int) -> int:
        """Rows to ask for."""
        return k

    def efforts(self, index: Any, k: int) -> tuple[int, int]:
        """Least and largest effort for k neighbours."""
        return max(64, 2 * k), index.ntotal
