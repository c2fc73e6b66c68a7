"""Rows in fewer columns: fast scans where a few directions hold most of the base."""

import math

import numpy as np

from ._bounds import product_error
from ._fast_rows import TILE, Queries, ScannedRows

# Norms for which no product of float32 coordinates overflows or is lost.
_LEAST, _LARGEST = 1e-15, 1e15
# Rows that stand for the base: for its axes, and for the scores of queries.
_AXES_ROWS = 8192
_SAMPLE = 4096
# Queries that tell how many columns are best, and as many rows in their place: the
# first queries may all be of one class.
_QUERIES = 32
# The scan must save this much, for queries yet to come are not quite those seen.
_WORTH = 0.7
# How far scores lie below their ceilings differs from query to query.
_CAUTION = 1.1
# Products in float32 in the time of one in float64, and of an eigendecomposition of
# that many cubes of columns.
_FLOAT64, _EIGEN = 2, 25
# Scans in the time of a search in float64, for a query of which nothing is proven.
_AGAIN = 3


class ProjectedRows(ScannedRows):
    """Coordinates of rows on some orthonormal axes, and the norm of what is left.

    With a and b the coordinates of q and x, ``q.x <= a.b + |q - q_a| |x - x_b|`` by
    Cauchy-Schwarz, and the norms are one more column: one product gives ceilings of
    scores. True scores lie far below. By how much, ``reach`` times the norm of what is
    left of the query, is an estimate, and so is the ceiling that the k-th best row
    will have: whoever uses them must see afterwards that no row left out can be
    nearer than the k-th one measured.

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
        self._rows = np.zeros((n_samples, self.columns), dtype=np.float32)
        self.half = np.zeros(n_samples + TILE, dtype=np.float32)
        if self._usable:
            for part, rows in engine._float64_blocks():
                squares = 2 * engine._half[part]
                self._rows[part] = self._project(rows, squares, self._peak**2)
            self.half[:n_samples] = engine._half
        self._sample = _sample(n_samples)
        self._sample_rows = self._rows[self._sample]

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

    def floors(self, prepared, k):
        """Estimates of the last floors from a sample of the base."""
        from ._fast_scan import first_floors

        floors = super().floors(prepared, k)
        rank = _rank_in_sample(k, len(self._sample), len(self._rows))
        products = prepared.low @ self._sample_rows.T
        half, reach = self.half[self._sample], self.reach(prepared)
        terms = half, half, prepared.ratio, reach, self.unit, rank
        first_floors(products, *terms, floors)
        return floors

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
    sample = min(n_samples, _AXES_ROWS)
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
    picked = _sample(n_samples)
    rank = _rank_in_sample(k, len(picked), n_samples)
    if rank > len(picked) // 4 or not _LEAST < engine._peak < _LARGEST:
        return None
    axes = _principal_axes(engine)
    others = np.setdiff1d(_sample(n_samples, _QUERIES, seed=1), picked)
    queries, _ = engine._shifted(queries[:_QUERIES])
    queries = np.concatenate([queries, engine._shifted_rows(others)])
    sample = engine._shifted_rows(picked)
    trial = _Trial(queries, sample, axes, len(sample) / n_samples)
    capacity = ProjectedRows.capacity(k)
    all_columns = n_samples * n_features
    best, chosen = _WORTH * (all_columns + k * candidate), None
    for columns in range(32, n_features, 16):
        if columns * n_samples > best:
            break
        reach, kept, measured = trial.add_axes(columns - 1, k, rank)
        again = (kept > capacity).mean() * _AGAIN * all_columns
        work = columns * n_samples + measured.mean() * candidate + again
        if work < best:
            best, chosen = work, (axes[:, : columns - 1], reach)
    return chosen and ProjectedRows(engine, *chosen)


class _Trial:
    """What some queries would keep of the base, judged by a sample of it."""

    def __init__(self, queries, sample, axes, share):
        self._share = share
        self._a, self._b = queries @ axes, sample @ axes
        self._left_a = np.einsum("ij,ij->i", queries, queries)
        self._left_b = np.einsum("ij,ij->i", sample, sample)
        self._scores = queries @ sample.T - self._left_b / 2
        self._known = np.tile(-self._left_b / 2, (len(queries), 1))
        self._axes = 0

    def add_axes(self, n_axes, k, rank):
        """Reach, and for each query how many rows are kept first and in the end."""
        part = slice(self._axes, n_axes)
        self._axes = n_axes
        a, b = self._a[:, part], self._b[:, part]
        self._known += a @ b.T
        self._left_a -= np.einsum("ij,ij->i", a, a)
        self._left_b -= np.einsum("ij,ij->i", b, b)
        left_a = np.sqrt(np.maximum(self._left_a, 1e-30))
        ceilings = self._known + np.outer(left_a, np.sqrt(np.maximum(self._left_b, 0)))
        usual = max(1, math.ceil(k * self._share))
        best = _kth_largest(ceilings, usual)
        gap = best - _kth_largest(self._scores, usual)
        reach = _CAUTION * (gap / left_a).max()
        first = _kth_largest(ceilings, rank) - reach * left_a
        last = best - reach * left_a
        kept, measured = (
            (ceilings >= floors[:, None]).sum(axis=1) / self._share
            for floors in (first, last)
        )
        return reach, kept, measured


def _principal_axes(engine):
    """All axes, those that hold most of the base first, from a sample of rows."""
    rows = engine._shifted_rows(_sample(len(engine.X_), _AXES_ROWS))
    return np.linalg.eigh(rows.T @ rows)[1][:, ::-1]


def _sample(n_samples, size=None, seed=0):
    """Rows that stand for the base, the same each time."""
    size = min(n_samples, size or max(1, min(_SAMPLE, n_samples // 5)))
    rng = np.random.default_rng(seed)
    return np.sort(rng.choice(n_samples, size, replace=False, shuffle=False))


def _rank_in_sample(k, n_sample, n_samples):
    """Rank in a sample that the k-th best row of the base will hardly be behind."""
    expected = k * n_sample / n_samples
    return math.ceil(expected + 3 * math.sqrt(expected) + 2)


def _kth_largest(values, k):
    """The k-th largest value of each row."""
    last = values.shape[1] - k
    return np.partition(values, last, axis=1)[:, last]
