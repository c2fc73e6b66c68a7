"""Rows of features of the photos that can be read."""

import copy
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..datasets import check_images
from ..features import BackboneEmbedder, FungiTransformer


@dataclass(frozen=True, eq=False)
class PhotoRows:
    """Features of photos.

    Attributes
    ----------
    values : ndarray of shape (n, n_features), float32
        A row a photo; NaN where it could not be read.
    bad : dict of int -> str
        Rows that could not be read, with the reason.
    """

    values: NDArray[np.float32]
    bad: dict[int, str]


def make_embedder(
    backbone: Any,
    *,
    weights: Any = "auto",
    fungi: bool = False,
    device: Any = None,
    memory: str | os.PathLike | None = None,
    n_jobs: int | None = None,
    random_state: int = 0,
    verbose: int = 0,
) -> Any:
    """Make the transformer from photos to rows, unfitted.

    Parameters
    ----------
    backbone : str, Module, callable, BackboneEmbedder or FungiTransformer
        A transformer is copied and keeps its settings, but for ``memory``,
        ``on_error`` and ``verbose``.
    weights, device, n_jobs, random_state
        As in :class:`BackboneEmbedder`.
    fungi : bool
        Whether to join gradient features.
    memory : str or Path, optional
        Folder of the rows.
    verbose : int

    Returns
    -------
    BackboneEmbedder or FungiTransformer

    Raises
    ------
    ValueError
        For ``n_jobs=0``, which a search would refuse after all features are computed.
    """
    if n_jobs == 0:
        raise ValueError(
            "n_jobs=0 must be None, a number of threads from 1 on, or -1 for one a "
            "processor."
        )
    shared = {"memory": memory, "on_error": "nan", "verbose": verbose}
    if isinstance(backbone, (BackboneEmbedder, FungiTransformer)):
        return copy.copy(backbone).set_params(**shared)
    kind: Any = FungiTransformer if fungi else BackboneEmbedder
    more: dict[str, Any] = {"n_components": None} if fungi else {}
    return kind(
        backbone,
        weights=weights,
        device=device,
        n_jobs=n_jobs,
        random_state=random_state,
        **more,
        **shared,
    )


def fit_embedder(embedder: Any, photos: Sequence[str]) -> None:
    """Fit a transformer on photos, of which some may be unreadable.

    Gradients are compared with training photos that are drawn, so those must be ones
    that can be read; an embedding needs none.
    """
    if isinstance(embedder, FungiTransformer):
        bad = {image.row for image in check_images(photos, n_jobs=embedder.n_jobs)}
        photos = [photo for row, photo in enumerate(photos) if row not in bad]
        if not photos:
            raise ValueError("None of the labelled photos can be read.")
    embedder.fit(photos)


def rows_of(embedder: Any, photos: Sequence[str]) -> PhotoRows:
    """Compute rows of photos by a fitted transformer that has ``on_error="nan"``.

    Parameters
    ----------
    embedder : BackboneEmbedder or FungiTransformer
    photos : sequence of str

    Returns
    -------
    PhotoRows
    """
    if not photos:
        n_features = len(embedder.get_feature_names_out())
        return PhotoRows(np.empty((0, n_features), np.float32), {})
    with warnings.catch_warnings():
        # They are told with their reasons, by those who asked.
        warnings.filterwarnings("ignore", message=".*could not be read", module=".*")
        values = np.asarray(embedder.transform(photos))
    failed = list(embedder.failed_)
    reasons = {row: "it cannot be read" for row in failed}
    if failed:
        for image in check_images([photos[row] for row in failed]):
            reasons[failed[image.row]] = image.reason
    return PhotoRows(values, reasons)


def reader_of(embedder: Any, *, memory: Any = None, verbose: int = 0) -> Any:
    """Copy of a fitted transformer that goes on where a photo cannot be read."""
    return copy.copy(embedder).set_params(
        memory=memory, on_error="nan", verbose=verbose
    )


def to_be_saved(embedder: Any) -> Any:
    """Copy of a fitted transformer that depends on no folder of this machine."""
    return copy.copy(embedder).set_params(memory=None, on_error="raise", verbose=0)
