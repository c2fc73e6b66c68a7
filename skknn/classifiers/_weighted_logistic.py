"""KNNWeightedLogisticRegression: logistic regression that tries harder on hard rows."""

from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from ..utils._parameters import ParamsMixin
from ..utils._sklearn import Interval, fit_context
from ._guided_base import fit_guided
from ._inputs import check_inputs, check_rows, refitted
from ._modulation import Modulation
from ._parameters import GUIDED_CONSTRAINTS, GUIDED_REMEDIES, KNN_ALIASES
from ._row_blocks import row_blocks
from ._soft_knn import make_knn


class KNNWeightedLogisticRegression(ParamsMixin, ClassifierMixin, BaseEstimator):
    r"""Logistic regression whose training rows are weighted by a leave-one-out kNN.

    With :math:`p_i` the probability that the other rows' soft kNN votes give to the
    true class of row :math:`i`, the weighted loss is

    .. math:: \sum_i \big(1 + \alpha \, (-\log p_i)\big) \, \ell_i(W)
              + \frac{1}{2C} \lVert W \rVert^2

    (R, Eq. 3 and 4), a convex problem solved to its minimum. ``predict_proba`` is
    the base classifier alone (R's BASE'); :class:`JointKNNClassifier` mixes it with
    the votes.

    Parameters
    ----------
    n_neighbors : int or "mean", default=20
        Voting rows k of the leave-one-out kNN; see :class:`SoftKNNClassifier`.
        Known as ``k`` to ``set_params`` and parameter grids.
    tau : float or "scale", default=0.1
        Temperature of the votes (R, Eq. 1); see :class:`SoftKNNClassifier`. Known as
        ``temperature`` to ``set_params`` and parameter grids.
    alpha : float, default=0.01
        Strength of the modulation (R, Eq. 4; Table 4 searches 0.0001 to 0.01). 0
        gives plain logistic regression. It is not the strength of the L2 penalty;
        that is ``C``.
    modulation : {"nll", "focal"} or callable, default="nll"
        ``"nll"`` weights a row by ``1 + alpha * min(-log p, 100)``; ``"focal"`` by
        ``(1 - p) ** gamma`` without ``alpha`` (R, Table 2); a callable maps the
        ``(n_samples,)`` probabilities to weights.
    gamma : float, default=2.0
        Exponent of ``"focal"``. Rows whose neighbours agree get weights near 0; 0
        weights all rows alike.
    C : float, default=1.0
        Inverse strength of the L2 penalty, in (0, inf].
    fit_intercept : bool, default=True
        Whether to fit an unpenalised intercept.
    class_weight : "balanced", dict or None, default=None
        As in :class:`~sklearn.linear_model.LogisticRegression`; multiplies the
        weights of the rows.
    max_iter : int, default=1000
        Most iterations of the solver (L-BFGS).
    tol : float, default=1e-6
        Largest gradient entry, of the mean weighted loss, at which the solver stops.
        See Notes.
    metric : {"sqeuclidean", "euclidean", "cosine"}, default="sqeuclidean"
        Distance in the votes, after ``preprocessing``, so that ``"cosine"`` is by
        default one of centred rows; see :class:`SoftKNNClassifier`.
    preprocessing : {"center-l2", "l2-center", "l2"} or None, default="center-l2"
        Of rows before distances are taken; the regression sees ``X`` as given.
    algorithm : str or object, default="auto"
        Search engine; see :class:`SoftKNNClassifier`.
    device : None, str or torch.device, default=None
        Device of ``algorithm="torch"`` and ``"auto"``: None takes CUDA if there is
        one. With scikit-learn's ``array_api_dispatch`` on, the regression is fitted
        there too, if it is no CPU.
    n_jobs : int or None, default=None
        Threads of the search. None takes as many as BLAS may use, as a rule all cores.
    random_state : int, RandomState instance or None, default=None
        Unused, because search and solver draw nothing. It is there so that code which
        sets it on every classifier works.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted.
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        Weights, for float32 ``X`` float32 with scikit-learn 1.9 or newer. One row for
        two classes.
    intercept_ : ndarray of shape (1,) or (n_classes,)
        Intercepts.
    n_iter_ : ndarray of shape (1,)
        Iterations of the solver.
    knn_proba_ : ndarray of shape (n_samples,), float64
        Leave-one-out probability of each training row's class. The lowest ones are
        the hard, or wrongly labelled, rows.
    modulation_ : ndarray of shape (n_samples,), float64
        ``-log p`` clamped to 100 for ``"nll"``, else the weights.
    sample_weight_ : ndarray of shape (n_samples,), float64
        Weights of the rows in the loss, before ``class_weight``.
    n_features_in_ : int
        Number of columns seen in ``fit``.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, when ``fit`` saw string names.

    See Also
    --------
    JointKNNClassifier : Adds the votes at prediction, and any base classifier.
    sklearn.linear_model.LogisticRegression : The unweighted base.

    Notes
    -----
    ``tol`` bounds the gradient of the mean, so the distance to the exact minimiser
    grows with ``C`` and the sum of the weights. On 150 standardised tables of 12 to
    285 rows with ``C`` of 0.1 and 1, probabilities were within 1e-4 of the minimiser's
    for ``alpha=0.01``, within 3e-4 for 1 and 3e-3 for 10, where single rows weigh up to
    1001; at ``tol=1e-9``, the limit of L-BFGS in float64, within 1e-5. For 1e-8 take
    Newton's method, affordable up to a few hundred columns times classes:
    ``JointKNNClassifier(lam=0, estimator=LogisticRegression(
    solver="newton-cholesky", tol=1e-10))``. float32 rows halve memory and time; the
    solver then stops where rounding stops it: within 3e-3 on the digits scans.

    References
    ----------
    .. [1] M. Jia, B.-C. Chen, Z. Wu, C. Cardie, S. Belongie, S.-N. Lim, "Rethinking
       Nearest Neighbors for Visual Classification", 2021,
       https://arxiv.org/abs/2112.08459, cited as R.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skknn import KNNWeightedLogisticRegression
    >>> X, y = load_digits(return_X_y=True)
    >>> clf = KNNWeightedLogisticRegression(alpha=0.01).fit(X[:1000] / 16, y[:1000])
    >>> round(clf.score(X[1000:] / 16, y[1000:]), 2)
    0.93
    >>> clf.sample_weight_.shape, bool((clf.sample_weight_ >= 1).all())
    ((1000,), True)
    """

    _parameter_constraints = {
        **GUIDED_CONSTRAINTS,
        "fit_intercept": ["boolean"],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="neither")],
    }
    _param_aliases = KNN_ALIASES
    _param_remedies = {
        **GUIDED_REMEDIES,
        "fit_intercept": "False leaves out the intercept, for centred rows.",
        "max_iter": "Use a positive number of iterations; 1000 is usually enough.",
        "tol": "Use a small positive number, such as 1e-6.",
    }

    def __init__(
        self,
        n_neighbors: int | str = 20,
        *,
        tau: float | str = 0.1,
        alpha: float = 0.01,
        modulation: Modulation = "nll",
        gamma: float = 2.0,
        C: float = 1.0,
        fit_intercept: bool = True,
        class_weight: Any = None,
        max_iter: int = 1000,
        tol: float = 1e-6,
        metric: str = "sqeuclidean",
        preprocessing: str | None = "center-l2",
        algorithm: Any = "auto",
        device: Any = None,
        n_jobs: int | None = None,
        random_state: Any = None,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.tau = tau
        self.alpha = alpha
        self.modulation = modulation
        self.gamma = gamma
        self.C = C
        self.fit_intercept = fit_intercept
        self.class_weight = class_weight
        self.max_iter = max_iter
        self.tol = tol
        self.metric = metric
        self.preprocessing = preprocessing
        self.algorithm = algorithm
        self.device = device
        self.n_jobs = n_jobs
        self.random_state = random_state

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: ArrayLike, groups: ArrayLike | None = None) -> Self:
        """Find the hard rows, weight them and fit the regression.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows. float32 stays float32, all else becomes float64.
        y : array-like of shape (n_samples,)
            Class labels.
        groups : array-like of shape (n_samples,), default=None
            What each row comes from: a burst, an object, a person. Neighbours of its
            own group say nothing about how hard a row is, so they are left out of
            ``knn_proba_`` and of the weights.

        Returns
        -------
        self : KNNWeightedLogisticRegression

        Raises
        ------
        ValueError
            For NaN or infinity in ``X``, mismatched lengths, fewer than two classes,
            or a ``modulation`` that returns no valid weights.
        """
        inputs = check_inputs(self, X, y)
        knn = make_knn(self).fit(inputs.neighbors, inputs.y, groups)
        guided = fit_guided(self, knn, inputs.base)
        base, weights = guided.base, guided.weights
        self.__dict__ = refitted(
            self,
            inputs,
            _base=base,
            coef_=base.coef_,
            intercept_=base.intercept_,
            n_iter_=base.n_iter_,
            knn_proba_=weights.knn_proba,
            modulation_=weights.modulation,
            sample_weight_=weights.sample_weight,
        )
        return self

    def decision_function(self, X: ArrayLike) -> NDArray[Any]:
        """Scores ``X @ coef_.T + intercept_``.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features)

        Returns
        -------
        ndarray of shape (n_queries,) for two classes, else (n_queries, n_classes)
        """
        check_is_fitted(self)
        return self._base.decision_function(check_rows(self, X))

    def predict_proba(self, X: ArrayLike) -> NDArray[Any]:
        """Class probabilities of the regression.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features)

        Returns
        -------
        ndarray of shape (n_queries, n_classes)
            Columns in the order of ``classes_``.
        """
        check_is_fitted(self)
        return self._base.predict_proba(check_rows(self, X))

    def predict_log_proba(self, X: ArrayLike) -> NDArray[Any]:
        """Logarithm of :meth:`predict_proba`.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features)

        Returns
        -------
        ndarray of shape (n_queries, n_classes)
        """
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Most probable class.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features)

        Returns
        -------
        ndarray of shape (n_queries,)
        """
        check_is_fitted(self)
        rows = check_rows(self, X)
        parts = row_blocks(len(rows), len(self.classes_))
        return np.concatenate([self._base.predict(rows[part]) for part in parts])
