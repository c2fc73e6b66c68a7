"""NeighborSearchCV: GridSearchCV that searches neighbours once for a whole grid."""

import time
from numbers import Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import clone
from sklearn.metrics import get_scorer_names
from sklearn.utils import indexable

from ..utils._parameters import N_JOBS, ParamsMixin, canonical_params
from ..utils._sklearn import (
    BaseSearchCV,
    HasMethods,
    StrOptions,
    check_method_params,
    fit_context,
)
from ._candidates import Candidate, make_candidates
from ._fit_groups import groups_of_classifier, params_of_whole
from ._grid_checks import check_data, check_path, grid_points, make_splits
from ._grid_run import GridRun
from ._remedies import SEARCH_REMEDIES
from ._scoring import scorer_kinds
from ._sequential import Stages
from ._settings import forget_modules
from ._split import Result, Task


class NeighborSearchCV(ParamsMixin, BaseSearchCV):
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
        Of the best point, under the names that constructors know (``n_neighbors``,
        where the grid says ``k``: ``cv_results_["params"][best_index_]`` has the
        grid's own); with ``strategy="sequential"``, of the last stage.
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
    of all that are held out, and in log loss (``tol=1e-6``) by up to 1e-3, or 2e-2 with
    float32 rows where heavy weights leave both solvers to rounding: more than in any of
    75 grids over random tables of 20 to 120 rows, ``alpha`` up to 10 and ``C`` up to
    10 (5e-4 and 1e-2). A callable
    ``refit``, and ``refit=False`` with several scorers, give no score to select by and
    make every fit a cold one.

    Memory on top of that for a fit does not depend on the number of points: 9 to 20
    bytes a row of a split and neighbour (the largest k), and about ten tables of held
    out rows times classes. Only ``"path"`` keeps up to 18 bytes a held-out row for
    each setting of the other parameters, 24 with the log loss.

    With ``"path"`` no number is better for accuracy or log loss, up to rounding: the
    log loss of two classes takes ``1 - p`` for the first one, so where p is 1 up to a
    few times 1e-16 it moves in steps, and a grid may be luckier by one of them.

    ``cv="loo"`` gives one score over all rows, where a splitter such as
    ``LeaveOneOut`` would average n scores of one row. Steps before the classifier and
    the mean that it subtracts are those of all rows.

    Approximate engines (``algorithm="hnsw"``, ``"ivf"``) may find other neighbours
    when asked for more of them, so their scores agree only as far as their recall.

    References
    ----------
    .. [1] M. Jia, B.-C. Chen, Z. Wu, C. Cardie, S. Belongie, S.-N. Lim, "Rethinking
       Nearest Neighbors for Visual Classification", 2021,
       https://arxiv.org/abs/2112.08459, cited as R.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skknn import JointKNNClassifier, NeighborSearchCV
    >>> X, y = load_digits(return_X_y=True)
    >>> grid = {"k": [4, 8, 16], "tau": [0.01, 0.1], "lambda": "path"}
    >>> search = NeighborSearchCV(JointKNNClassifier(), grid, cv=3)
    >>> sorted(search.fit(X[:500] / 16, y[:500]).best_params_)
    ['lam', 'n_neighbors', 'tau']
    >>> 0 <= search.best_params_["lam"] <= 1
    True
    """

    _param_remedies = SEARCH_REMEDIES
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
        "n_jobs": N_JOBS,
        "verbose": ["verbose"],
        "error_score": [StrOptions({"raise"}), Real],
        "return_train_score": ["boolean"],
    }

    def __init__(
        self,
        estimator: Any,
        param_grid: Any,
        *,
        scoring: Any = None,
        cv: Any = None,
        strategy: str = "exhaustive",
        refit: Any = True,
        n_jobs: int | None = None,
        verbose: int = 0,
        error_score: Any = np.nan,
        return_train_score: bool = False,
    ) -> None:
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
    def fit(self, X: ArrayLike, y: ArrayLike | None = None, **params: Any) -> Self:
        """Evaluate the grid, then fit the best point on all rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows; or whatever the first step of the Pipeline takes.
        y : array-like of shape (n_samples,)
            Class labels.
        **params : dict
            ``groups`` of shape (n_samples,): for the splitter, as in GridSearchCV;
            for ``cv="loo"`` rows of one group are left out together. With metadata
            routing what splitter, scorers and, by ``set_fit_request(groups=True)``,
            classifier and steps request.

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
        groups = self._groups_to_leave_out(routed)
        forget_modules()
        points = grid_points(self.estimator, self.param_grid)
        candidates = make_candidates(self.estimator, points)
        y = check_data(candidates, X, y)
        kinds = scorer_kinds(scorers, self.scoring)
        check_path(candidates, kinds, self.scoring)
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
            groups=groups,
            fit_params=dict(routed.estimator.fit),
        )
        splits = make_splits(
            self.cv, self.estimator, candidates, X, y, routed.splitter.split
        )
        run = GridRun(task, splits, self.n_jobs, self._metric(kinds))
        if self.verbose:
            print(f"{len(splits)} splits for each of {len(candidates)} points")
        fitted = {
            "n_splits_": len(splits),
            "scorer_": getattr(scorers, "_scorers", scorers),
            **self._search(candidates, run, refit_metric),
        }
        run.warn_not_converged()
        if self.refit:
            fitted |= self._fit_best(task, fitted["best_params_"])
        # All at once: a search that was interrupted leaves what was there before.
        kept = {name: v for name, v in vars(self).items() if not name.endswith("_")}
        self.__dict__ = {**kept, **fitted}
        return self

    def _groups_to_leave_out(self, routed: Any) -> Any:
        return groups_of_classifier(self.estimator, self.cv, routed)

    def _metric(self, kinds: Any) -> str | None:
        """Name of the score that selects, where there is one."""
        if callable(self.refit):
            return None
        if isinstance(self.refit, str):
            return self.refit
        return None if isinstance(kinds, dict) else "score"

    def _search(
        self, candidates: list[Candidate], run: GridRun, refit_metric: Any
    ) -> dict[str, Any]:
        """``cv_results_`` and what follows from them."""
        n_splits = len(run.splits)
        if self.strategy == "exhaustive":
            results = run.evaluate(candidates)
            table, best = self._tabulate(candidates, results, n_splits, refit_metric)
        else:
            stages = Stages(
                self.estimator,
                run,
                lambda candidates, results: self._tabulate(
                    candidates, results, n_splits, refit_metric
                )[1],
            ).search(candidates)
            results, best = stages.results, stages.best
            more = {"stage": stages.names}
            table, _ = self._tabulate(
                stages.candidates, results, n_splits, refit_metric, more
            )
        several = isinstance(results[0]["test_scores"], dict)
        found = {"cv_results_": table, "multimetric_": several}
        if best is None:
            return found
        params = canonical_params(self.estimator, table["params"][best])
        found |= {"best_index_": best, "best_params_": params}
        if not callable(self.refit):
            name = self.refit if several else "score"
            found["best_score_"] = table[f"mean_test_{name}"][best]
        return found

    def _tabulate(
        self,
        candidates: list[Candidate],
        results: list[Result],
        n_splits: int,
        refit_metric: Any,
        more: dict[str, list[str]] | None = None,
    ) -> tuple[dict[str, Any], Any]:
        """``cv_results_`` of these candidates, and the best of them or None."""
        params = [candidate.params for candidate in candidates]
        table = self._format_results(params, n_splits, results, more)
        first = results[0]["test_scores"]
        several = isinstance(first, dict)
        if several and callable(self.scoring):
            # What a callable returns is known only now.
            self._check_refit_for_multimetric(first)
            refit_metric = self.refit
        if several and not self.refit:
            return table, None
        return table, self._select_best_index(self.refit, refit_metric, table)

    def _fit_best(self, task: Task, params: dict[str, Any]) -> dict[str, Any]:
        # The parameters may be estimators, which are not to be fitted in place.
        best = clone(self.estimator).set_params(**clone(params, safe=False))
        of_fit = params_of_whole(best, task.groups, task.fit_params)
        start = time.time()
        best.fit(task.X, task.y, **of_fit)
        fitted = {"best_estimator_": best, "refit_time_": time.time() - start}
        if hasattr(best, "feature_names_in_"):
            fitted["feature_names_in_"] = best.feature_names_in_
        return fitted
