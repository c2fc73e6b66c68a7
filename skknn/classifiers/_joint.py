"""JointKNNClassifier: soft kNN votes and a kNN-guided base classifier, mixed."""

from numbers import Real

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.linear_model import LogisticRegression
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from ..utils._parameters import ParamsMixin
from ..utils._sklearn import HasMethods, Interval, fit_context
from ._guide import GuideMixin
from ._mixture import mix_proba
from ._validation import (
    GUIDE_CONSTRAINTS,
    GUIDE_REMEDIES,
    KNN_ALIASES,
    validate_rows,
)


class JointKNNClassifier(GuideMixin, ParamsMixin, ClassifierMixin, BaseEstimator):
    r"""Mixture of soft kNN votes and a classifier trained with kNN-guided weights.

    Training weights the base classifier's rows by ``1 + alpha * (-log p)``, where
    ``p`` is the leave-one-out kNN probability of a row's class (R, Eq. 4).
    Prediction mixes (R, Eq. 5)

    .. math:: P = \lambda P_{kNN} + (1 - \lambda) P_{base}.

    ============================  ==========================================
    setting                       name in R
    ============================  ==========================================
    ``alpha=0, lam=0``            BASE
    ``lam=0``                     BASE'
    ``lam=1``                     k-NN
    ``alpha=0``                   JOINT-INF (votes join at inference alone)
    otherwise                     JOINT
    ============================  ==========================================

    Parameters
    ----------
    n_neighbors : int or "mean", default=20
        Voting rows k; see :class:`SoftKNNClassifier`. Known as ``k`` to
        ``set_params`` and parameter grids.
    tau : float, default=0.1
        Temperature of the votes (R, Eq. 1). Known as ``temperature`` to
        ``set_params`` and parameter grids.
    alpha : float, default=0.01
        Strength of the modulation (R, Eq. 4; Table 4 searches 0.0001 to 0.01). Not
        the strength of the L2 penalty; that is ``C``.
    lam : float, default=0.5
        Share of the votes in the mixture, from 0 to 1 (R, Eq. 5; Table 4 searches
        0.5 to 0.95). Worth tuning: a strong base wants less. Known as ``lambda`` and
        ``lambda_`` to ``set_params`` and parameter grids.
    estimator : classifier or None, default=None
        Base classifier with ``predict_proba`` and, unless ``alpha=0``,
        ``sample_weight`` in ``fit``; or a Pipeline that ends in one, whose last step
        receives the weights. None takes ``LogisticRegression(C=C,
        class_weight=class_weight, max_iter=1000, tol=1e-6)``.
    C : float, default=1.0
        Inverse strength of the L2 penalty of the default base. Unused with
        ``estimator``.
    class_weight : "balanced", dict or None, default=None
        Class weights of the default base. Unused with ``estimator``.
    knn_transformer : transformer or None, default=None
        Applied to ``X`` for the kNN side alone, so that the two sides may see
        different features (R, Fig. 9c), for example a column selector. With one,
        ``X`` need not be numeric as long as transformer and base accept it.
    modulation : {"nll", "focal"} or callable, default="nll"
        ``"nll"`` weights a row by ``1 + alpha * min(-log p, 100)``; ``"focal"`` by
        ``(1 - p) ** gamma`` without ``alpha`` (R, Table 2); a callable maps the
        ``(n_samples,)`` probabilities to weights.
    gamma : float, default=2.0
        Exponent of ``"focal"``. Rows whose neighbours agree get weights near 0; 0
        weights all rows alike.
    metric, preprocessing, algorithm, device, n_jobs
        Of the neighbour search; see :class:`SoftKNNClassifier`. The base sees ``X``
        as given.
    random_state : int, RandomState instance or None, default=None
        When given, sets every ``random_state`` parameter of ``estimator``.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted.
    knn_ : SoftKNNClassifier
        The fitted kNN side.
    estimator_ : classifier
        The fitted base.
    knn_transformer_ : transformer
        The fitted ``knn_transformer``, when there is one.
    knn_proba_ : ndarray of shape (n_samples,), float64
        Leave-one-out probability of each training row's class. The lowest ones are
        the hard, or wrongly labelled, rows.
    modulation_ : ndarray of shape (n_samples,), float64
        ``-log p`` clamped to 100 for ``"nll"``, else the weights.
    sample_weight_ : ndarray of shape (n_samples,), float64
        Weights of the rows in the loss of the base.
    n_features_in_ : int
        Number of columns seen in ``fit``, where ``X`` has columns.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, when ``fit`` saw string names.

    See Also
    --------
    SoftKNNClassifier : The votes alone.
    KNNWeightedLogisticRegression : The guided base alone, with its coefficients.

    Notes
    -----
    There is no ``decision_function``: the base's scores would disagree with the
    mixture. ``lam`` and, with ``alpha=0``, ``n_neighbors`` and ``tau`` change no
    fitted base, so a search over them repeats work that one fit could share.

    References
    ----------
    .. [1] "Rethinking Nearest Neighbors for Visual Classification", the paper cited
       as R.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.model_selection import GridSearchCV
    >>> from skknn import JointKNNClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> X = X / 16
    >>> joint = JointKNNClassifier(n_neighbors=8, tau=0.1).fit(X[:1000], y[:1000])
    >>> round(joint.score(X[1000:], y[1000:]), 2)
    0.96
    >>> grid = GridSearchCV(joint, {"k": [4, 8], "lambda": [0.5, 0.9]}, cv=3)
    >>> sorted(grid.fit(X[:300], y[:300]).best_params_)
    ['k', 'lambda']
    """

    _parameter_constraints = {
        **GUIDE_CONSTRAINTS,
        "lam": [Interval(Real, 0, 1, closed="both")],
        "estimator": [HasMethods(["fit", "predict"]), None],
        "knn_transformer": [HasMethods(["fit", "transform"]), None],
    }
    _param_aliases = {**KNN_ALIASES, "lambda": "lam", "lambda_": "lam"}
    _param_remedies = {
        **GUIDE_REMEDIES,
        "lam": "lam is the share of the kNN votes: 0 is the base alone, 1 kNN alone.",
        "estimator": "Pass a classifier with predict_proba, or None for "
        "LogisticRegression.",
        "knn_transformer": "Pass a transformer, or None to search in X as given.",
    }

    def __init__(
        self,
        n_neighbors=20,
        *,
        tau=0.1,
        alpha=0.01,
        lam=0.5,
        estimator=None,
        C=1.0,
        class_weight=None,
        knn_transformer=None,
        modulation="nll",
        gamma=2.0,
        metric="sqeuclidean",
        preprocessing="center-l2",
        algorithm="auto",
        device=None,
        n_jobs=None,
        random_state=None,
    ):
        self.n_neighbors = n_neighbors
        self.tau = tau
        self.alpha = alpha
        self.lam = lam
        self.estimator = estimator
        self.C = C
        self.class_weight = class_weight
        self.knn_transformer = knn_transformer
        self.modulation = modulation
        self.gamma = gamma
        self.metric = metric
        self.preprocessing = preprocessing
        self.algorithm = algorithm
        self.device = device
        self.n_jobs = n_jobs
        self.random_state = random_state

    # estimator and knn_transformer come from the user: their fits must validate.
    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y):
        """Fit the kNN side, then the base with the weights it gives.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows. Data frames reach ``estimator`` and ``knn_transformer``
            as they are.
        y : array-like of shape (n_samples,)
            Class labels.

        Returns
        -------
        self : JointKNNClassifier

        Raises
        ------
        ValueError
            For NaN or infinity in ``X``, mismatched lengths, fewer than two classes,
            a base without ``predict_proba``, or one without ``sample_weight``
            although there are weights.
        """
        X_base, X_knn, y = self._fit_inputs(X, y)
        self.knn_ = self._fit_guide(X_knn, y)
        self.estimator_ = self._fit_base(X_base, y)
        return self

    def predict_proba(self, X):
        """Class probabilities of the mixture (R, Eq. 5).

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features)

        Returns
        -------
        ndarray of shape (n_queries, n_classes), float64
            Rows sum to 1; columns in the order of ``classes_``. With ``lam=0`` the
            base's own output, float32 where the base is.
        """
        check_is_fitted(self)
        rows = self._validate_rows(X)
        votes = base = None
        if self.lam != 0:
            votes = self.knn_.predict_proba(self._knn_input(X, rows))
        if self.lam != 1:
            base = self.estimator_.predict_proba(self._base_input(X, rows))
        return mix_proba(votes, base, self.lam)

    def predict_log_proba(self, X):
        """Logarithm of :meth:`predict_proba`.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features)

        Returns
        -------
        ndarray of shape (n_queries, n_classes), float64
        """
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def predict(self, X):
        """Most probable class of the mixture; a tie goes to the class sorted first.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features)

        Returns
        -------
        ndarray of shape (n_queries,)
        """
        proba = self.predict_proba(X)
        return self.classes_[proba.argmax(axis=1)]

    def _validate_rows(self, X, reset=False):
        """Numeric rows; None where only the user's own steps look into ``X``."""
        if self.knn_transformer is None:
            return validate_rows(self, X, reset=reset)
        if hasattr(X, "shape"):
            validate_data(self, X, reset=reset, skip_check_array=True)
        return None

    def _fit_knn_transformer(self, X, y):
        if self.knn_transformer is not None:
            self.knn_transformer_ = clone(self.knn_transformer).fit(X, y)

    def _base_input(self, X, rows):
        return X if rows is None or hasattr(X, "columns") else rows

    def _knn_input(self, X, rows):
        if self.knn_transformer is None:
            return rows
        return self.knn_transformer_.transform(X)

    def _make_base(self):
        if self.estimator is None:
            return LogisticRegression(
                C=self.C, class_weight=self.class_weight, max_iter=1000, tol=1e-6
            )
        base = clone(self.estimator)
        if self.random_state is not None:
            random = check_random_state(self.random_state)
            seeds = {
                name: random.randint(np.iinfo(np.int32).max)
                for name in sorted(base.get_params())
                if name == "random_state" or name.endswith("__random_state")
            }
            base.set_params(**seeds)
        if not hasattr(base, "predict_proba"):
            raise ValueError(
                f"estimator={base!r} has no predict_proba, so its predictions cannot "
                "be mixed with votes. Wrap it in CalibratedClassifierCV, or choose a "
                "classifier with probabilities."
            )
        return base

    def _convergence_remedy(self):
        if self.estimator is None:
            return (
                "Scale the columns of X, for example with StandardScaler, or pass "
                "estimator=LogisticRegression(max_iter=..., tol=...)."
            )
        return "Adjust its limit of iterations or its tolerance, or scale X."
