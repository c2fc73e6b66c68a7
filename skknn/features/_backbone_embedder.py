"""Images -> features of a frozen pretrained backbone."""

import numbers
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassNamePrefixFeaturesOutMixin

from ..utils._sklearn import fit_context
from ._item_transformer import ItemTransformer
from ._remedies import IMAGE_REMEDIES
from ._shared_parameters import CONSTRAINTS, fill_in_descriptions


@fill_in_descriptions
class BackboneEmbedder(ClassNamePrefixFeaturesOutMixin, ItemTransformer):
    """Features of a frozen pretrained network, from its end or from ``layer``.

    ``fit`` trains nothing: it loads the network and notes the form of ``X``, without
    reading an image. ``transform`` gives each image's row of features, which depends
    on that image alone: not on the rows beside it, their order, ``batch_size`` or
    ``n_jobs`` (on a CPU bit for bit, elsewhere up to rounding).

    Parameters
    ----------
    $backbone
    $weights
    $pooling
    layer : str or int, default=None
        An earlier block or stage whose output is pooled, instead of the last feature
        map: its name, or its number among them (negative from the end). "auto"
        pooling then means the class token where there is one, else the mean. (In
        :class:`FungiTransformer` ``layer`` is what is differentiated.) Of texts and
        sounds a block, pooled as the backbone says.
    $image_size
    $image_shape
    batch_size : int or "auto", default="auto"
        Images in one forward pass on an accelerator, halved when memory runs out;
        "auto" goes by the free memory of a CUDA device. On a CPU images pass one at
        a time, several side by side, and this bounds how many rows a killed run can
        lose; "auto" is 32. Of texts and sounds: the most in a forward pass; "auto"
        goes by their lengths.
    $device
    $precision
    $n_jobs
    memory : str, Path, joblib.Memory or None, default=None
        Folder in which rows are kept, by the content of the image and everything
        else they depend on, for other calls, processes and runs. Of a
        ``joblib.Memory`` its folder is taken.
    $on_error
    $backbone_params
    random_state : int, RandomState or None, default=None
        Seed of random weights (``weights=None``); without meaning otherwise.
    verbose : int, default=0
        Above 0, a progress bar with rate and time left.

    Attributes
    ----------
    $backbone_
    $device_
    $failed_
    $n_features_in_
    $feature_names_in_

    See Also
    --------
    FungiTransformer : Gradient features of the same backbones.
    TextBackbone, AudioBackbone : Texts and sounds instead of images.
    skknn.datasets.load_image_folder : Class folders to paths and labels.

    Notes
    -----
    $pickles

    Images become 8-bit RGB first, whatever their form: alpha is composited on white,
    EXIF orientation applied, of animations the first frame taken. Rows of 2-D tables
    are stretched from the range seen in ``fit`` (0 to 255 for uint8, 0 to 1 for
    floats within it) over the grey levels.

    R names the backbones, poolings and layers that this class makes ready for use.

    References
    ----------
    M. Jia, B.-C. Chen, Z. Wu, C. Cardie, S. Belongie, S.-N. Lim, "Rethinking Nearest
    Neighbors for Visual Classification", 2021, https://arxiv.org/abs/2112.08459 (R;
    pooling and layers: A.3).

    F. Radenović, G. Tolias, O. Chum, "Fine-tuning CNN image retrieval with no human
    annotation", TPAMI 2019, https://arxiv.org/abs/1711.02512 (generalised mean).

    G. Tolias, R. Sicre, H. Jégou, "Particular object retrieval with integral
    max-pooling of CNN activations", ICLR 2016, https://arxiv.org/abs/1511.05879
    (R-MAC).

    Examples
    --------
    Weights are random here, so that the example runs anywhere.

    >>> import numpy as np
    >>> from skknn import BackboneEmbedder
    >>> images = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), "uint8")
    >>> embedder = BackboneEmbedder("test_resnet", weights=None, random_state=0)
    >>> embedder.fit_transform(images).shape
    (3, 96)
    """

    _parameter_constraints = {**CONSTRAINTS, "layer": [str, numbers.Integral, None]}
    _param_remedies = IMAGE_REMEDIES

    def __init__(
        self,
        backbone: Any = "tf_efficientnet_lite0",
        *,
        weights: str | os.PathLike | None = "auto",
        pooling: str = "auto",
        layer: str | int | None = None,
        image_size: int | tuple[int, int] | None = None,
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
        self.weights = weights
        self.pooling = pooling
        self.layer = layer
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
    def fit(self, X: Any, y: Any = None) -> "BackboneEmbedder":
        """Load the backbone and note the form of ``X``; nothing is trained.

        Parameters
        ----------
        X : list, array, tensor or Dataset of images, or 2-D array
            Images are not read here; of a 2-D table the range is noted.
        y : ignored

        Returns
        -------
        self : BackboneEmbedder

        Raises
        ------
        ValueError, TypeError
            If a parameter or ``X`` will not do.
        OSError
            If there are no weights: neither a package nor a network.
        """
        with self._fitting():
            _, table = self._items_of_fit(X)
            seed = self._draw_seed()
            loader = self._new_loader(seed)
            loader.extractor  # noqa: B018  # loads it
            self._table, self._seed, self._loader = table, seed, loader
            self._known = loader.known
        return self

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Embed images.

        Parameters
        ----------
        X : list, array, tensor or Dataset of images, or 2-D array
            Paths, PIL images, arrays (H, W), (H, W, 1|3|4), tensors (C, H, W), mixed
            as you like; one array (n, H, W[, C]) or tensor (n, C, H, W); a torch
            Dataset of images or of tuples that begin with one; 2-D rows of flattened
            images with as many features as in ``fit``. Numbers are whole from 0 to
            255, or floats from 0 to 1. With a :class:`TextBackbone` a list, array or
            Series of ``str``, with an :class:`AudioBackbone` one of sounds.

        Returns
        -------
        features : ndarray of shape (n, n_features_out), float32
            Or what ``set_output`` says.

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
        return rows.values

    @property
    def _features_of_backbone(self) -> dict[str, Any]:
        return super()._features_of_backbone | {"layer": self.layer}

    @property
    def _n_features_out(self) -> int:
        return self.backbone_.n_features
