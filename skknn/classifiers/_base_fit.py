"""Fit a base classifier with sample weights, wherever in it they belong."""

import inspect

from sklearn import config_context
from sklearn.pipeline import Pipeline


def fit_weighted(estimator, X, y, sample_weight):
    """Fit ``estimator`` in place; weights go to the last step of Pipelines.

    Parameters
    ----------
    estimator : classifier
    X : array-like of shape (n_samples, n_features)
    y : array-like of shape (n_samples,)
    sample_weight : ndarray of shape (n_samples,) or None
        None fits without weights.

    Returns
    -------
    estimator

    Raises
    ------
    ValueError
        If there are weights and the classifier takes none.
    """
    if sample_weight is None:
        return estimator.fit(X, y)
    path, last = [], estimator
    while isinstance(last, Pipeline):
        name, last = last.steps[-1]
        path.append(name)
    if not _takes_weights(last):
        raise ValueError(
            f"estimator={last!r} takes no sample_weight in fit, so training rows "
            "cannot be weighted. Use alpha=0 with modulation='nll', or a classifier "
            "with sample weights such as LogisticRegression or MLPClassifier."
        )
    key = "__".join([*path, "sample_weight"])
    if not path:
        return estimator.fit(X, y, sample_weight=sample_weight)
    # The weights are ours, so the step they belong to is known without routing.
    with config_context(enable_metadata_routing=False):
        return estimator.fit(X, y, **{key: sample_weight})


def _takes_weights(estimator):
    parameters = inspect.signature(estimator.fit).parameters
    return "sample_weight" in parameters or any(
        p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values()
    )
