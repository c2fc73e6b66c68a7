"""Exact nearest neighbours: cheap scores propose, float64 differences decide.

With rows shifted by a common vector, ``score = q.x - |x|^2 / 2`` falls as the distance
grows. Scores are one matrix product, which may be rough as long as it is known how
rough: every candidate comes with a *ceiling*, the largest true score it may have, and
every block of queries with what a row outside its candidates may have at most. ::

    IndexRows                       rows, shift, half squared norms      (_rows)
        |                     QueryBlock: queries, shifted, norms        (_candidates)
        v                                        |
    propose  <-----------------------------------+
        |   NumpyProposer     product in the dtype of the rows           (_numpy)
        |   TorchProposer     product in bfloat16                        (_torch)
        |   CompiledProposer  either product, scanned in tiles           (_compiled)
        |   FaissProposer     faiss.knn                                  (_faiss)
        v
    Candidates: ids, ceilings, outside
        |
    rerank      float64 differences of the most promising, then of all   (_search,
        |       that may be nearer; order (distance, index)               _distances)
        v
    certify     can a row outside come before the k-th neighbour?        (_search,
        |  no: done                                                       _bounds)
        v  maybe
    next proposer of the engine, at last one scan in float64             (_exhaustive)

Proposers never decide: the result is that of sorting all float64 distances, whatever
their precision, blocks and threads. :class:`DeviceSearch` (``_device``) takes the same
steps with tensors on a CUDA device, where everything stays until the end of the call.
"""
