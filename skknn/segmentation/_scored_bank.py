"""How good a filled bank is: its search, and its label maps against masks."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._bank_estimator import BankEstimator, check_as_many
from ._enlarge import enlarged_argmax
from ._inputs import entry, feature_maps
from ._masks import read_labels
from ._scores import Scores
from ._settings import checked_k, checked_list, checked_tau
from ._votes import walk_settings


class ScoredBank(BankEstimator):
    """A bank that is asked about images whose answers are known.

    Label maps are compared at the size of the masks, and many settings of the votes
    share one search.
    """

    tau: float

    def recall(self) -> float:
        """Share of the nearest rows that the search finds; 1 for exact engines.

        Measured with rows of the bank.

        Returns
        -------
        float
        """
        now = self._as_it_is()
        return now._search.recall(now._n_voting(now.n_neighbors))

    def score(self, images: Any, masks: Any) -> float:
        """Mean intersection over union at the size of the masks.

        Over classes that are in truth or predictions, void excluded, from the pixels
        of all images together. Labels that were not in ``fit`` count, with 0.

        Parameters
        ----------
        images, masks : as for :meth:`fit`

        Returns
        -------
        float
        """
        settings = [self.n_neighbors], [self.tau]
        return float(self.grid_scores(images, masks, *settings)[0, 0])

    def grid_scores(
        self,
        images: Any,
        masks: Any,
        n_neighbors: Sequence[int] = (10, 20, 30, 60, 90),
        tau: Sequence[float] = (0.01, 0.02, 0.05, 0.1),
    ) -> NDArray[np.float64]:
        """:meth:`score` for several settings, from one search.

        On held-out images this says which to take: ``set_params`` acts without
        another ``fit``.

        Parameters
        ----------
        images, masks : as for :meth:`fit`
        n_neighbors : sequence of int
        tau : sequence of float

        Returns
        -------
        scores : ndarray of shape (len(n_neighbors), len(tau))

        Raises
        ------
        ValueError
            If a value is not allowed for its parameter, there is none, or a mask will
            not do.
        """
        now = self._as_it_is()
        check_as_many(images, masks)
        ks = [now._n_voting(k) for k in checked_list(n_neighbors, "n_neighbors")]
        taus = [checked_tau(t) for t in checked_list(tau, "tau")]
        scores = Scores(now.classes_, now.ignore_index, (len(ks), len(taus)))
        for number, (found, size) in enumerate(now._maps(images)):
            mask = read_labels(entry(masks, number), number, now.ignore_index, size)
            truth = scores.truth(mask)
            near = now._search.kneighbors(found, max(ks))
            for i, j, votes in walk_settings(*near, now.bank_.labels, ks, taus):
                proba = votes.reshape(*found.shape[:2], -1)
                scores.update(i, j, truth, enlarged_argmax(proba, mask.shape))
        return scores.mean_iou()

    def _n_voting(self, n_neighbors: int) -> int:
        return min(checked_k(n_neighbors), len(self.bank_))

    def _maps(self, images: Any) -> Iterator[tuple[NDArray, Any]]:
        return feature_maps(images, self.embedder_, self.n_features_in_)
