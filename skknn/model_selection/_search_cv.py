"""NeighborSearchCV: GridSearchCV that searches neighbours once for a whole grid."""

import time
import warnings
from numbers import Integral, Real

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import get_scorer_names
from sklearn.model_selection import ParameterGrid, check_cv
from sklearn.utils import column_or_1d, get_tags, indexable
from sklearn.utils.multiclass import check_classification_targets

from ..classifiers import SoftKNNClassifier
from ..classifiers._validation import validate_rows
from ..utils._sklearn import (
    BaseSearchCV,
    HasMethods,
    StrOptions,
    check_method_params,
    fit_context,
)
from ._candidates import make_candidates, role, split_pipeline
from ._run import GridRun
from ._scoring import KINDS, scorer_kinds
from ._split import Task
from ._stages import Stages


class NeighborSearchCV(BaseSearchCV):
    """Grid search for this package's classifiers at the cost of about one fit.

    A drop-in for :class:`~sklearn.model_selection.GridSearchCV`; Notes say where its
    scores are the same to the bit and where they are close.
    On each split it transforms the rows once, searches neighbours once at the largest
    k, takes every k and tau from running sums of votes, fits a base once for each
    different weight vector, and every lambda for nothing.

    Parameters
    ----------
    estimator : classifier or Pipeline
        :class:`SoftKNNClassifier`, :class:`KNNWeightedLogisticRegression` or
        :class:`JointKNNClassifier`, alone or as the last step of (nested) Pipelines.
    param_grid : dict or list of dicts
        As in ``GridSearchCV``, under canonical names or aliases (``k``,
        ``temperature``, ``lambda``). Parameters of earlier steps and of a nested base
        are allowed; what feeds the neighbours is computed once for each of their
        settings. ``"path"`` as the values of lambda, or among them, finds the best
        number from 0 to 1 for each setting of the other parameters.
    scoring : str, callable, list, tuple, dict or None, default=None
        As in ``GridSearchCV``; None is accuracy. Scorers get the true predictions and
        probabilities; one that asks for more makes a fit of its own for each point.
    cv : int, splitter, iterable or "loo", default=None
        As in ``GridSearchCV``, or ``"loo"``: every k and tau of
        :class:`SoftKNNClassifier` by leaving out one row at a time, from one search
        among all rows. See Notes.
    strategy : {"exhaustive", "sequential"}, default="exhaustive"
        ``"exhaustive"`` evaluates every point of the grid. ``"sequential"`` goes in
        R's order: k, tau and whatever else feeds the neighbours by the score of the
        votes alone; with the best of them alpha and whatever else changes the base,
        by the score of the base alone; then lambda.
    refit : bool, str or callable, default=True
        As in ``GridSearchCV``. With ``strategy="sequential"`` a callable chooses in
        every stage and gets the results of that stage.
    n_jobs : int or None, default=None
        Worker processes over splits.
    verbose : int, default=0
        1 reports on each split, 2 on each temperature as well.
    error_score : "raise" or float, default=nan
        As in ``GridSearchCV``: score of points whose fit fails.
    return_train_score : bool, default=False
        Whether to score the training rows too, which takes a search for them.

    Attributes
    ----------
    cv_results_ : dict of ndarrays
        As in ``GridSearchCV``. Times are shared work, divided evenly. A lambda found
        by ``"path"`` stands there as a number. With ``strategy="sequential"`` only
        the points that were evaluated are there, ``stage`` says by what
        (``"knn"``, ``"base"``, ``"joint"``), and parameters of later stages are
        masked.
    best_estimator_ : estimator
        Fitted on all rows, if ``refit``.
    best_params_ : dict
        Of the best point; with ``strategy="sequential"``, of the last stage.
    best_score_ : float
        Its mean score.
    best_index_ : int
        Its place in ``cv_results_``.
    scorer_ : callable or dict
        The scorers.
    n_splits_ : int
        Number of splits; 1 for ``cv="loo"``.
    refit_time_ : float
        Seconds of the last fit, if ``refit``.
    multimetric_ : bool
        Whether there are several scorers.
    classes_ : ndarray of shape (n_classes,)
        Class labels, if ``refit``.
    n_features_in_ : int
        Number of columns seen in ``fit``, if ``refit``.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, if ``refit`` and ``fit`` saw string names.

    See Also
    --------
    sklearn.model_selection.GridSearchCV : Any estimator, one fit a point and split.

    Notes
    -----
    Scores are those of ``GridSearchCV``: bitwise for :class:`SoftKNNClassifier`, and
    for the others as long as a split needs at most 32 fits of bases. Beyond that,
    plain logistic regressions are solved by Newton's method, to the same tolerance,
    from the split's fit without weights. Points that, by the differences seen so far,
    might be the best are then fitted again as ``GridSearchCV`` does, so the selected
    point and its score are those of cold fits. Other points may differ in a few rows
    of all that are held out, and by up to 2e-4 in log loss (``tol=1e-6``). A callable
    ``refit``, and ``refit=False`` with several scorers, give no score to select by and
    make every fit a cold one.

    Memory on top of that for a fit does not depend on the number of points: 9 to 20
    bytes a row of a split and neighbour (the largest k), and about ten tables of held
    out rows times classes. Only ``"path"`` keeps up to 18 bytes a held-out row for
    each setting of the other parameters, 24 with the log loss.

    ``cv="loo"`` gives one score over all rows, where a splitter such as
    ``LeaveOneOut`` would average n scores of one row. Steps before the classifier and
    the mean that it subtracts are those of all rows.

    Approximate engines (``algorithm="hnsw"``, ``"ivf"``) may find other neighbours
    when asked for more of them, so their scores agree only as far as their recall.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skknn import JointKNNClassifier, NeighborSearchCV
    >>> X, y = load_digits(return_X_y=True)
    >>> grid = {"k": [4, 8, 16], "tau": [0.01, 0.1], "lambda": "path"}
    >>> search = NeighborSearchCV(JointKNNClassifier(), grid, cv=3)
    >>> sorted(search.fit(X[:500] / 16, y[:500]).best_params_)
    ['k', 'lambda', 'tau']
    >>> 0 <= search.best_params_["lambda"] <= 1
    True
    """

    _parameter_constraints = {
        "estimator": [HasMethods(["fit"])],
        "param_grid": [dict, list],
        "scoring": [
            StrOptions(set(get_scorer_names())),
            callable,
            list,
            tuple,
            dict,
            None,
        ],
        "cv": ["cv_object", StrOptions({"loo"})],
        "strategy": [StrOptions({"exhaustive", "sequential"})],
        "refit": ["boolean", str, callable],
        "n_jobs": [Integral, None],
        "verbose": ["verbose"],
        "error_score": [StrOptions({"raise"}), Real],
        "return_train_score": ["boolean"],
    }

    def __init__(
        self,
        estimator,
        param_grid,
        *,
        scoring=None,
        cv=None,
        strategy="exhaustive",
        refit=True,
        n_jobs=None,
        verbose=0,
        error_score=np.nan,
        return_train_score=False,
    ):
        self.estimator = estimator
        self.param_grid = param_grid
        self.scoring = scoring
        self.cv = cv
        self.strategy = strategy
        self.refit = refit
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.error_score = error_score
        self.return_train_score = return_train_score

    # The estimator validates its own parameters, point by point.
    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None, **params):
        """Evaluate the grid, then fit the best point on all rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows; or whatever the first step of the Pipeline takes.
        y : array-like of shape (n_samples,)
            Class labels.
        **params : dict
            ``groups`` of shape (n_samples,) for the splitter; with metadata routing
            what splitter and scorers request.

        Returns
        -------
        self : NeighborSearchCV

        Raises
        ------
        ValueError
            If the estimator does not end in a classifier of this package, for
            ``cv="loo"`` with one that has a base, for ``"path"`` with a score other
            than accuracy and log loss, or if every fit failed.
        """
        if y is None:
            raise ValueError(
                "NeighborSearchCV requires y to be passed, but the target y is None. "
                "Pass one class label a row."
            )
        scorers, refit_metric = self._get_scorers()
        X, y = indexable(X, y)
        routed = self._get_routed_params_for_fit(check_method_params(X, params=params))
        if routed.estimator.fit:
            raise ValueError(
                "NeighborSearchCV passes no parameters on to fit, got "
                f"{sorted(routed.estimator.fit)}. Use GridSearchCV."
            )
        candidates = make_candidates(self.estimator, self._settings())
        y = self._check_data(candidates, X, y)
        kinds = scorer_kinds(scorers, self.scoring)
        self._check_candidates(candidates, kinds)
        task = Task(
            estimator=self.estimator,
            X=X,
            y=y,
            scorers=scorers,
            kinds=kinds,
            score_params=routed.scorer.score,
            error_score=self.error_score,
            return_train_score=self.return_train_score,
            leave_one_out=isinstance(self.cv, str),
            verbose=self.verbose,
        )
        splits = self._splits(X, y, routed.splitter.split)
        self.n_splits_ = len(splits)
        run = GridRun(task, splits, self.n_jobs, self._metric(kinds))
        if self.verbose:
            print(f"{len(splits)} splits for each of {len(candidates)} points")
        self._search(candidates, run, refit_metric)
        self._refit(X, y)
        self.scorer_ = getattr(scorers, "_scorers", scorers)
        return self

    def _metric(self, kinds):
        """Name of the score that selects, where there is one."""
        if callable(self.refit):
            return None
        if isinstance(self.refit, str):
            return self.refit
        return None if isinstance(kinds, dict) else "score"

    def _search(self, candidates, run, refit_metric):
        """Set ``cv_results_`` and the best point."""
        if self.strategy == "exhaustive":
            results = run.evaluate(candidates)
            table, best = self._tabulate(candidates, results, refit_metric)
        else:
            stages = Stages(
                self.estimator,
                run,
                lambda *stage: self._tabulate(*stage, refit_metric)[1],
            ).search(candidates)
            candidates, results, best = stages.candidates, stages.results, stages.best
            more = {"stage": stages.names}
            table, _ = self._tabulate(candidates, results, refit_metric, more)
        self.cv_results_ = table
        if best is not None:
            self.best_index_ = best
            self.best_params_ = table["params"][best]
            if not callable(self.refit):
                name = self.refit if self.multimetric_ else "score"
                self.best_score_ = table[f"mean_test_{name}"][best]
        if run.failures_:
            warnings.warn(
                f"{len(run.failures_)} of {run.n_base_fits_} fits of base classifiers "
                f"stopped before they converged (the first: {run.failures_[0]}). Scale "
                "the columns of X, for example with StandardScaler, or raise max_iter "
                "or tol of the base.",
                ConvergenceWarning,
                stacklevel=4,
            )

    def _tabulate(self, candidates, results, refit_metric, more=None):
        """``cv_results_`` of these candidates, and the best of them or None."""
        params = [candidate.params for candidate in candidates]
        table = self._format_results(params, self.n_splits_, results, more)
        first = results[0]["test_scores"]
        self.multimetric_ = isinstance(first, dict)
        if self.multimetric_ and callable(self.scoring):
            # What a callable returns is known only now.
            self._check_refit_for_multimetric(first)
            refit_metric = self.refit
        if self.multimetric_ and not self.refit:
            return table, None
        return table, self._select_best_index(self.refit, refit_metric, table)

    def _refit(self, X, y):
        if not self.refit:
            return
        # The parameters may be estimators, which are not to be fitted in place.
        best = clone(self.estimator).set_params(**clone(self.best_params_, safe=False))
        start = time.time()
        self.best_estimator_ = best.fit(X, y)
        self.refit_time_ = time.time() - start
        if hasattr(best, "feature_names_in_"):
            self.feature_names_in_ = best.feature_names_in_

    def _settings(self):
        """Points of ``param_grid``, with "path" as one value of lambda."""
        split_pipeline(self.estimator)
        grids = self.param_grid
        grids = [grids] if isinstance(grids, dict) else grids
        return ParameterGrid(
            [
                {
                    name: ["path"]
                    if isinstance(values, str)
                    and values == "path"
                    and role(self.estimator, name) == "mixture"
                    else values
                    for name, values in grid.items()
                }
                for grid in grids
            ]
        )

    def _check_data(self, candidates, X, y):
        """Refuse at once what every fit would refuse; return ``y`` with one axis."""
        labels = column_or_1d(y, warn=True)
        check_classification_targets(labels)
        numeric = [
            not candidate.steps
            and getattr(candidate.clf, "knn_transformer", None) is None
            for candidate in candidates
        ]
        if all(numeric):
            validate_rows(clone(candidates[0].clf), X, reset=True)
        return y if np.ndim(y) == 1 else labels

    def _check_candidates(self, candidates, kinds):
        if any(candidate.path for candidate in candidates):
            named = kinds if isinstance(kinds, dict) else {"scoring": kinds}
            other = [name for name, kind in named.items() if kind not in KINDS]
            if other:
                raise ValueError(
                    f"lam='path' is exact for the scores {', '.join(KINDS)}; got "
                    f"scoring={self.scoring!r}. Give a list of numbers instead, for "
                    "example np.linspace(0, 1, 101): they share all fits."
                )
        if isinstance(self.cv, str):
            self._check_leave_one_out(candidates)

    def _check_leave_one_out(self, candidates):
        for candidate in candidates:
            if not isinstance(candidate.clf, SoftKNNClassifier):
                raise ValueError(
                    "cv='loo' needs SoftKNNClassifier; "
                    f"{type(candidate.clf).__name__} would have to fit its base once "
                    "for each row. Use cv=5, or tune k and tau of SoftKNNClassifier "
                    "first."
                )
            for step in candidate.steps:
                if get_tags(step.transformer).target_tags.required:
                    raise ValueError(
                        f"cv='loo' fits {step.transformer!r} on all rows, labels "
                        "included, so no row would be left out. Use cv=5."
                    )

    def _splits(self, X, y, params):
        if isinstance(self.cv, str):
            everything = np.arange(len(y))
            return [(everything, everything)]
        cv = check_cv(self.cv, y, classifier=is_classifier(self.estimator))
        n_splits = cv.get_n_splits(X, y, **params)
        splits = list(cv.split(X, y, **params))
        if len(splits) != n_splits:
            raise ValueError(
                f"cv={self.cv!r} announces {n_splits} splits and gives {len(splits)}. "
                "Use a splitter that does what it says."
            )
        if not splits:
            raise ValueError(f"cv={self.cv!r} gives no splits.")
        return splits
