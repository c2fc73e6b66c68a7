"""JointKNNClassifier: soft kNN votes and a kNN-guided base classifier, mixed."""

from numbers import Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin

from ..utils._parameters import ParamsMixin
from ..utils._sklearn import HasMethods, Interval, fit_context
from ._changing_votes import ChangingVotesMixin
from ._guided_base import fit_guided
from ._inputs import check_inputs, see_rows
from ._joint_store import guided_state, spread
from ._mixture import base_proba, mix_proba
from ._modulation import Modulation
from ._parameters import GUIDED_CONSTRAINTS, GUIDED_REMEDIES, JOINT_ALIASES
from ._row_blocks import table_blocks, take_rows
from ._soft_knn import make_knn


class JointKNNClassifier(
    ChangingVotesMixin, ParamsMixin, ClassifierMixin, BaseEstimator
):
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
        Voting rows k; see :class:`SoftKNNClassifier`. Alias ``k`` in ``set_params``
        and grids.
    tau : float or "scale", default=0.1
        Temperature of the votes (R, Eq. 1); see :class:`SoftKNNClassifier`. Alias
        ``temperature``.
    alpha : float, default=0.01
        Strength of the modulation (R, Eq. 4; Table 4 searches 0.0001 to 0.01). Not
        the strength of the L2 penalty; that is ``C``.
    lam : float, default=0.5
        Share of the votes in the mixture, from 0 to 1 (R, Eq. 5; Table 4 searches
        0.5 to 0.95). Worth tuning: a strong base wants less. Aliases ``lambda`` and
        ``lambda_``.
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
    metric : {"sqeuclidean", "euclidean", "cosine"}, default="sqeuclidean"
        Distance in the votes, after ``preprocessing``, so that ``"cosine"`` is by
        default one of centred rows; see :class:`SoftKNNClassifier`.
    preprocessing : {"center-l2", "l2-center", "l2"} or None, default="center-l2"
        Of rows before distances are taken; the base sees ``X`` as given.
    algorithm : str or object, default="auto"
        Search engine; see :class:`SoftKNNClassifier`.
    device : None, str or torch.device, default=None
        Of ``algorithm="torch"`` and ``"auto"``: None takes CUDA if there is one. With
        scikit-learn's ``array_api_dispatch`` on, a base that is a plain
        LogisticRegression is fitted there too, if it is no CPU.
    n_jobs : int or None, default=None
        Threads of the search. None takes as many as BLAS may use, as a rule all cores.
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
    base_classes_ : ndarray of shape (n_base_classes,)
        Classes that it knows.
    base_rows_ : array-like or None
        Training rows as the base sees them, where the kNN side does not tell them:
        data frames, and those that a ``knn_transformer`` changes.
    knn_transformer_ : transformer
        The fitted ``knn_transformer``, when there is one.
    knn_proba_ : ndarray of shape (n_samples,), float64
        Leave-one-out probability of each training row's class, lowest for hard or
        wrongly labelled rows. This and the next two are of the rows that the base was
        last fitted to.
    modulation_ : ndarray of shape (n_samples,), float64
        ``-log p`` clamped to 100 for ``"nll"``, else the weights.
    sample_weight_ : ndarray of shape (n_samples,), float64
        Weights of the rows in the loss of the base.
    n_features_in_ : int
        Columns seen in ``fit``, where ``X`` has columns.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, when ``fit`` saw string names.

    See Also
    --------
    SoftKNNClassifier : The votes alone.
    KNNWeightedLogisticRegression : The guided base alone, with its coefficients.

    Notes
    -----
    There is no ``decision_function``: the base's scores would disagree with the
    mixture.

    References
    ----------
    .. [1] M. Jia, B.-C. Chen, Z. Wu, C. Cardie, S. Belongie, S.-N. Lim, "Rethinking
       Nearest Neighbors for Visual Classification", 2021,
       https://arxiv.org/abs/2112.08459, cited as R.

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
        **GUIDED_CONSTRAINTS,
        "lam": [Interval(Real, 0, 1, closed="both")],
        "estimator": [HasMethods(["fit"]), None],
        "knn_transformer": [HasMethods(["fit", "transform"]), None],
    }
    _param_aliases = JOINT_ALIASES
    _param_remedies = {
        **GUIDED_REMEDIES,
        "lam": "lam is the share of the kNN votes: 0 is the base alone, 1 kNN alone.",
        "estimator": "Pass a classifier with predict_proba, or None for "
        "LogisticRegression.",
        "knn_transformer": "Pass a transformer, or None to search in X as given.",
    }

    def __init__(
        self,
        n_neighbors: int | str = 20,
        *,
        tau: float | str = 0.1,
        alpha: float = 0.01,
        lam: float = 0.5,
        estimator: Any = None,
        C: float = 1.0,
        class_weight: Any = None,
        knn_transformer: Any = None,
        modulation: Modulation = "nll",
        gamma: float = 2.0,
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
    def fit(self, X: ArrayLike, y: ArrayLike, groups: ArrayLike | None = None) -> Self:
        """Fit the kNN side, then the base with the weights it gives.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows. Data frames reach ``estimator`` and ``knn_transformer``
            as they are.
        y : array-like of shape (n_samples,)
            Class labels.
        groups : array-like of shape (n_samples,), default=None
            What each row comes from, such as a burst. Rows of its own group are left
            out of a row's ``knn_proba_``, and so of its weight. ``knn_transformer``
            gets them, too, if its ``fit`` takes ``groups``, as that of
            :class:`BlockWeights` does; of a Pipeline, the steps that take them. With
            metadata routing ``set_fit_request(groups=False)`` says no.

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
        inputs = check_inputs(self, X, y, groups=groups)
        knn = make_knn(self).fit(inputs.neighbors, inputs.y, groups)
        guided = fit_guided(self, knn, inputs.base)
        self.__dict__ = guided_state(self, inputs, knn, guided)
        return self

    def predict_proba(self, X: ArrayLike) -> NDArray[Any]:
        """Class probabilities of the mixture.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features)

        Returns
        -------
        ndarray of shape (n_queries, n_classes), float64
            Rows sum to 1; columns in the order of ``classes_``. With ``lam=0`` the
            base's own output, float32 where the base is.
        """
        now = self._as_it_is()
        return now._mix(*now._sides(X))

    def predict_log_proba(self, X: ArrayLike) -> NDArray[Any]:
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

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Most probable class of the mixture; a tie goes to the class sorted first.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features)

        Returns
        -------
        ndarray of shape (n_queries,)
        """
        now = self._as_it_is()
        base_rows, knn_rows = now._sides(X)
        codes = [
            now._mix(take_rows(base_rows, part), take_rows(knn_rows, part)).argmax(1)
            for part in table_blocks(base_rows, len(now.classes_))
        ]
        return now.classes_[np.concatenate(codes)]

    def _sides(self, X: Any) -> tuple[Any, Any]:
        """What base and kNN side see of queries; None for a kNN without a vote."""
        transformer = getattr(self, "knn_transformer_", None)
        seen = see_rows(self, X, transformer)
        votes = self.lam != 0
        return seen.for_base, seen.for_neighbors(transformer) if votes else None

    def _mix(self, rows_of_base: Any, knn_rows: Any) -> NDArray[Any]:
        """R, Eq. 5, where a side without a share is not asked."""
        votes = base = None
        if self.lam != 0:
            votes = self.knn_.predict_proba(knn_rows)
        if self.lam != 1:
            known = self.base_classes_
            base = base_proba(self.estimator_, rows_of_base, known)
            base = spread(base, known, self.classes_)
        return mix_proba(votes, base, self.lam)
