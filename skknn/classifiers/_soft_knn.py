"""SoftKNNClassifier: votes of the nearest rows, weighted by exp(-d / tau)."""

import warnings
from numbers import Integral

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from ..neighbors import APPROXIMATE, NeighborIndex, soft_votes, true_class_votes
from ..utils._parameters import ParamsMixin
from ..utils._sklearn import fit_context
from ._validation import (
    KNN_ALIASES,
    KNN_CONSTRAINTS,
    KNN_REMEDIES,
    validate_fit,
    validate_rows,
)

# Neighbours found before they are turned into votes: bounds memory for any n.
_BLOCK = 1 << 22


class SoftKNNClassifier(ParamsMixin, ClassifierMixin, BaseEstimator):
    r"""k-nearest-neighbour classifier with softmax votes.

    For a query :math:`x` with nearest training rows :math:`x_1, \dots, x_k` at
    distances :math:`d_1 \le \dots \le d_k`,

    .. math:: P(c \mid x) = \frac{\sum_{i: y_i = c} e^{-d_i / \tau}}
                                 {\sum_i e^{-d_i / \tau}}

    (R, Eq. 1 and 2). A large ``tau`` tends to the plain majority vote, a small one
    to the single nearest neighbour.

    Parameters
    ----------
    n_neighbors : int or "mean", default=20
        Number k of voting rows; ``"mean"`` takes the mean number of training rows a
        class (R, Table 4). Clipped, with a warning, to the rows there are. Known as
        ``k`` to ``set_params`` and parameter grids.
    tau : float, default=0.1
        Temperature, in units of the metric, in (0, inf]. R (Table 4) searches 0.001
        to 10. Known as ``temperature`` to ``set_params`` and parameter grids.
    metric : {"sqeuclidean", "euclidean", "cosine"}, default="sqeuclidean"
        Distance in the votes: squared Euclidean (R, A.3), Euclidean, or 1 - cosine.
        On L2-normalised rows, ``tau`` with ``"sqeuclidean"`` equals ``tau / 2`` with
        ``"cosine"``.
    preprocessing : {"center-l2", "l2-center", "l2"} or None, default="center-l2"
        What is done to rows before distances are taken. ``"center-l2"`` subtracts
        the training mean, then divides each row by its L2 norm; zero rows stay zero.
    algorithm : str or object, default="auto"
        Search engine. ``"brute"`` (numpy), ``"torch"``, ``"fast"`` (extra ``fast``)
        and ``"faiss"`` (extra ``faiss``) are exact and give the same neighbours;
        ``"auto"`` takes the fastest one for the data and the machine. ``"hnsw"`` and
        ``"ivf"`` (extra ``faiss``) are approximate. With ``"precomputed"``, ``X`` is
        a sparse graph of neighbours from ``KNeighborsTransformer(mode="distance")``,
        (n_samples, n_samples) in ``fit`` and (n_queries, n_samples) later; its
        distances are used as they are, without ``metric`` and ``preprocessing``. An
        object needs ``fit(X)`` and ``kneighbors(X, n_neighbors)``; its candidates are
        measured again, so its metric matters for recall alone.
    device : None, str or torch.device, default=None
        Device of ``"torch"`` and ``"auto"``: None takes CUDA if there is one.
    n_jobs : int or None, default=None
        Threads over blocks of queries. None takes as many as BLAS may use.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted.
    n_neighbors_ : int
        Number of voting rows after ``"mean"`` and clipping.
    n_samples_fit_ : int
        Number of training rows.
    mean_ : ndarray of shape (n_features,), float64, or None
        Mean that is subtracted from rows.
    algorithm_ : str
        The engine that searches; with ``algorithm="auto"``, the one chosen for large
        batches of queries.
    recall_ : float
        Share of the ``n_neighbors_`` nearest rows that searches find, measured on a
        sample of training rows. With ``"hnsw"`` and ``"ivf"`` only.
    n_features_in_ : int
        Number of columns seen in ``fit``.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, when ``fit`` saw string names.

    See Also
    --------
    JointKNNClassifier : Mixes these votes with a trained classifier.
    sklearn.neighbors.KNeighborsClassifier : Uniform or inverse-distance votes.

    Notes
    -----
    Neighbours are exact and sorted by (distance, row number); distances of the
    neighbours are computed by differences in float64, so near-duplicates keep their
    digits and votes with a small ``tau`` can be trusted.

    References
    ----------
    .. [1] "Rethinking Nearest Neighbors for Visual Classification", the paper cited
       as R.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skknn import SoftKNNClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> knn = SoftKNNClassifier(n_neighbors=8, tau=0.1).fit(X[:1000], y[:1000])
    >>> round(knn.score(X[1000:], y[1000:]), 2)
    0.96
    >>> knn.predict_proba(None).shape  # each training row, itself left out
    (1000, 10)
    """

    _parameter_constraints = KNN_CONSTRAINTS
    _param_aliases = KNN_ALIASES
    _param_remedies = KNN_REMEDIES
    _searches_itself = True

    def __init__(
        self,
        n_neighbors=20,
        *,
        tau=0.1,
        metric="sqeuclidean",
        preprocessing="center-l2",
        algorithm="auto",
        device=None,
        n_jobs=None,
    ):
        self.n_neighbors = n_neighbors
        self.tau = tau
        self.metric = metric
        self.preprocessing = preprocessing
        self.algorithm = algorithm
        self.device = device
        self.n_jobs = n_jobs

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y):
        """Keep the training rows, prepared for search.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows. float32 stays float32, float16 becomes float32 and all
            else float64. A sparse graph with ``algorithm="precomputed"``.
        y : array-like of shape (n_samples,)
            Class labels: ints, strings or bools.

        Returns
        -------
        self : SoftKNNClassifier

        Raises
        ------
        ValueError
            For NaN or infinity in ``X``, mismatched lengths, fewer than two classes,
            or a graph that is none.
        ImportError
            If the engine's library is not installed.
        """
        X, y = validate_fit(self, X, y)
        self._codes = np.searchsorted(self.classes_, y)
        self.n_samples_fit_ = X.shape[0]
        self.n_neighbors_ = resolve_n_neighbors(
            self.n_neighbors, self.n_samples_fit_, len(self.classes_)
        )
        self._index = NeighborIndex(
            metric=self.metric,
            preprocessing=self.preprocessing,
            algorithm=self.algorithm,
            device=self.device,
            n_jobs=self.n_jobs,
        ).fit(X)
        self.mean_ = self._index.preprocessor_.mean_
        self.algorithm_ = self._index.algorithm_
        if self.algorithm_ in APPROXIMATE:
            self.recall_ = self._index.recall(self.n_neighbors_)
        return self

    def kneighbors(self, X=None, n_neighbors=None, return_distance=True):
        """Nearest training rows.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features) or None, default=None
            Queries. None means the training rows, each without itself.
        n_neighbors : int or None, default=None
            How many; None takes ``n_neighbors_``. Clipped, with a warning, to the
            rows there are.
        return_distance : bool, default=True
            Whether distances are returned too.

        Returns
        -------
        distances : ndarray of shape (n_queries, k), float64
            Ascending, in the units of ``metric``. Only with ``return_distance``.
        indices : ndarray of shape (n_queries, k), intp
            Training row numbers; equal distances are sorted by row number.
        """
        check_is_fitted(self)
        rows = None if X is None else validate_rows(self, X)
        available = self.n_samples_fit_ - (X is None)
        if n_neighbors is None:
            k = min(self.n_neighbors_, available)
        elif not isinstance(n_neighbors, Integral) or n_neighbors < 1:
            raise ValueError(
                f"n_neighbors={n_neighbors!r} must be an int of at least 1, or None "
                "for the fitted number."
            )
        else:
            k = _clip(int(n_neighbors), available)
        distances, ids = self._search(rows, k)
        return (distances, ids) if return_distance else ids

    def predict_proba(self, X):
        """Class probabilities.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features) or None
            Queries. None means the training rows, each without itself
            (leave-one-out): a row never votes for itself, copies of it do.

        Returns
        -------
        ndarray of shape (n_queries, n_classes), float64
            Rows sum to 1; columns in the order of ``classes_``.
        """
        check_is_fitted(self)
        rows = None if X is None else validate_rows(self, X)
        proba = np.empty((self._n_queries(rows), len(self.classes_)))
        for part, distances, ids in self._neighbor_blocks(rows):
            proba[part] = soft_votes(
                distances, self._codes[ids], self.tau, len(self.classes_)
            )
        return proba

    def predict_log_proba(self, X):
        """Logarithm of :meth:`predict_proba`; -inf where no neighbour votes.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features) or None

        Returns
        -------
        ndarray of shape (n_queries, n_classes), float64
        """
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def predict(self, X):
        """Most probable class; a tie goes to the class sorted first.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features) or None
            None means the training rows, each without itself.

        Returns
        -------
        ndarray of shape (n_queries,)
        """
        proba = self.predict_proba(X)
        return self.classes_[proba.argmax(axis=1)]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        graph = isinstance(self.algorithm, str) and self.algorithm == "precomputed"
        tags.input_tags.sparse = tags.input_tags.pairwise = graph
        return tags

    def _leave_one_out_proba(self):
        """Leave-one-out probability of each training row's own class, (n,)."""
        proba = np.empty(self.n_samples_fit_)
        for part, distances, ids in self._neighbor_blocks(None):
            agree = self._codes[ids] == self._codes[part][:, None]
            proba[part] = true_class_votes(distances, agree, self.tau)
        return proba

    def _n_queries(self, rows):
        return self.n_samples_fit_ if rows is None else rows.shape[0]

    def _search(self, rows, k):
        if rows is None:
            return self._index.leave_one_out(k)
        return self._index.kneighbors(rows, k)

    def _neighbor_blocks(self, rows):
        k = min(self.n_neighbors_, self.n_samples_fit_ - (rows is None))
        size = max(1, _BLOCK // k)
        for start in range(0, self._n_queries(rows), size):
            part = slice(start, start + size)
            if rows is None:
                yield part, *self._index.leave_one_out(k, part)
            else:
                yield part, *self._index.kneighbors(rows[part], k)


def resolve_n_neighbors(n_neighbors, n_samples, n_classes):
    """Number of voting rows that ``n_neighbors`` means for this training set."""
    if n_neighbors == "mean":
        return max(1, round(n_samples / n_classes))
    return _clip(int(n_neighbors), n_samples)


def _clip(n_neighbors, available):
    if n_neighbors > available:
        warnings.warn(
            f"n_neighbors={n_neighbors} is more than the {available} rows that can "
            f"vote; using n_neighbors={available}.",
            UserWarning,
            stacklevel=2,
        )
    return min(n_neighbors, available)
