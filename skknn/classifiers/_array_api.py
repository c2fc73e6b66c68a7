"""Logistic regression on an accelerator, by scikit-learn's array API.

scikit-learn's solver L-BFGS computes with torch tensors where the user has switched
``array_api_dispatch`` on. What is fitted holds numpy arrays again, so pickles need no
accelerator and predictions are made as ever.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import config_context, get_config
from sklearn.linear_model import LogisticRegression
from sklearn.utils import get_tags

from ..utils._device import resolve_device
from ..utils._out_of_memory import is_out_of_memory, release_memory
from ..utils._precision import exact_float32
from ..utils._warn import warn

# The solver needs float64, which MPS has not, and gains nothing on a CPU.
_WITHOUT_GAIN = ("cpu", "mps")


def array_api_device(base: Any, X: Any, device: Any) -> Any:
    """The accelerator to fit a base on.

    Parameters
    ----------
    base : classifier
        Unfitted.
    X : array-like of shape (n_samples, n_features)
        As the base sees it.
    device : None, str or torch.device
        The parameter of the classifier: None takes CUDA if there is one.

    Returns
    -------
    torch.device or None
        None unless ``array_api_dispatch`` is on, the device is an accelerator, and the
        base a logistic regression that scikit-learn can fit there on this array.
    """
    if not get_config()["array_api_dispatch"] or type(base) is not LogisticRegression:
        return None
    if not getattr(get_tags(base), "array_api_support", False):
        return None
    # Of a data frame the base keeps the names of the columns.
    if not isinstance(X, np.ndarray) or X.dtype not in (np.float32, np.float64):
        return None
    found = resolve_device(device)
    return None if found.type in _WITHOUT_GAIN else found


def fit_on_device(
    base: Any,
    X: NDArray[np.floating],
    y: NDArray[Any],
    sample_weight: NDArray[np.float64] | None,
    device: Any,
) -> bool:
    """Fit a logistic regression in place by torch.

    Memory on the device: the rows, and five or so tables of rows times classes.

    Parameters
    ----------
    base : LogisticRegression
    X : ndarray of shape (n_samples, n_features), float32 or float64
    y : ndarray of shape (n_samples,)
    sample_weight : ndarray of shape (n_samples,) or None
    device : torch.device

    Returns
    -------
    bool
        False, with a warning, if the device's memory does not suffice.
    """
    import torch

    moved = weights = None
    try:
        # Arrays that may not be written to, like mapped files, make torch warn.
        moved = torch.tensor(X, device=device)
        # Weights in the dtype of the rows, as scikit-learn takes them.
        if sample_weight is not None:
            weights = torch.tensor(sample_weight.astype(X.dtype), device=device)
        with config_context(array_api_dispatch=True), exact_float32():
            base.fit(moved, y, sample_weight=weights)
        fits = True
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        fits = False
    # Past the error, whose traceback holds what was computed.
    moved = weights = None
    if not fits:
        release_memory()
        warn(
            f"The logistic regression of {len(X)} rows does not fit into the "
            f"memory of {device}; it is fitted on the CPU. Use float32 rows, or fewer, "
            "or switch array_api_dispatch off."
        )
        return False
    for name, value in vars(base).items():
        if isinstance(value, torch.Tensor):
            setattr(base, name, np.ascontiguousarray(value.cpu().numpy()))
    return True
