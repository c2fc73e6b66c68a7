"""Rows in fewer columns: fast scans where a few directions hold most of the base."""

import math

import numpy as np

from ._bounds import product_error
from ._fast_rows import TILE, Queries, ScannedRows

# Norms for which no product of float32 coordinates overflows or is lost.
_LEAST, _LARGEST = 1e-15, 1e15
# Rows that stand for the base.
_SAMPLE = 8192
# Queries that tell how many columns are best, and as many rows in their place: the
# first queries may all be of one class.
_QUERIES = 64
# How many numbers of columns are tried, all multiples of 16.
_CHOICES = 24
# The scan must save this much, for queries yet to come are not quite those seen.
_WORTH = 0.7
# How far scores lie below their ceilings differs from query to query: a bit more than
# nearly all need.
_MOST, _CAUTION = 0.98, 1.1
# Scans of all columns in the time of one for a few queries.
_AGAIN = 1.5
# Products in float32 in the time of one in float64, and of an eigendecomposition of
# that many cubes of columns.
_FLOAT64, _EIGEN = 2, 25


class ProjectedRows(ScannedRows):
    """Coordinates of rows on some orthonormal axes, and the norm of what is left.

    With a and b the coordinates of q and x, ``q.x <= a.b + |q - q_a| |x - x_b|`` by
    Cauchy-Schwarz, and the norms are one more column: one product gives ceilings of
    scores. True scores lie far below. By how much, ``reach`` times the norm of what is
    left of the query, is an estimate, and so is the rank that the k-th best of all
    will have among some: whoever uses them must see afterwards that no row left out
    can be nearer than the k-th one measured. Rows are in random order, so that the
    first of them stand for all.

    Parameters
    ----------
    engine : CertifiedEngine
        Fitted; its rows and shift are used.
    axes : ndarray of shape (n_features, n_axes), float64
        Orthonormal columns.
    reach : float
    """

    product_dtype = np.float32
    unit = 0.0
    nothing = np.float32(-np.inf)
    scale = None
    certain = False

    def __init__(self, engine, axes, reach):
        n_samples = len(engine.X_)
        self._axes, self._reach, self._peak = axes, reach, engine._peak
        self._usable = _LEAST < engine._peak < _LARGEST
        self.columns = axes.shape[1] + 1
        self._order = np.random.default_rng(0).permutation(n_samples).astype(np.int32)
        self._rows = np.zeros((n_samples, self.columns), dtype=np.float32)
        self.half = np.zeros(n_samples + TILE, dtype=np.float32)
        if self._usable:
            place = np.argsort(self._order)
            for part, rows in engine._float64_blocks():
                squares = 2 * engine._half[part]
                self._rows[place[part]] = self._project(rows, squares, self._peak**2)
            self.half[:n_samples] = engine._half[self._order]

    @staticmethod
    def capacity(k):
        """Rows kept for a query at most."""
        return 8 * k + 3072

    def queries(self, queries, norms):
        """Coordinates of queries."""
        usable = self._usable & (norms < _LARGEST) & ((norms > _LEAST) | (norms == 0))
        # Others give zeros instead of warnings.
        norms, queries = norms * usable, queries * usable[:, None]
        low = self._project(queries, norms**2, norms**2)
        # Rounding of the coordinates comes on top of that of a product.
        margin = product_error(np.float32, norms, self._peak, self.columns + 8)
        one = np.ones(len(norms))
        return Queries(low, one.astype(np.float32), margin, one, 0.0, ~usable)

    def products(self, low, part, out):
        """Write products with a slice of the base to ``out``."""
        np.matmul(low, self._rows[part].T, out=out)

    def reach(self, prepared):
        """An estimate; parameters and return value as in :class:`ScannedRows`."""
        return self._reach * prepared.low[:, -1].astype(np.float64)

    def rank(self, k, seen):
        """An estimate; parameters and return value as in :class:`ScannedRows`."""
        return _likely_rank(k, seen / len(self._rows))

    def base_ids(self, ids, lengths):
        """Parameters and return value as in :class:`ScannedRows`."""
        ids = np.take(self._order, ids, mode="clip")
        last = np.iinfo(ids.dtype).max
        ids = np.where(np.arange(ids.shape[1]) < lengths[:, None], ids, last)
        ids.sort(axis=1)
        return ids

    def _project(self, rows, squares, size):
        """Coordinates and the norms of what is left, which are rounded up."""
        out = np.empty((len(rows), self.columns), dtype=np.float32)
        coordinates = rows @ self._axes
        out[:, :-1] = coordinates
        left = squares - np.einsum("ij,ij->i", coordinates, coordinates)
        # The axes are orthonormal up to rounding, and squares were rounded.
        rounding = 64 * self._axes.shape[0] * np.finfo(np.float64).eps * size
        out[:, -1] = np.sqrt(np.maximum(left, 0.0) + rounding)
        return out


def work_to_project(n_samples, n_features):
    """Products in float32 in the time that :func:`fewer_columns` takes, about."""
    sample = min(n_samples, _SAMPLE)
    products = (n_samples / 2 + sample) * n_features**2
    return _FLOAT64 * products + _EIGEN * n_features**3


def fewer_columns(engine, queries, k, candidate):
    """Rows in as many columns as serve these queries fastest.

    Parameters
    ----------
    engine : CertifiedEngine
    queries : ndarray of shape (n_queries, n_features)
    k : int
    candidate : float
        Products in float32 in the time that a candidate's distance takes.

    Returns
    -------
    ProjectedRows or None
        None where no number of columns is clearly faster than all of them.
    """
    n_samples, n_features = engine.X_.shape
    if k > n_samples // 20 or not _LEAST < engine._peak < _LARGEST:
        return None
    picked = _sample(n_samples, min(_SAMPLE, n_samples // 2))
    others = np.setdiff1d(_sample(n_samples, _QUERIES, seed=1), picked)
    queries, _ = engine._shifted(queries[:_QUERIES])
    queries = np.concatenate([queries, engine._shifted_rows(others)])
    sample = engine._shifted_rows(picked)
    # Those that hold most of the base first.
    axes = np.linalg.eigh(sample.T @ sample)[1][:, ::-1]
    trial = _Trial(queries, sample, axes, k, n_samples)
    capacity = ProjectedRows.capacity(k)
    all_columns = n_samples * n_features
    best, chosen = _WORTH * (all_columns + k * candidate), None
    step = 16 * math.ceil(n_features / 16 / _CHOICES)
    for columns in range(2 * step, n_features, step):
        if columns * n_samples > best:
            break
        reach, kept = trial.add_axes(columns - 1)
        again = (kept.max(axis=0) > capacity).mean() * _AGAIN * all_columns
        measured = np.minimum(kept[-1], capacity).mean()
        work = columns * n_samples + measured * candidate + again
        if work < best:
            best, chosen = work, (axes[:, : columns - 1], reach)
    return chosen and ProjectedRows(engine, *chosen)


class _Trial:
    """What some queries would keep of the base, judged by a sample of it."""

    def __init__(self, queries, sample, axes, k, n_samples):
        self._k, self._n_samples = k, n_samples
        self._a, self._b = queries @ axes, sample @ axes
        self._left_a = np.einsum("ij,ij->i", queries, queries)
        self._left_b = np.einsum("ij,ij->i", sample, sample)
        scores = queries @ sample.T - self._left_b / 2
        self._kth = self._in_sample(-np.sort(-scores, axis=1), k, 1.0)
        self._known = np.tile(-self._left_b / 2, (len(queries), 1))
        self._axes = 0

    def add_axes(self, n_axes):
        """The reach, and how many rows are kept.

        Returns
        -------
        reach : float
        kept : ndarray of shape (n_parts, n_queries)
            After a 16th, an 8th, ... and all of the base.
        """
        part = slice(self._axes, n_axes)
        self._axes = n_axes
        a, b = self._a[:, part], self._b[:, part]
        self._known += a @ b.T
        self._left_a -= np.einsum("ij,ij->i", a, a)
        self._left_b -= np.einsum("ij,ij->i", b, b)
        left_a = np.sqrt(np.maximum(self._left_a, 1e-30))
        ceilings = self._known + np.outer(left_a, np.sqrt(np.maximum(self._left_b, 0)))
        ceilings = -np.sort(-ceilings, axis=1)
        gap = self._in_sample(ceilings, self._k, 1.0) - self._kth
        reach = _CAUTION * np.quantile(gap / left_a, _MOST)
        kept = []
        for share in (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0):
            best = self._in_sample(ceilings, _likely_rank(self._k, share), share)
            near = ceilings >= (best - reach * left_a)[:, None]
            kept.append(near.mean(axis=1) * share * self._n_samples)
        return reach, np.array(kept)

    def _in_sample(self, values, rank, share):
        """About what a rank has in a share of the base, from sorted values."""
        place = math.ceil(rank / (share * self._n_samples) * values.shape[1])
        return values[:, min(max(place, 1), values.shape[1]) - 1]


def _sample(n_samples, size, seed=0):
    """Rows that stand for the base, the same each time."""
    rng = np.random.default_rng(seed)
    size = min(size, n_samples)
    return np.sort(rng.choice(n_samples, size, replace=False, shuffle=False))


def _likely_rank(k, share):
    """Rank in a share of the base, in random order, that its k-th best hardly exceeds.

    One deviation more than expected: floors too low keep too many rows, and those too
    high fail only queries that need their whole reach.
    """
    expected = k * share
    deviation = math.sqrt(expected * (1 - share))
    return min(k, math.ceil(expected + deviation + 1))
