"""The leave-one-out kNN that tells which training rows are hard."""

import warnings

from sklearn.exceptions import ConvergenceWarning

from ._base_fit import convergence_failures, fit_weighted
from ._modulation import row_modulation, row_weights
from ._soft_knn import SoftKNNClassifier
from ._validation import validate_rows, validate_target


class GuideMixin:
    """Shared by the classifiers with ``alpha``, ``modulation`` and ``gamma``.

    ``fit`` is :meth:`_fit_inputs`, :meth:`_fit_guide` and :meth:`_fit_base`. The
    parts are apart because a search over parameters shares the first two.
    """

    def _validate_rows(self, X, reset=False):
        return validate_rows(self, X, reset=reset)

    def _fit_inputs(self, X, y):
        """Check ``X`` and ``y``; what base and kNN see of ``X``; ``y`` as an array."""
        rows = self._validate_rows(X, reset=True)
        y = validate_target(self, X if rows is None else rows, y)
        self._fit_knn_transformer(X, y)
        return self._base_input(X, rows), self._knn_input(X, rows), y

    def _fit_knn_transformer(self, X, y):
        pass

    def _base_input(self, X, rows):
        return rows

    def _knn_input(self, X, rows):
        return rows

    def _make_guide(self):
        return SoftKNNClassifier(
            self.n_neighbors,
            tau=self.tau,
            metric=self.metric,
            preprocessing=self.preprocessing,
            algorithm=self.algorithm,
            device=self.device,
            n_jobs=self.n_jobs,
        )

    def _fit_guide(self, X, y):
        """Set the attributes over hard rows; return the fitted kNN."""
        guide = self._make_guide().fit(X, y)
        self._weigh_rows(guide._leave_one_out_proba())
        return guide

    def _weigh_rows(self, proba):
        self.knn_proba_ = proba
        self.modulation_ = row_modulation(proba, self.modulation, self.gamma)
        self.sample_weight_ = row_weights(self.modulation_, self.modulation, self.alpha)

    def _is_weighted(self):
        return not (self.modulation == "nll" and self.alpha == 0)

    def _base_weights(self):
        """Weights for the base; None, so a fit without any, where alpha is 0."""
        return self.sample_weight_ if self._is_weighted() else None

    def _fit_base(self, X, y):
        """Fit the base with the weights; report at most once that it did not end."""
        base = self._make_base()
        with convergence_failures() as failures:
            fit_weighted(base, X, y, self._base_weights())
        if failures:
            warnings.warn(
                f"{type(self).__name__}: {base!r} stopped before it converged "
                f"({failures[0]}). {self._convergence_remedy()}",
                ConvergenceWarning,
                stacklevel=4,  # past fit and its decorator, to the caller
            )
        return base
