"""The only imports of scikit-learn's private names.

A change there is mended in this file.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy
from sklearn.base import _fit_context as fit_context
from sklearn.metrics import _classification
from sklearn.model_selection._search import BaseSearchCV
from sklearn.model_selection._validation import (
    _insert_error_scores as insert_error_scores,
)
from sklearn.model_selection._validation import _score as score
from sklearn.model_selection._validation import (
    _warn_or_raise_about_fit_failures as report_fit_failures,
)
from sklearn.utils import _safe_indexing as safe_indexing
from sklearn.utils._param_validation import (
    HasMethods,
    Hidden,
    Interval,
    InvalidParameterError,
    Options,
    StrOptions,
)
from sklearn.utils.metaestimators import _safe_split as safe_split
from sklearn.utils.validation import (
    _check_feature_names_in as check_feature_names_in,
)
from sklearn.utils.validation import _check_method_params as check_method_params

__all__ = [
    "BaseSearchCV",
    "HasMethods",
    "Hidden",
    "Interval",
    "InvalidParameterError",
    "Options",
    "StrOptions",
    "check_feature_names_in",
    "check_method_params",
    "fit_context",
    "insert_error_scores",
    "log_in_scores",
    "report_fit_failures",
    "safe_indexing",
    "safe_split",
    "score",
]


def log_in_scores(proba: NDArray[Any]) -> NDArray[Any]:
    """Natural logarithms as scikit-learn's log loss takes them, to the last bit.

    Those of scipy differ from numpy's there, and releases that use them take those of
    float32 probabilities in float64.

    Parameters
    ----------
    proba : ndarray
        Above 0.

    Returns
    -------
    ndarray
    """
    if hasattr(_classification, "_xlogy"):
        return np.log(proba)
    return xlogy(np.ones(proba.shape, dtype=np.int64), proba)
