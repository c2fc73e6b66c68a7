"""The training rows as the network sees them now, and what they weigh (R, A.5)."""

import time
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from ..classifiers import SoftKNNClassifier, weigh_rows
from ..classifiers._labelled_index import own_class_votes
from ..classifiers._modulation import RowWeights
from ..features._backbone_loader import BackboneLoader
from ..features._work import EmbeddingWork
from ..modalities import ItemSource


def embed(
    loader: BackboneLoader, items: ItemSource, n_threads: int
) -> NDArray[np.float32]:
    """Return the features of images, as :class:`BackboneEmbedder` takes them.

    Parameters
    ----------
    loader : BackboneLoader
    items : ItemSource
    n_threads : int

    Returns
    -------
    ndarray of shape (n, n_features), float32
    """
    work = EmbeddingWork(loader, batch_size="auto", memory=None, on_error="raise")
    return work(items, n_threads).values


class Bank:
    """Features of the training rows, the votes among them, the weights from these.

    Parameters
    ----------
    loader : BackboneLoader
        Of the network that learns.
    items : ItemSource
    y : ndarray of shape (n,)
        Class labels.
    knn : SoftKNNClassifier
        Unfitted.
    alpha : float
        Strength of the modulation (R, Eq. 4).
    n_threads : int

    Attributes
    ----------
    knn : SoftKNNClassifier or None
        Fitted on the features of the last :meth:`refresh`.
    seconds : float
        That it took.
    """

    def __init__(
        self,
        loader: BackboneLoader,
        items: ItemSource,
        y: NDArray[Any],
        *,
        knn: SoftKNNClassifier,
        alpha: float,
        n_threads: int,
    ) -> None:
        self._loader, self._items, self._y = loader, items, y
        self._unfitted, self._alpha, self._n_threads = knn, alpha, n_threads
        self._warned = False
        self.knn: SoftKNNClassifier | None = None
        self.seconds = 0.0

    def refresh(self) -> None:
        """Embed the rows with the network as it is now; it has to be at rest."""
        start = time.perf_counter()
        features = embed(self._loader, self._items, self._n_threads)
        n_bad = int((~np.isfinite(features)).any(axis=1).sum())
        if n_bad:
            raise FloatingPointError(
                f"The backbone gives features that are not finite for {n_bad} of "
                f"{len(features)} training rows. Use a smaller learning_rate, more "
                "warmup_epochs or precision='float32'."
            )
        self.knn = clone(self._unfitted).fit(features, self._y)
        self.seconds = time.perf_counter() - start

    def own_proba(self) -> NDArray[np.float64]:
        """Return what the other rows' votes give to each row's class (n,)."""
        assert self.knn is not None
        knn = self.knn
        return own_class_votes(knn.index_, knn.n_neighbors_, knn.tau_)

    def weights(self) -> RowWeights:
        """Weigh each training row by the votes of the others (R, Eq. 3 and 4)."""
        proba = self.own_proba()
        with warnings.catch_warnings():
            if self._warned:  # once a fit, not once an epoch
                warnings.simplefilter("ignore", UserWarning)
            self._warned = True
            return weigh_rows(proba, modulation="nll", gamma=2.0, alpha=self._alpha)
