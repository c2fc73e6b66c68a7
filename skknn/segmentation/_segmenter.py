"""InContextSegmenter: label maps by the votes of labelled positions."""

from collections.abc import Iterator, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..neighbors import ALGORITHMS
from ..utils._parameters import N_JOBS
from ..utils._sklearn import HasMethods, Interval, StrOptions, fit_context
from ._enlarge import enlarge, enlarged_argmax
from ._inputs import count
from ._scored_bank import ScoredBank
from ._settings import REMEDIES, checked_sizes, checked_tau
from ._votes import soft_label_votes


class InContextSegmenter(ScoredBank):
    r"""Semantic segmentation by nearest labelled positions; nothing is trained.

    Every position of the training images' feature maps is a row of a bank, with the
    shares of the classes in its tile of the mask as its label. A position :math:`q`
    of a new image gets the mean of the labels :math:`l_i` of its nearest rows
    :math:`x_i`,

    .. math:: \frac{\sum_i l_i \, e^{\cos(q, x_i) / \tau}}
                   {\sum_i e^{\cos(q, x_i) / \tau}}

    which is the soft vote of :class:`SoftKNNClassifier` with soft labels. Label maps
    are interpolated to the size of the image, then the most probable class wins.

    Parameters
    ----------
    embedder : transformer or None, default=None
        Gives feature maps, as :class:`DenseEmbedder` does; cloned and fitted in
        ``fit``. None: ``images`` are maps already, (n, height, width, n_channels) or
        a list of (height, width, n_channels).
    n_neighbors : int, default=30
        Rows that vote; clipped, with a warning, to those there are. Known as ``k`` to
        ``set_params``. Takes effect also after ``fit``.
    tau : float, default=0.02
        Temperature of cosine similarities, in (0, inf]; the published protocol's
        (few-shot: 90 neighbours, 0.1). Known as ``temperature`` to ``set_params``.
        Takes effect also after ``fit``.
    max_patches : int, default=None
        Largest size of the bank. ``fit`` then takes equally many rows of each image,
        those with the smallest products of a random number and the number of
        positions of the image that share their classes, as published, so that rare
        classes are kept; ``partial_fit`` keeps a uniform sample of all rows that it
        was ever given (a reservoir). None keeps all.
    n_augmentations : int, default=0
        0 takes images as they are; otherwise, as published, so many passes over
        images with changed colours and crops instead.
    ignore_index : int or None, default=255
        Label of void pixels: they are no part of labels and scores, and positions
        that are all void are not kept.
    preprocessing : {"l2", "l2-center"}, default="l2"
        "l2-center" subtracts the mean of the bank of ``fit`` from rows of length 1
        before cosines are taken; of gradients as pairs nothing.
    similarity : "auto", "cosine" or (int, int, int), default="auto"
        "auto" is the cosine of vectors, except where ``embedder`` joins features with
        gradients as pairs (``DenseEmbedder(gradients="simclr")``): there the mean of
        the cosines of features and of gradients, which is exact. Of precomputed maps
        with pairs name the widths of features, inputs and slopes, the embedder's
        ``pair_widths_``.
    algorithm : str or object, default="auto"
        Search engine as in :class:`SoftKNNClassifier`. "auto" is exact up to a bank
        of a million rows, then "ivf" where faiss is installed.
    device : str or torch.device, default=None
        Where "auto" and "torch" search.
    n_jobs : int, default=None
        Threads of the search.
    random_state : int, RandomState or None, default=None
        What sampling and augmentation draw from.
    verbose : int, default=0
        Above 0, says how far ``fit`` is.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels in the masks, without void.
    bank_ : object
        ``features``, ``labels`` (sparse), ``images`` and ``boxes`` of all rows: the
        numbers of their training images and their tiles in shares of the image.
    embedder_ : transformer or None
    mean_ : ndarray of shape (n_channels,) or None
        What "l2-center" subtracts.
    n_images_ : int
        Training images so far.
    n_features_in_ : int
        Channels of the maps.
    pixels_per_position_ : (float, float) or None
        Height and width of a position in pixels of the masks, where it was the same
        for all of ``fit``; predictions from precomputed maps are enlarged by it.

    See Also
    --------
    DenseEmbedder : Feature maps of frozen backbones.
    skknn.metrics.mean_iou : The score.
    skknn.inspection.SegmentationDisplay : Image, truth, prediction, neighbours.

    References
    ----------
    I. Balažević, D. Steiner, N. Parthasarathy, R. Arandjelović, O. Hénaff, "Towards
    In-Context Scene Understanding", NeurIPS 2023, https://arxiv.org/abs/2306.01667.

    W. Simoncini, A. Bursuc, S. Gidaris, Y. M. Asano, "No Train, all Gain:
    Self-Supervised Gradients Improve Deep Frozen Representations", NeurIPS 2024,
    https://arxiv.org/abs/2407.10964 (F; Section 4.3, Table 18).

    Examples
    --------
    >>> import numpy as np
    >>> from skknn import InContextSegmenter
    >>> maps = np.zeros((1, 2, 2, 2), dtype="float32")
    >>> maps[0, :, 0, 0] = maps[0, :, 1, 1] = 1
    >>> mask = np.repeat([[3, 3, 7, 7]], 4, axis=0)
    >>> segmenter = InContextSegmenter(n_neighbors=1).fit(maps, [mask])
    >>> segmenter.predict(maps)[0].tolist()
    [[3, 3, 7, 7], [3, 3, 7, 7], [3, 3, 7, 7], [3, 3, 7, 7]]
    """

    _param_aliases = {"k": "n_neighbors", "temperature": "tau"}
    _param_remedies = REMEDIES
    _parameter_constraints = {
        "embedder": [HasMethods(["fit", "transform"]), None],
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "tau": [Interval(Real, 0, None, closed="right")],
        "max_patches": [Interval(Integral, 1, None, closed="left"), None],
        "n_augmentations": [Interval(Integral, 0, None, closed="left")],
        "ignore_index": [Integral, None],
        "preprocessing": [StrOptions({"l2", "l2-center"})],
        "similarity": [StrOptions({"auto", "cosine"}), tuple, list],
        "algorithm": [
            StrOptions(set(ALGORITHMS) - {"precomputed"}),
            HasMethods(["fit", "kneighbors"]),
        ],
        "device": "no_validation",
        "n_jobs": N_JOBS,
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        embedder: Any = None,
        *,
        n_neighbors: int = 30,
        tau: float = 0.02,
        max_patches: int | None = None,
        n_augmentations: int = 0,
        ignore_index: int | None = 255,
        preprocessing: str = "l2",
        similarity: Any = "auto",
        algorithm: Any = "auto",
        device: Any = None,
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.embedder = embedder
        self.n_neighbors = n_neighbors
        self.tau = tau
        self.max_patches = max_patches
        self.n_augmentations = n_augmentations
        self.ignore_index = ignore_index
        self.preprocessing = preprocessing
        self.similarity = similarity
        self.algorithm = algorithm
        self.device = device
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, images: Any, masks: Any) -> "InContextSegmenter":
        """Fill the bank.

        Parameters
        ----------
        images : sequence of images, or of feature maps where ``embedder`` is None
        masks : sequence of masks
            Arrays (H, W) of integers, grey or palette PIL images, or paths, one for
            each image, at any size of the image's aspect.

        Returns
        -------
        self : InContextSegmenter

        Raises
        ------
        ValueError, TypeError
            If a parameter, an image or a mask will not do, or no pixel has a label.
        """
        return self._extend(images, masks, streams=False)

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, images: Any, masks: Any) -> "InContextSegmenter":
        """Add images to the bank, which stays within ``max_patches``.

        The embedder and what "l2-center" subtracts stay as they were. Augmentation
        is done as in ``fit``.

        Parameters
        ----------
        images, masks : as for :meth:`fit`

        Returns
        -------
        self : InContextSegmenter
        """
        return self._extend(images, masks, streams=True)

    def predict(
        self, images: Any, sizes: Any = None, return_neighbors: bool = False
    ) -> Any:
        """Predict label maps.

        Parameters
        ----------
        images : sequence of images, or of feature maps where ``embedder`` is None
        sizes : sequence of (height, width), default=None
            Of the label maps. None is the size of each image; of maps, the size that
            masks of such maps had in ``fit``, or else the map's own.
        return_neighbors : bool, default=False
            Whether to return who voted, too.

        Returns
        -------
        labels : ndarray of shape (n, H, W)
            A list of arrays (H, W) where sizes differ. The dtype is that of the masks.
        distances, ids : as of :meth:`kneighbors`
            Only with ``return_neighbors``.
        """
        labels, neighbors, now = [], [], self._as_it_is()
        for near, proba, size in now._proba(images, sizes):
            labels.append(now.classes_[enlarged_argmax(proba, size)])
            if return_neighbors:
                neighbors.append(near)
        if return_neighbors:
            return _together(labels), *map(_together, zip(*neighbors))
        return _together(labels)

    def predict_proba(self, images: Any, sizes: Any = None) -> Any:
        """Predict the share of every class in every pixel.

        Parameters
        ----------
        images, sizes : as for :meth:`predict`

        Returns
        -------
        proba : ndarray of shape (n, H, W, n_classes), float32
            A list of arrays where sizes differ.
        """
        found = self._as_it_is()._proba(images, sizes)
        return _together([enlarge(proba, size) for _, proba, size in found])

    def kneighbors(
        self, images: Any, n_neighbors: int | None = None, return_distance: bool = True
    ) -> Any:
        """Nearest rows of the bank for every position.

        Parameters
        ----------
        images : as for :meth:`predict`
        n_neighbors : int, default=None
            None takes the parameter's.
        return_distance : bool, default=True

        Returns
        -------
        distances : ndarray of shape (n, height, width, k), float64
            1 - similarity; only with ``return_distance``. A list where grids differ.
        ids : ndarray of shape (n, height, width, k)
            Rows of ``bank_``. A list where grids differ.
        """
        now = self._as_it_is()
        k = now._n_voting(now.n_neighbors if n_neighbors is None else n_neighbors)
        near = [now._near(found, k) for found, _ in now._maps(images)]
        distances, ids = map(_together, zip(*near))
        return (distances, ids) if return_distance else ids

    def _near(self, found: NDArray, k: int) -> tuple[NDArray, NDArray]:
        """Distances and rows of the bank, (h, w, k)."""
        distances, ids = self._search.kneighbors(found, k)
        shape = found.shape[0], found.shape[1], k
        return distances.reshape(shape), ids.reshape(shape)

    def _proba(self, images: Any, sizes: Any) -> Iterator[tuple[Any, NDArray, Any]]:
        """Neighbours and label maps on the grid, and the sizes they shall have."""
        if sizes is not None:
            sizes = checked_sizes(sizes, count(images, "images"))
        k, tau = self._n_voting(self.n_neighbors), checked_tau(self.tau)
        for number, (found, size) in enumerate(self._maps(images)):
            near = self._near(found, k)
            distances, ids = (part.reshape(-1, k) for part in near)
            votes = soft_label_votes(distances, ids, self.bank_.labels, tau)
            grid = found.shape[0], found.shape[1]
            if sizes is not None:
                size = sizes[number]
            elif size is None:
                size = self._enlarged(grid)
            yield near, votes.reshape(*grid, -1), size

    def _enlarged(self, grid: tuple[int, int]) -> tuple[int, int]:
        ratio = self.pixels_per_position_ or (1.0, 1.0)
        return max(1, round(grid[0] * ratio[0])), max(1, round(grid[1] * ratio[1]))


def _together(arrays: Sequence[NDArray]) -> Any:
    """An array if shapes are equal."""
    return np.stack(arrays) if len({a.shape for a in arrays}) == 1 else list(arrays)
