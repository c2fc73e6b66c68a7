"""The linear layer on top of the backbone, asked for probabilities."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax


def head_proba(head: Any, features: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return class probabilities of a linear layer, a row by itself.

    Parameters
    ----------
    head : torch.nn.Linear
    features : ndarray of shape (n, n_features), float32

    Returns
    -------
    ndarray of shape (n, n_classes), float64
        In float64 by numpy's own loops, which take each row alone: products of a
        matrix library may round otherwise when other rows come along.
    """
    weight = head.weight.detach().cpu().double().numpy()
    bias = head.bias.detach().cpu().double().numpy()
    logits = np.einsum("nd,cd->nc", features.astype(np.float64), weight) + bias
    return softmax(logits, axis=1)
