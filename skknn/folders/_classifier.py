"""The classifier of photos."""

from typing import Any

from ..features import BlockWeights, FungiTransformer
from ..model_selection import JointKNNClassifierCV


def make_classifier(
    embedder: Any, *, cv: Any, n_jobs: int | None, random_state: int
) -> JointKNNClassifierCV:
    """Make the classifier of an embedder's rows, unfitted.

    Blocks of gradient features are weighed for the votes; the base weighs columns by
    itself.
    """
    blocks = isinstance(embedder, FungiTransformer) and embedder.n_components is None
    weighed = BlockWeights(blocks=embedder.feature_slices_) if blocks else None
    return JointKNNClassifierCV(
        knn_transformer=weighed, cv=cv, n_jobs=n_jobs, random_state=random_state
    )
