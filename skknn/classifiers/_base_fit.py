"""Fit a base classifier with sample weights, wherever in it they belong."""

import inspect
import warnings
from contextlib import contextmanager

from sklearn import config_context
from sklearn.exceptions import ConvergenceWarning
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


@contextmanager
def convergence_failures():
    """Collect the first line of each ConvergenceWarning instead of showing it.

    Yields
    ------
    list of str
        Filled when the block ends.
    """
    failures = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        yield failures
    for warning in caught:
        if issubclass(warning.category, ConvergenceWarning):
            failures.append(str(warning.message).strip().splitlines()[0].rstrip(":."))
        else:
            warnings.warn_explicit(
                warning.message, warning.category, warning.filename, warning.lineno
            )


def _takes_weights(estimator):
    parameters = inspect.signature(estimator.fit).parameters
    return "sample_weight" in parameters or any(
        p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values()
    )
