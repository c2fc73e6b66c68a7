"""Exact nearest neighbours: cheap scores propose, float64 differences decide.

With rows shifted by a common vector, ``score = q.x - |x|^2 / 2`` falls as the distance
grows. Scores are one matrix product, which may be rough if it is known how rough: each
candidate comes with a *ceiling*, the largest true score it may have. ::

    IndexRows (rows, shift, norms)      QueryBlock (queries, shifted, norms)
           |                                   |
           +-----------------+-----------------+
                             v
    propose    NumpyProposer (product in the dtype of the rows), TorchProposer (in
               bfloat16), CompiledProposer (either one, scanned in tiles), FaissProposer
                             v
               Candidates: ids, ceilings, and the most a row outside may have
                             v
    rerank     float64 differences of the most promising, then of all that may be
               nearer; order by (distance, index)                 _search, _distances
                             v
    certify    can a row outside come before the k-th neighbour?  _search, _bounds
               no: done; maybe: the engine's next proposer, and at last
                             v
    exhaust    float64 scores of all rows find those to rerank    _search

Proposers never decide: the result is that of sorting all float64 distances, whatever
their precision, blocks and threads. ``_device`` takes the same steps with tensors on a
CUDA device, where everything stays until the end of the call. Modules with torch, faiss
or numba at their head are imported at ``fit``, or later.
"""
