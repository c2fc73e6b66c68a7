"""Images -> embeddings extended by self-supervised gradients (FUNGI)."""

import numbers
import os
import warnings
from contextlib import suppress

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from ..gradients.objectives import Objective, resolve_objectives
from ..utils._sklearn import Interval, StrOptions, fit_context
from . import _fungi_state as state
from ._fungi_extract import extract
from ._fungi_pca import fit_pca
from ._fungi_views import GradientViews
from ._image_transformer import ImageTransformer
from ._objective_params import ObjectiveParams


class FungiTransformer(ObjectiveParams, GradientViews, ImageTransformer, BaseEstimator):
    """Embeddings concatenated with projected self-supervised gradients.

    For every image the gradient of each objective's loss with respect to one layer
    of a frozen backbone is computed, projected by a random matrix of signs,
    L2-normalised and put beside the L2-normalised embedding; PCA then brings the
    row to a convenient width. Nothing is trained: ``fit`` draws heads, crop boxes,
    negatives and the projection from ``random_state``, and fits the PCA. The method
    is FUNGI [1]_.

    Parameters
    ----------
    backbone : str, Module or callable, default="tf_efficientnet_lite0"
        As in :class:`BackboneEmbedder`, like all parameters not described here.
    objectives : sequence of str or Objective, default=("kl", "dino", "simclr")
        Whose gradients. A string stands for the objective with its defaults:
        :class:`KLObjective`, :class:`DINOObjective`, :class:`SimCLRObjective`.
        Parameters of objectives are reached in searches as
        ``objectives__kl__temperature``.
    layer : str, default="auto"
        The layer to differentiate: a name in ``backbone_.module.named_modules()``
        of a Linear or Conv2d(groups=1). "auto" is the last attention output
        projection of a transformer (F Fig. 8), the last 1x1 convolution of a CNN.
    projection_dim : int, default=None
        d, the width of a projected gradient; None is the embedding's width.
    include_embedding : bool, default=True
        Whether the un-augmented image's embedding is the last block.
    n_components : "auto", int or None, default="auto"
        Width after PCA: "auto" is 384 for embeddings of up to 384 values, else 512;
        fewer, with a warning, when the rows do not allow as many. None leaves the
        PCA out.
    view_size : int or (height, width), default=None
        Size of SimCLR's windows and DINO's local crops; None is the input size.
        Smaller is cheaper and approximate.
    weights, pooling, image_size, image_shape : see :class:`BackboneEmbedder`
    batch_size : int, default=16
        Images handled together, raised to at least 64 gradients because projecting
        many at once is cheaper. Forward passes hold up to 4 views on a CPU and
        ``8 * batch_size`` on an accelerator.
    device, precision, n_jobs : see :class:`BackboneEmbedder`
    memory : str or Path, default=None
        Folder for rows. Blocks are stored one by one, so other ``objectives``,
        ``n_components`` or ``include_embedding`` compute only what is missing.
        Needs a fixed ``random_state``.
    on_error, backbone_params : see :class:`BackboneEmbedder`
    random_state : int, RandomState or None, default=None
        Heads, boxes, negatives, projection and random backbone weights.
    verbose : int, default=0
        A progress bar, and an estimate of the whole after the first batch, when
        above 0.

    Attributes
    ----------
    backbone_ : object
        The loaded backbone; its ``module`` is the torch module.
    device_ : torch.device
    layer_ : str
        Name of the differentiated layer.
    objectives_ : dict
        Name -> :class:`Objective`, in the order of the blocks.
    heads_ : dict
        Objective -> (weight, bias), or a dict of such pairs for several heads
        (DINO: "student" and "teacher"); float32 arrays.
    negatives_ : ndarray of shape (K, head_dim) or None
        SimCLR's latents of the negative windows before normalisation. A dict when
        several objectives keep latents of training images.
    pca_ : sklearn.decomposition.PCA or None
    n_components_ : int
        Width of a row.
    feature_slices_ : dict
        Block name -> slice of a row before PCA.
    seed_ : int
        What everything was drawn from.
    failed_ : list of int
        With ``on_error="nan"``: rows that could not be read in the last call.
    n_features_in_ : int
        Columns of ``X`` at ``fit``, only when it was a 2-D table.
    feature_names_in_ : ndarray of str
        Their names, only when it was a data frame of numbers.

    See Also
    --------
    BackboneEmbedder : the embedding alone, 1 forward pass an image instead of 62.

    Notes
    -----
    Cost: 1 forward pass an image for "kl" (shared with the embedding), 12 for
    "dino", 49 for "simclr", and ``n_negatives * 49`` once in ``fit``.

    A row depends on its image and the fitted state only, never on the rows beside
    it. Pickles leave out the backbone's weights and the projection, which follows
    from ``seed_``.

    References
    ----------
    .. [1] Simoncini, Gidaris, Bursuc, Asano, "No Train, all Gain: Self-Supervised
       Gradients Improve Deep Frozen Representations", NeurIPS 2024.

    Examples
    --------
    >>> import numpy as np
    >>> from skknn import FungiTransformer
    >>> images = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), "uint8")
    >>> fungi = FungiTransformer(
    ...     "test_vit", weights=None, image_size=32, objectives=("kl", "dino"),
    ...     n_components=4, random_state=0,
    ... )
    >>> fungi.fit_transform(images).shape
    (6, 4)
    >>> fungi.feature_slices_["dino"]
    slice(64, 128, None)
    """

    _parameter_constraints = {
        "backbone": [str, callable],
        "objectives": [str, tuple, list, Objective],
        "layer": [str],
        "projection_dim": [Interval(numbers.Integral, 1, None, closed="left"), None],
        "include_embedding": ["boolean"],
        "n_components": [
            StrOptions({"auto"}),
            Interval(numbers.Integral, 1, None, closed="left"),
            None,
        ],
        "view_size": [
            Interval(numbers.Integral, 1, None, closed="left"),
            tuple,
            list,
            None,
        ],
        "weights": [str, os.PathLike, None],
        "pooling": [
            StrOptions({"auto", "token", "avg", "max", "gem", "rmac", "flatten"})
        ],
        "image_size": [
            Interval(numbers.Integral, 1, None, closed="left"),
            tuple,
            list,
            None,
        ],
        "image_shape": [tuple, list, None],
        "batch_size": [Interval(numbers.Integral, 1, None, closed="left")],
        "device": "no_validation",
        "precision": [StrOptions({"auto", "float32", "bf16"})],
        "n_jobs": [numbers.Integral, None],
        "memory": [str, os.PathLike, None],
        "on_error": [StrOptions({"raise", "nan"})],
        "backbone_params": [dict, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        backbone="tf_efficientnet_lite0",
        *,
        objectives=("kl", "dino", "simclr"),
        layer="auto",
        projection_dim=None,
        include_embedding=True,
        n_components="auto",
        view_size=None,
        weights="auto",
        pooling="auto",
        image_size=None,
        image_shape=None,
        batch_size=16,
        device=None,
        precision="auto",
        n_jobs=None,
        memory=None,
        on_error="raise",
        backbone_params=None,
        random_state=None,
        verbose=0,
    ):
        self.backbone = backbone
        self.objectives = objectives
        self.layer = layer
        self.projection_dim = projection_dim
        self.include_embedding = include_embedding
        self.n_components = n_components
        self.view_size = view_size
        self.weights = weights
        self.pooling = pooling
        self.image_size = image_size
        self.image_shape = image_shape
        self.batch_size = batch_size
        self.device = device
        self.precision = precision
        self.n_jobs = n_jobs
        self.memory = memory
        self.on_error = on_error
        self.backbone_params = backbone_params
        self.random_state = random_state
        self.verbose = verbose

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Draw heads, boxes, negatives and projection; fit the PCA.

        With PCA the rows of ``X`` are extracted: use :meth:`fit_transform` to have
        them, or ``memory`` to keep them.

        Parameters
        ----------
        X : list, array, tensor or Dataset of images, or 2-D array
        y : ignored

        Returns
        -------
        self : FungiTransformer
        """
        images = self._fit_state(X)
        if self.n_components is not None:
            self._fit_pca(self._blocks(images))
        return self

    @fit_context(prefer_skip_nested_validation=True)
    def fit_transform(self, X, y=None):
        """Fit and return the rows of ``X``, which are extracted once.

        Parameters
        ----------
        X : list, array, tensor or Dataset of images, or 2-D array
        y : ignored

        Returns
        -------
        features : ndarray of shape (n, `n_components_`), float32
            The same as ``fit(X).transform(X)``.
        """
        blocks = self._blocks(self._fit_state(X))
        if self.n_components is not None:
            self._fit_pca(blocks)
        return self._reduce(blocks)

    def transform(self, X):
        """Compute the rows of images.

        Parameters
        ----------
        X : list, array, tensor or Dataset of images, or 2-D array
            2-D rows are flattened images with as many features as in ``fit``.

        Returns
        -------
        features : ndarray of shape (n, `n_components_`), float32
            Or what ``set_output`` says.
        """
        check_is_fitted(self)
        return self._reduce(self._blocks(self._images(X)))

    def get_feature_names_out(self, input_features=None):
        """Return the names of the columns.

        Parameters
        ----------
        input_features : ignored

        Returns
        -------
        names : ndarray of str
            Block and number ("kl0", ..., "embedding0", ...) without PCA, else
            "fungitransformer0", ...
        """
        check_is_fitted(self)
        if self.pca_ is not None:
            names = [f"fungitransformer{i}" for i in range(self.n_components_)]
        else:
            names = [
                f"{block}{i}"
                for block, part in self.feature_slices_.items()
                for i in range(part.stop - part.start)
            ]
        return np.asarray(names, dtype=object)

    def __sklearn_is_fitted__(self):
        return hasattr(self, "n_components_")

    def __getstate__(self):
        # The packed projection and the heads on the device follow from the rest.
        kept = super().__getstate__()
        kept.pop("_machine", None)
        return kept

    def _load_backbone(self):
        if self.view_size is not None and isinstance(self.backbone, str):
            # Transformers must be told to take several sizes; others know no such
            # parameter.
            with suppress(TypeError):
                return super()._load_backbone(dynamic_img_size=True)
        return super()._load_backbone()

    def _fit_state(self, X):
        """Draw everything that is drawn at fit; return the images of ``X``."""
        for name in ("n_components_", "_machine"):
            if hasattr(self, name):
                delattr(self, name)
        self.objectives_ = resolve_objectives(self.objectives)
        if not self.objectives_ and not self.include_embedding:
            raise ValueError(
                "objectives=() with include_embedding=False leaves no features. Name "
                "an objective, or include the embedding."
            )
        self._start_fit(X)
        images = self._images(X)
        self.seed_ = self._seed
        if self.memory is not None and self.random_state is None:
            warnings.warn(
                "memory= is set but random_state=None draws new heads at every fit, so "
                "rows are never found again. Pass an integer random_state.",
                UserWarning,
                stacklevel=3,
            )
        state.draw(self, images)
        state.machine(self)
        self.pca_ = None
        self.n_components_ = sum(
            part.stop - part.start for part in self.feature_slices_.values()
        )
        return images

    def _reduce(self, blocks):
        if self.pca_ is None:
            return blocks
        out = np.full((len(blocks), self.n_components_), np.nan, dtype=np.float32)
        finite = np.isfinite(blocks).all(axis=1)
        if finite.any():
            out[finite] = self.pca_.transform(blocks[finite].astype(np.float64))
        return out

    def _blocks(self, images):
        """Return the rows before PCA, from the cache where they are there."""
        rows = self._extract_all(images, "gradients")
        state.warn_of_zeros(rows, self.feature_slices_, self.objectives_)
        return rows

    def _fit_pca(self, blocks):
        self.pca_ = fit_pca(blocks, self.n_components, self.backbone_.n_features)
        self.n_components_ = int(self.pca_.n_components_)

    def _extract(self, images, *, n_threads=None, progress=None):
        """Return rows and failures of images; also called in other processes."""
        return extract(self, images, n_threads or self._n_threads(), progress)
