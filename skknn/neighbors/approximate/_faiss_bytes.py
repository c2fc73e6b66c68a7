"""Indexes of faiss as bytes, without rows that are kept elsewhere."""

from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray


def pack_index(index: Any) -> NDArray[np.uint8]:
    """Bytes of an index; a graph leaves out the rows that it holds as they are.

    Parameters
    ----------
    index : faiss.Index

    Returns
    -------
    ndarray of shape (n_bytes,), uint8
    """
    writer = faiss.VectorIOWriter()
    faiss.write_index(index, writer, faiss.IO_FLAG_SKIP_STORAGE)
    return faiss.vector_to_array(writer.data)


def unpack_index(packed: NDArray[np.uint8], rows: NDArray[np.floating]) -> Any:
    """The index that :func:`pack_index` was given.

    Parameters
    ----------
    packed : ndarray of shape (n_bytes,), uint8
    rows : ndarray of shape (n_samples, n_features)
        The rows that were added to the index, in their order.

    Returns
    -------
    faiss.Index
    """
    index: Any = faiss.deserialize_index(packed)
    if getattr(index, "storage", index) is None:
        # Assigning hands it over to the index, which frees what it owns.
        index.storage = faiss.IndexFlatL2(rows.shape[1])
        index.own_fields = True
        index.storage.add(np.ascontiguousarray(rows, dtype=np.float32))
    return index
