"""Images -> maps of features of a frozen pretrained backbone."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..gradients.objectives import PatchSimCLRObjective
from ..utils._sklearn import StrOptions, fit_context
from ._patch_gradients import PatchGradients
from ._remedies import DENSE_REMEDIES
from ._shared_parameters import CONSTRAINTS, POSITIVE, fill_in_descriptions

if TYPE_CHECKING:
    from ..extraction import Rows

#: One array, or a list where grids differ.
FeatureMaps = NDArray[np.float32] | list[NDArray[np.float32]]


@fill_in_descriptions
class DenseEmbedder(PatchGradients):
    """Maps of features of a frozen pretrained network: a vector for every position.

    Tokens of vision transformers without class and register tokens, feature maps of
    convolutional networks, or several layers joined on one grid. ``fit`` trains
    nothing. Each image's map depends on that image alone. With ``gradients`` the
    vector of a position is joined by the gradient of a self-supervised loss at it [1]_.

    Parameters
    ----------
    $backbone
    layer : "auto", str, int, None or sequence of these, default="auto"
        Blocks or stages whose outputs are taken, by name or by number among them
        (negative from the end); None is the last feature map, with the norm or
        convolution that ends the network. "auto" is the last feature map of
        transformers whose blocks share one grid, and else joins the stages at strides
        8, 16 and 32 with the last feature map. Vectors of joined layers are
        L2-normalised layer by layer; those of a single layer stay as they are.
    stride : int, default=None
        Pixels between neighbouring positions of the map. Finer layers are averaged,
        coarser ones interpolated. None takes the grid of the finest layer named; with
        several layers from "auto", 16.
    image_size : int, (height, width) or None, default=512
        Input size in pixels: an integer is the shorter side, the aspect is kept (up
        to 1 : 8); a pair is taken as it is, whatever the aspect; None keeps each
        image's own size. All are rounded to multiples of the coarsest stride or of
        the patch. Position embeddings are resampled.
    gradients : "simclr", PatchSimCLRObjective or None, default=None
        Whose gradients follow the features, both of length 1; "simclr" stands for
        ``PatchSimCLRObjective()``. ``fit`` then takes patches of the training images,
        with which those of other images are compared.
    gradient_layer : str, default="auto"
        The layer whose weights are differentiated, by its name: a Linear that is
        applied to every token, or a Conv2d(groups=1) of a feature map. "auto" is the
        last attention output projection of a transformer, the last 1x1 convolution of
        a CNN (on its last, coarse grid).
    gradient_form : {"pairs", "projected"}, default="pairs"
        The gradient of a position is the outer product of the layer's input a and a
        slope b. "pairs" keeps these two, each of length 1, from which
        :class:`InContextSegmenter` computes the exact similarity. "projected" takes
        the whole product through a matrix of random signs, as published: any search
        will do, similarities are approximate, and it costs a hundred times more.
    projection_dim : int, default=None
        Width of projected gradients; None is that of the last feature map.
    $weights
    $image_shape
    batch_size : int or "auto", default="auto"
        Images in one forward pass on an accelerator, halved when memory runs out;
        "auto" is 16 of 512 x 512 pixels. On a CPU images pass one at a time.
    $device
    $precision
    $n_jobs
    memory : str, Path, joblib.Memory or None, default=None
        Folder in which maps are kept, by the content of the image and everything
        else they depend on. They are large: 4 bytes a number. Of a ``joblib.Memory``
        its folder is taken.
    $on_error
    $backbone_params
    random_state : int, RandomState or None, default=None
        Seed of random weights (``weights=None``) and of what gradients need: head,
        support patches, which negatives are dropped, signs.
    verbose : int, default=0
        Above 0, a progress bar with rate and time left.

    Attributes
    ----------
    $backbone_
    $device_
    layers_ : tuple of str or None
        Full names of the layers; None is the last feature map.
    n_channels_ : int
        Length of the vector of a position.
    feature_slices_ : dict
        Block name -> slice of that vector: "embedding", then "inputs" and "slopes", or
        "gradient".
    layer_ : str or None
        Name of the differentiated layer.
    head_ : (weight, bias) or None
        The random head of the loss, float32 arrays.
    support_ : ndarray of shape (n_support, width) or None
        Training patches among which negatives are looked for: vectors of the last
        feature map.
    seed_ : int
        What everything was drawn from.
    pair_widths_ : (int, int, int) or None
        Widths of features, inputs and slopes with ``gradient_form="pairs"``.
    $failed_
    $n_features_in_
    $feature_names_in_

    See Also
    --------
    BackboneEmbedder : One row of features an image.
    PatchSimCLRObjective : The loss whose gradients positions get.
    InContextSegmenter : Classes of positions by their neighbours among labelled ones.

    Notes
    -----
    $pickles

    Models with windows of fixed size (Swin) need ``image_size=(height, width)``.

    A pickle with gradients holds the patches that ``fit`` took
    (``PatchSimCLRObjective.n_support`` vectors).

    References
    ----------
    .. [1] W. Simoncini, S. Gidaris, A. Bursuc, Y. M. Asano, "No Train, all Gain:
       Self-Supervised Gradients Improve Deep Frozen Representations", NeurIPS 2024,
       https://arxiv.org/abs/2407.10964 (Section B.2).

    I. Balažević, D. Steiner, N. Parthasarathy, R. Arandjelović, O. Hénaff, "Towards
    In-Context Scene Understanding", NeurIPS 2023, https://arxiv.org/abs/2306.01667.

    Examples
    --------
    Weights are random here, so that the example runs anywhere.

    >>> import numpy as np
    >>> from skknn import DenseEmbedder
    >>> images = np.random.default_rng(0).integers(0, 256, (2, 64, 96, 3), "uint8")
    >>> embedder = DenseEmbedder("test_vit", weights=None, image_size=64)
    >>> embedder.fit_transform(images).shape
    (2, 4, 6, 64)
    >>> embedder.set_params(gradients="simclr").fit(images).feature_slices_["slopes"]
    slice(129, 193, None)
    """

    _parameter_constraints = {
        **{name: allowed for name, allowed in CONSTRAINTS.items() if name != "pooling"},
        "layer": "no_validation",
        "stride": [POSITIVE, None],
        "gradients": [str, PatchSimCLRObjective, None],
        "gradient_layer": [str],
        "gradient_form": [StrOptions({"pairs", "projected"})],
        "projection_dim": [POSITIVE, None],
    }
    _param_remedies = DENSE_REMEDIES
    _usual_batch_size = 16

    def __init__(
        self,
        backbone: Any = "tf_efficientnet_lite0",
        *,
        layer: str | int | None | Sequence[str | int | None] = "auto",
        stride: int | None = None,
        image_size: int | tuple[int, int] | None = 512,
        gradients: Any = None,
        gradient_layer: str = "auto",
        gradient_form: str = "pairs",
        projection_dim: int | None = None,
        weights: str | os.PathLike | None = "auto",
        image_shape: tuple[int, ...] | None = None,
        batch_size: int | str = "auto",
        device: Any = None,
        precision: str = "auto",
        n_jobs: int | None = None,
        memory: Any = None,
        on_error: str = "raise",
        backbone_params: dict[str, Any] | None = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.backbone = backbone
        self.layer = layer
        self.stride = stride
        self.image_size = image_size
        self.gradients = gradients
        self.gradient_layer = gradient_layer
        self.gradient_form = gradient_form
        self.projection_dim = projection_dim
        self.weights = weights
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
    def fit(self, X: Any, y: Any = None) -> "DenseEmbedder":
        """Load the backbone and note the form of ``X``; nothing is trained.

        With ``gradients``, patches of ``X`` become the support for negatives.

        Parameters
        ----------
        X : list, array, tensor or Dataset of images, or 2-D array
            Images are not read here without ``gradients``; of a 2-D table the range
            is noted.
        y : ignored

        Returns
        -------
        self : DenseEmbedder

        Raises
        ------
        ValueError, TypeError
            If a parameter or ``X`` will not do.
        OSError
            If there are no weights: neither a package nor a network.
        """
        with self._fitting():
            items, table = self._items_of_fit(X)
            seed = self._draw_seed()
            loader = self._new_loader(seed)
            loader.extractor  # noqa: B018  # loads it
            state = self._draw_patch_state(loader, items, seed)
            self._patch_state = state
            self._table, self._seed, self._loader = table, seed, loader
            self._known = loader.known
        return self

    def transform(self, X: Any) -> FeatureMaps:
        """Turn images into maps.

        Parameters
        ----------
        X : list, array, tensor or Dataset of images, or 2-D array
            As for :meth:`skknn.BackboneEmbedder.transform`.

        Returns
        -------
        maps : ndarray of shape (n, height, width, n_channels), float32
            A list of arrays (height, width, n_channels) where sizes differ; an image
            that could not be read is then of one position of NaN.

        Raises
        ------
        BadImageError
            If an image cannot be read: the message names its row and file.
        ValueError, TypeError
            If ``X`` is none of these.
        MemoryError
            If a single image does not fit on the device.
        """
        rows = self._embed(X)
        self._note_rows(rows)
        return _as_maps(rows, self.n_channels_)

    @property
    def layers_(self) -> tuple[str | None, ...]:
        """Full names of the layers."""
        return self._dense_backbone("layers_").layers

    @property
    def n_channels_(self) -> int:
        """Length of the vector of a position."""
        if not self.__sklearn_is_fitted__():
            raise AttributeError("n_channels_ is there after fit only")
        return self._slices()[-1].stop

    def _embedding_width(self, name: str) -> int:
        return self._dense_backbone(name).n_channels

    def _dense_backbone(self, name: str) -> Any:
        if not self.__sklearn_is_fitted__():
            raise AttributeError(f"{name} is there after fit only")
        return self.backbone_

    def _check_image_parameters(self) -> None:
        raise ValueError(
            f"backbone={self.backbone!r} takes {self._modality_name}s, and "
            "DenseEmbedder gives maps of images. Use BackboneEmbedder."
        )

    @property
    def _features_of_backbone(self) -> dict[str, Any]:
        from ..backbones import DenseSettings

        pair = hasattr(self.image_size, "__len__")
        several = isinstance(self.layer, Sequence) and not isinstance(self.layer, str)
        layer: Any = self.layer
        return {
            "image_size": self.image_size if pair else None,
            "dense": DenseSettings(
                tuple(layer) if several else layer,
                self.stride,
                self.image_size,
                tokens=self.gradients is not None,
            ),
        }

    @property
    def _several_sizes(self) -> bool:
        return True


def _as_maps(rows: "Rows", n_channels: int) -> FeatureMaps:
    """Give the rows of a run the form of their grids."""
    from ..backbones import N_GRID, grid_of_row

    bad = {row for row, _ in rows.bad}
    good = [row for row in range(len(rows.values)) if row not in bad]
    usual = [row for row in good if row not in rows.others]
    width = rows.values.shape[1] - N_GRID
    if not usual:  # no image could be read
        empty = len(rows.values), 1, 1, n_channels
        return np.full(empty, np.nan, dtype=np.float32)
    grid = grid_of_row(rows.values[usual[0]])
    # Rows of equal length may still be of different grids.
    grids = {row: grid_of_row(rows.values[row]) for row in usual}
    if not rows.others and len(set(grids.values())) <= 1:
        return rows.values[:, :width].reshape(-1, *grid, n_channels)
    maps = []
    for row, value in enumerate(rows.values):
        if row in bad:
            maps.append(np.full((1, 1, n_channels), np.nan, dtype=np.float32))
            continue
        value = rows.others.get(row, value)
        maps.append(value[:-N_GRID].reshape(*grid_of_row(value), n_channels))
    return maps
