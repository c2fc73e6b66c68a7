"""The leave-one-out kNN that tells which training rows are hard."""

from ._modulation import row_modulation, row_weights
from ._soft_knn import SoftKNNClassifier


class GuideMixin:
    """Shared by the classifiers with ``alpha``, ``modulation`` and ``gamma``."""

    def _fit_guide(self, X, y):
        """Set the attributes over hard rows; return the fitted kNN."""
        guide = SoftKNNClassifier(
            self.n_neighbors,
            tau=self.tau,
            metric=self.metric,
            preprocessing=self.preprocessing,
            algorithm=self.algorithm,
            device=self.device,
            n_jobs=self.n_jobs,
        ).fit(X, y)
        self.knn_proba_ = guide._leave_one_out_proba()
        self.modulation_ = row_modulation(self.knn_proba_, self.modulation, self.gamma)
        self.sample_weight_ = row_weights(self.modulation_, self.modulation, self.alpha)
        return guide

    def _base_weights(self):
        """Weights for the base; None, so a fit without any, where alpha is 0."""
        if self.modulation == "nll" and self.alpha == 0:
            return None
        return self.sample_weight_
