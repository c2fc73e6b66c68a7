"""Which similarity of positions is meant, and the search that takes it."""

from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._pair_search import PairSearch
from ._search import BankSearch

#: Widths of features, inputs and slopes; None where cosines of rows are meant.
PairWidths = tuple[int, int, int] | None


def resolve_pair_widths(similarity: Any, embedder: Any) -> PairWidths:
    """Return how vectors are features with gradients as pairs, if they are.

    Parameters
    ----------
    similarity : "auto", "cosine" or (int, int, int)
    embedder : fitted transformer or None
        Asked by "auto" for its ``pair_widths_``.

    Raises
    ------
    ValueError
        If widths are none.
    """
    if isinstance(similarity, str):
        return getattr(embedder, "pair_widths_", None) if similarity == "auto" else None
    widths = tuple(similarity)
    if len(widths) != 3 or not all(
        isinstance(w, Integral) and int(w) > 0 for w in widths
    ):
        raise ValueError(
            f"similarity={similarity!r} must be 'auto', 'cosine', or three positive "
            "widths: those of features, inputs and slopes (pair_widths_ of "
            "DenseEmbedder)."
        )
    features, inputs, slopes = (int(width) for width in widths)
    return features, inputs, slopes


def make_search(
    features: NDArray,
    mean: NDArray[np.float64] | None,
    widths: PairWidths,
    algorithm: Any,
    device: Any,
    n_jobs: Any,
) -> BankSearch | PairSearch:
    """Make the search structure of a bank.

    Parameters
    ----------
    features, mean
        As for :class:`BankSearch`.
    widths : (int, int, int) or None
    algorithm, device, n_jobs
        The segmenter's.

    Raises
    ------
    ValueError
        If widths and rows do not fit, or the engine cannot take pairs.
    """
    if widths is None:
        return BankSearch(features, mean, algorithm, device, n_jobs)
    if sum(widths) != features.shape[1]:
        raise ValueError(
            f"similarity={widths} are widths of {sum(widths)} channels together; maps "
            f"have {features.shape[1]}. Pass pair_widths_ of the embedder that made "
            "them."
        )
    if not isinstance(algorithm, str) or algorithm not in ("auto", "brute"):
        raise ValueError(
            f"algorithm={algorithm!r} searches by cosines, not by the similarity of "
            "gradients as pairs. Use 'auto' or 'brute', similarity='cosine', or "
            "gradient_form='projected' in the embedder."
        )
    return PairSearch(features, mean, widths, n_jobs)
