"""SoftKNNClassifier: votes of the nearest rows, weighted by exp(-d / tau)."""

from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from ..datastore import NeighborIndex
from ..utils._parameters import ParamsMixin
from ..utils._sklearn import fit_context
from ._datastore import fitted_attributes, with_more_rows, without_rows
from ._inputs import (
    TrainingInputs,
    check_inputs,
    check_more_rows,
    check_rows,
    refitted,
)
from ._labelled_index import (
    LabelledIndex,
    class_votes,
    count_rows,
    resolve_n_neighbors,
    warn_of_large_group,
)
from ._neighbors_mixin import NeighborsMixin
from ._parameters import (
    KNN_ALIASES,
    KNN_CONSTRAINTS,
    KNN_REMEDIES,
    SEARCH_PARAMETERS,
    VOTE_PARAMETERS,
)
from ._row_ids import RowIds
from ._temperature import resolve_tau, warn_if_nearest_votes_alone


class SoftKNNClassifier(NeighborsMixin, ParamsMixin, ClassifierMixin, BaseEstimator):
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
    tau : float or "scale", default=0.1
        Temperature, in units of the metric, in (0, inf]. R (Table 4) searches 0.001
        to 10, for rows of length 1. ``"scale"`` is 0.05 times the distance between two
        training rows drawn at random, which for squared Euclidean distances is 0.1
        times the sum of the variances of the columns (after ``preprocessing``): about
        the default for ``"center-l2"``, and right for rows of any scale. Known as
        ``temperature`` to ``set_params`` and parameter grids.
    metric : {"sqeuclidean", "euclidean", "cosine"}, default="sqeuclidean"
        Distance in the votes: squared Euclidean (R, A.3), Euclidean, or 1 - cosine.
        On L2-normalised rows, ``tau`` with ``"sqeuclidean"`` equals ``tau / 2`` with
        ``"cosine"``. ``"cosine"`` is taken after ``preprocessing``, so by default
        between centred rows; ``preprocessing=None`` gives that of the rows themselves.
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
        Threads over blocks of queries. None takes as many as BLAS may use: all cores,
        unless ``OMP_NUM_THREADS``, ``threadpool_limits`` or a joblib worker says less.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted.
    n_neighbors_ : int
        Number of voting rows after ``"mean"`` and clipping.
    tau_ : float
        Temperature of the votes: ``tau``, or what ``"scale"`` came to for the rows
        that were there when it was first asked for.
    n_samples_fit_ : int
        Number of training rows.
    ids_ : ndarray of shape (n_samples,), intp
        Ids of the training rows: 0, 1, ... as they came to ``fit`` and
        :meth:`partial_fit`. A row keeps its id when others go.
    mean_ : ndarray of shape (n_features,), float64, or None
        Mean that is subtracted from rows.
    algorithm_ : str
        The engine that searches; with ``algorithm="auto"``, the one chosen for large
        batches of queries.
    index_ : LabelledIndex
        The training rows as they are searched, ``index_.rows``, and the class number
        of each, ``index_.codes``.
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
    .. [1] M. Jia, B.-C. Chen, Z. Wu, C. Cardie, S. Belongie, S.-N. Lim, "Rethinking
       Nearest Neighbors for Visual Classification", 2021,
       https://arxiv.org/abs/2112.08459, cited as R.

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
    >>> knn.partial_fit(X[1000:], y[1000:]).remove([0, 5]).ids_.shape
    (1795,)
    """

    _parameter_constraints = KNN_CONSTRAINTS
    _param_aliases = KNN_ALIASES
    _param_remedies = KNN_REMEDIES

    def __init__(
        self,
        n_neighbors: int | str = 20,
        *,
        tau: float | str = 0.1,
        metric: str = "sqeuclidean",
        preprocessing: str | None = "center-l2",
        algorithm: Any = "auto",
        device: Any = None,
        n_jobs: int | None = None,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.tau = tau
        self.metric = metric
        self.preprocessing = preprocessing
        self.algorithm = algorithm
        self.device = device
        self.n_jobs = n_jobs

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: ArrayLike, groups: ArrayLike | None = None) -> Self:
        """Keep the training rows, prepared for search.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows. float32 stays float32, float16 becomes float32 and all
            else float64. A sparse graph with ``algorithm="precomputed"``.
        y : array-like of shape (n_samples,)
            Class labels: ints, strings or bools.
        groups : array-like of shape (n_samples,), default=None
            What each row comes from: a burst, an object, a person. Rows of one group
            do not vote for each other where ``X=None`` asks about the training rows;
            votes for other queries do not depend on it.

        Returns
        -------
        self : SoftKNNClassifier

        Raises
        ------
        ValueError
            For NaN or infinity in ``X``, mismatched lengths, fewer than two classes,
            a graph that is none, or ``groups`` with a missing value or but one group.
        ImportError
            If the engine's library is not installed.
        """
        self.__dict__ = self._kept(check_inputs(self, X, y), groups, alone=True)
        return self

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        refit_statistics: bool = False,
    ) -> Self:
        """Add training rows to those there are; the first call is one of :meth:`fit`.

        Votes are then those of a fit on all rows with the statistics held: ``mean_``,
        and ``tau_`` of ``tau="scale"``. ``n_neighbors_`` follows the number of rows.
        Costs what the new rows take, and now and then a copy of all.

        Parameters
        ----------
        X : array-like of shape (n_more, n_features)
            Rows, which get the dtype of those there are.
        y : array-like of shape (n_more,)
            Class labels, known or new.
        classes : array-like of shape (n_classes,), default=None
            Labels that are going to come; votes for them are 0 until then. A first
            call with rows of one class needs them.
        groups : array-like of shape (n_more,), default=None
            As in :meth:`fit`; names seen before are the same groups. Rows that come
            without are in no group.
        refit_statistics : bool, default=False
            Whether to learn the statistics anew from all rows, which are restored to
            rounding. Costs a fit.

        Returns
        -------
        self : SoftKNNClassifier

        Raises
        ------
        ValueError
            As in :meth:`fit`; for labels that mix words and numbers; with
            ``algorithm="precomputed"``, whose graph has no place for more rows. All
            rows stay as they were.
        """
        if not hasattr(self, "index_"):
            inputs = check_inputs(self, X, y, classes)
            self.__dict__ = self._kept(inputs, groups, alone=False)
        else:
            more = check_more_rows(self, X, y, classes)
            self.__dict__ = with_more_rows(self, more, groups, refit_statistics)
        return self

    @fit_context(prefer_skip_nested_validation=True)
    def remove(self, ids: ArrayLike, refit_statistics: bool = False) -> Self:
        """Take training rows away.

        Votes are then those of a fit on the rows that are left, statistics held.
        Classes stay, with votes of 0 where all rows are gone. The rows that are left
        are copied once.

        Parameters
        ----------
        ids : int or array-like of int
            Of ``ids_``.
        refit_statistics : bool, default=False
            As in :meth:`partial_fit`.

        Returns
        -------
        self : SoftKNNClassifier

        Raises
        ------
        ValueError
            For what is none of ``ids_``, if no row would be left, and with
            ``algorithm="precomputed"``. All rows stay as they were.
        """
        check_is_fitted(self)
        self.__dict__ = without_rows(self, ids, refit_statistics)
        return self

    @property
    def ids_(self) -> NDArray[np.intp]:
        """Ids of the training rows."""
        if not hasattr(self, "index_"):
            raise AttributeError("ids_ is there after fit only")
        return self.index_.ids.numbers().copy()  # theirs to change

    def _kept(
        self, inputs: TrainingInputs, groups: Any, *, alone: bool
    ) -> dict[str, Any]:
        """State after a fit; ``alone`` says that no more rows are announced."""
        rows = NeighborIndex(
            metric=self.metric,
            preprocessing=self.preprocessing,
            algorithm=self.algorithm,
            device=self.device,
            n_jobs=self.n_jobs,
        ).fit(inputs.neighbors, groups)
        n_samples, n_classes = len(inputs.codes), len(inputs.classes)
        index = LabelledIndex(rows, inputs.codes, n_classes, RowIds(None, n_samples))
        k = resolve_n_neighbors(self.n_neighbors, index.n_samples, index.n_present)
        if groups is not None and alone:
            warn_of_large_group(index, k)
        tau = resolve_tau(self.tau, inputs.neighbors, rows)
        warn_if_nearest_votes_alone(index, inputs.neighbors, k, tau)
        if isinstance(self.tau, str):
            index = replace(index, scale=tau)
        return refitted(self, inputs, **fitted_attributes(index, k, tau))

    def predict_proba(self, X: ArrayLike | None) -> NDArray[np.float64]:
        """Class probabilities.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features) or None
            Queries. None means the training rows, each without itself
            (leave-one-out): a row never votes for itself, copies of it do, unless
            they are in its group.

        Returns
        -------
        ndarray of shape (n_queries, n_classes), float64
            Rows sum to 1; columns in the order of ``classes_``.
        """
        now = self._as_it_is()
        rows = None if X is None else check_rows(now, X)
        proba = np.empty((count_rows(now.index_, rows), len(now.classes_)))
        for part, votes in class_votes(now.index_, rows, now.n_neighbors_, now.tau_):
            proba[part] = votes
        return proba

    def predict_log_proba(self, X: ArrayLike | None) -> NDArray[np.float64]:
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

    def predict(self, X: ArrayLike | None) -> NDArray[Any]:
        """Most probable class; a tie goes to the class sorted first.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features) or None
            None means the training rows, each without itself.

        Returns
        -------
        ndarray of shape (n_queries,)
        """
        now = self._as_it_is()
        rows = None if X is None else check_rows(now, X)
        codes = np.empty(count_rows(now.index_, rows), dtype=np.intp)
        for part, votes in class_votes(now.index_, rows, now.n_neighbors_, now.tau_):
            codes[part] = votes.argmax(axis=1)
        return now.classes_[codes]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        graph = isinstance(self.algorithm, str) and self.algorithm == "precomputed"
        tags.input_tags.sparse = tags.input_tags.pairwise = graph
        return tags


def make_knn(classifier: Any) -> SoftKNNClassifier:
    """The unfitted kNN side of a classifier.

    Parameters
    ----------
    classifier : classifier of this package

    Returns
    -------
    SoftKNNClassifier
        Of its own for a SoftKNNClassifier too.
    """
    names = SEARCH_PARAMETERS | VOTE_PARAMETERS
    return SoftKNNClassifier(**{name: getattr(classifier, name) for name in names})
