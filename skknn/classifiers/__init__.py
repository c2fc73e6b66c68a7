"""R: soft kNN votes, the weighted base classifier and their mixture."""

from ._joint import JointKNNClassifier
from ._soft_knn import SoftKNNClassifier
from ._weighted_logistic import KNNWeightedLogisticRegression

__all__ = [
    "JointKNNClassifier",
    "KNNWeightedLogisticRegression",
    "SoftKNNClassifier",
]
