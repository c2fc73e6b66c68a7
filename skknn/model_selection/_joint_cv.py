"""JointKNNClassifierCV: the joint classifier that chooses its own parameters."""

from numbers import Real
from typing import Any, Self

from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin
from sklearn.metrics import check_scoring, get_scorer_names
from sklearn.utils.metadata_routing import MetadataRouter
from sklearn.utils.validation import check_is_fitted

from ..classifiers import JOINT_ALIASES, JointKNNClassifier
from ..utils._parameters import N_JOBS, ParamsMixin
from ..utils._sklearn import StrOptions, fit_context
from ._fit_groups import joint_router
from ._joint_grid import check_training, joint_grid, routed_splits
from ._joint_rules import JointChoice
from ._joint_search import find_parameters
from ._remedies import JOINT_CV_REMEDIES

# What the classifier takes as it is.
_PASSED_ON = (
    "estimator",
    "class_weight",
    "knn_transformer",
    "modulation",
    "gamma",
    "metric",
    "preprocessing",
    "algorithm",
    "device",
    "random_state",
)
# Attributes that scikit-learn sets itself.
_SEEN = "n_features_in_", "feature_names_in_"
_VALUES = ["array-like", Real]


def _of_best(name: str) -> property:
    """A fitted attribute that is the best estimator's, to which rows may come."""

    def found(self: "JointKNNClassifierCV") -> Any:
        if "best_estimator_" not in vars(self):
            raise AttributeError(f"{name} is there after fit only.")
        return getattr(self.best_estimator_, name)

    return property(found, doc="As of ``best_estimator_``.")


class JointKNNClassifierCV(
    ParamsMixin, ClassifierMixin, MetaEstimatorMixin, BaseEstimator
):
    """A :class:`JointKNNClassifier` that chooses its own parameters, in one ``fit``.

    No grid to write: k, tau, alpha, ``C`` and lambda are chosen by cross-validation,
    with one neighbour search a split for all of them (:class:`NeighborSearchCV`).
    BASE (``alpha=0, lam=0``) and k-NN (``lam=1``) are among the candidates.

    In this order, each with what was chosen before:

    1. k and tau by the log loss of the votes alone, which tells more from few rows
       than their accuracy;
    2. alpha and ``C`` of the lowest log loss of the base alone among those within one
       standard error of its best score: votes are mixed with its probabilities, which
       say little where ``C`` is so small that all are alike;
    3. lambda, the share of the votes, by the score of the mixture. The luckiest of
       many shares is not the best one, so ``"best"`` takes the share to expect: see
       ``selection``.

    Parameters
    ----------
    n_neighbors : int, "mean" or list of them, default=(1, 2, 4, 8, 16, 32, 64)
        Voting rows k to choose from. Those above half the training rows are left out
        if there are smaller ones.
    tau : float, "scale" or list of them, default=(0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
        Temperatures of the votes to choose from (R, Eq. 1).
    alpha : float or list of float, default=(0,)
        Strengths of the weights of hard rows to choose from (R, Eq. 4; Table 4 tries
        0.0001 to 0.01). The default leaves the base unweighted: on photo sets no
        strength won reliably, and each costs as many fits as there are values of
        ``C``.
    C : "auto", None, float or list of float, default="auto"
        Inverse strengths of the base's L2 penalty to choose from. ``"auto"`` tries 1,
        4, 16, 64, 256 and 1024 over the variance of the rows, summed over columns, so
        that it means the same whatever their scale. With ``estimator``, of its own
        ``C`` or that of its last step, if it has one; None leaves that alone.
    lam : "path", float or list of float, default="path"
        Shares of the votes to choose from (R, Eq. 5). ``"path"``: 0, 0.02, ..., 1.
    cv : int, splitter, iterable or None, default=5
        As in :class:`~sklearn.model_selection.GridSearchCV`: a number means stratified
        folds, in the order of the rows; None means 5. A number larger than the largest
        class is reduced to its size.
    scoring : str, callable or None, default="accuracy"
        What alpha, ``C`` and lambda are chosen by; None is accuracy. With
        ``"neg_log_loss"`` votes get a larger share, and probabilities are better.
    selection : {"best", "one-se"}, default="best"
        ``"best"``: the mean of all shares, each by how likely it is to be the best one
        (its score behind the best, in standard errors over the splits) times
        ``(1 - lam) ** 5``; rounded down to a share that is better than BASE by half a
        standard error, or to BASE. ``"one-se"``: the mildest weights, then the least
        share within one standard error of the best, often 0.
    estimator : classifier or None, default=None
        Base; see :class:`JointKNNClassifier`.
    class_weight : "balanced", dict or None, default=None
        Class weights of the default base.
    knn_transformer : transformer or None, default=None
        Applied to ``X`` for the votes alone, fitted anew on each split; see
        :class:`JointKNNClassifier`.
    modulation : {"nll", "focal"} or callable, default="nll"
        How weights follow from leave-one-out votes; ``"nll"`` with ``alpha=0`` means
        none at all. See :class:`JointKNNClassifier`.
    gamma : float, default=2.0
        Exponent of ``"focal"``.
    metric : {"sqeuclidean", "euclidean", "cosine"}, default="sqeuclidean"
        Distance in the votes.
    preprocessing : {"center-l2", "l2-center", "l2"} or None, default="center-l2"
        Of rows before distances are taken; the base sees ``X`` as given.
    algorithm : str or object, default="auto"
        Search engine; see :class:`SoftKNNClassifier`.
    device : None, str or torch.device, default=None
        See :class:`JointKNNClassifier`.
    n_jobs : int or None, default=None
        Worker processes over splits.
    random_state : int, RandomState instance or None, default=None
        When given, sets every ``random_state`` parameter of ``estimator``. Splits
        follow from ``cv`` alone.
    verbose : int, default=0
        As in :class:`NeighborSearchCV`.

    Attributes
    ----------
    best_estimator_ : JointKNNClassifier
        With the chosen parameters, fitted on all rows.
    best_params_ : dict
        Those parameters, by the names of :class:`JointKNNClassifier`.
    best_score_ : float
        Mean score of the chosen point over the splits.
    best_index_ : int
        Its place in ``cv_results_``.
    cv_results_ : dict of ndarrays
        The points that were evaluated, as in ``GridSearchCV`` with two scores:
        ``mean_test_score`` (``scoring``) and ``mean_test_neg_log_loss``. ``stage`` says
        what of (``"knn"``, ``"base"``, ``"joint"``); parameters of later stages are
        masked.
    n_splits_ : int
        Number of splits.
    refit_time_ : float
        Seconds of the last fit.
    scorer_ : callable
        What ``scoring`` means.
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted.
    knn_, estimator_, knn_transformer_, knn_proba_, modulation_, sample_weight_ : object
        Those of ``best_estimator_``, whose ``partial_fit`` and ``remove`` may have
        changed them.
    n_features_in_ : int
        Number of columns seen in ``fit``, where ``X`` has columns.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, when ``fit`` saw string names.

    See Also
    --------
    JointKNNClassifier : The same with given parameters.
    NeighborSearchCV : Any grid over any of this package's classifiers.

    Notes
    -----
    A logistic regression is fitted once for each value of ``C`` and alpha and each
    split, and no more for k, tau and lambda: 31 fits with the defaults. float32 rows
    halve their time.

    Photos of one burst belong in one fold and say nothing about each other: pass
    ``groups`` to ``fit`` and a :class:`~sklearn.model_selection.StratifiedGroupKFold`
    as ``cv``.

    What the rules give on photos, and what else was tried, is in the documentation
    under "Does it help?".

    References
    ----------
    .. [1] M. Jia, B.-C. Chen, Z. Wu, C. Cardie, S. Belongie, S.-N. Lim, "Rethinking
       Nearest Neighbors for Visual Classification", 2021,
       https://arxiv.org/abs/2112.08459, cited as R.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skknn import JointKNNClassifierCV
    >>> X, y = load_digits(return_X_y=True)
    >>> joint = JointKNNClassifierCV(cv=3).fit(X[:600] / 16, y[:600])
    >>> sorted(joint.best_params_)
    ['C', 'alpha', 'lam', 'n_neighbors', 'tau']
    >>> joint.score(X[600:] / 16, y[600:]) > 0.9
    True
    """

    _parameter_constraints = {
        "n_neighbors": [*_VALUES, StrOptions({"mean"})],
        "tau": [*_VALUES, StrOptions({"scale"})],
        "alpha": _VALUES,
        "C": [*_VALUES, StrOptions({"auto"}), None],
        "lam": [*_VALUES, StrOptions({"path"})],
        "cv": ["cv_object"],
        "scoring": [StrOptions(set(get_scorer_names())), callable, None],
        "selection": [StrOptions({"best", "one-se"})],
        **{
            name: JointKNNClassifier._parameter_constraints[name] for name in _PASSED_ON
        },
        "n_jobs": N_JOBS,
        "verbose": ["verbose"],
    }
    _param_aliases = JOINT_ALIASES
    _param_remedies = JOINT_CV_REMEDIES

    classes_ = _of_best("classes_")
    knn_ = _of_best("knn_")
    estimator_ = _of_best("estimator_")
    knn_transformer_ = _of_best("knn_transformer_")
    knn_proba_ = _of_best("knn_proba_")
    modulation_ = _of_best("modulation_")
    sample_weight_ = _of_best("sample_weight_")

    def __init__(
        self,
        *,
        n_neighbors: Any = (1, 2, 4, 8, 16, 32, 64),
        tau: Any = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5),
        alpha: Any = (0,),
        C: Any = "auto",
        lam: Any = "path",
        cv: Any = 5,
        scoring: Any = "accuracy",
        selection: str = "best",
        estimator: Any = None,
        class_weight: Any = None,
        knn_transformer: Any = None,
        modulation: Any = "nll",
        gamma: float = 2.0,
        metric: str = "sqeuclidean",
        preprocessing: str | None = "center-l2",
        algorithm: Any = "auto",
        device: Any = None,
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.tau = tau
        self.alpha = alpha
        self.C = C
        self.lam = lam
        self.cv = cv
        self.scoring = scoring
        self.selection = selection
        self.estimator = estimator
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
        self.verbose = verbose

    # estimator and knn_transformer come from the user: their fits must validate.
    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: ArrayLike, y: ArrayLike, **params: Any) -> Self:
        """Choose the parameters, then fit a :class:`JointKNNClassifier` with them.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows. Data frames reach ``estimator`` and ``knn_transformer``
            as they are.
        y : array-like of shape (n_samples,)
            Class labels.
        **params : dict
            ``groups`` of shape (n_samples,) for the splitter, for leaving rows out
            and for ``knn_transformer``, as in :meth:`JointKNNClassifier.fit`; with
            metadata routing what splitter and scorer request, too.

        Returns
        -------
        self : JointKNNClassifierCV

        Raises
        ------
        ValueError
            For what :class:`JointKNNClassifier` refuses, on any split; for a parameter
            without a value to try; for fewer rows than it takes to split them.
        """
        y = check_training(self, X, y)
        joint = JointKNNClassifier(**{name: getattr(self, name) for name in _PASSED_ON})
        scorer = check_scoring(joint, self.scoring or "accuracy")
        splits, score_params, groups = routed_splits(self, X, y, params)
        found = find_parameters(
            joint,
            joint_grid(self, X, y),
            X,
            y,
            splits=splits,
            scorer=scorer,
            choice=JointChoice(self.selection),
            score_params=score_params,
            groups=groups,
            n_jobs=self.n_jobs,
            verbose=self.verbose,
        )
        best, table = found.best_estimator, found.table
        kept = {name: v for name, v in vars(self).items() if not name.endswith("_")}
        seen = {name: getattr(best, name) for name in _SEEN if hasattr(best, name)}
        # All at once: a fit that was interrupted leaves what was there before.
        self.__dict__ = {
            **kept,
            **seen,
            "best_estimator_": best,
            "best_params_": found.best_params,
            "best_score_": table["mean_test_score"][found.best_index],
            "best_index_": found.best_index,
            "cv_results_": table,
            "n_splits_": len(splits),
            "refit_time_": found.refit_time,
            "scorer_": scorer,
        }
        return self

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Most probable class of the mixture; a tie goes to the class sorted first.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features)

        Returns
        -------
        ndarray of shape (n_queries,)
        """
        return self._fitted().predict(X)

    def predict_proba(self, X: ArrayLike) -> NDArray[Any]:
        """Class probabilities of the mixture.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features)

        Returns
        -------
        ndarray of shape (n_queries, n_classes), float64
            Rows sum to 1; columns in the order of ``classes_``. float32 where ``lam=0``
            was chosen and the base gives that.
        """
        return self._fitted().predict_proba(X)

    def predict_log_proba(self, X: ArrayLike) -> NDArray[Any]:
        """Logarithm of :meth:`predict_proba`.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features)

        Returns
        -------
        ndarray of shape (n_queries, n_classes), float64
        """
        return self._fitted().predict_log_proba(X)

    def score(self, X: ArrayLike, y: ArrayLike, **params: Any) -> float:
        """Score of the predictions by ``scoring``.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features)
        y : array-like of shape (n_queries,)
            True labels.
        **params : dict
            What the scorer requests, for example ``sample_weight``.

        Returns
        -------
        float
        """
        return float(self.scorer_(self._fitted(), X, y, **params))

    def get_metadata_routing(self) -> MetadataRouter:
        """Who wants which metadata: classifier, splitter and scorer in ``fit``.

        Returns
        -------
        MetadataRouter
        """
        return joint_router(self)

    def _fitted(self) -> JointKNNClassifier:
        check_is_fitted(self)
        return self.best_estimator_
