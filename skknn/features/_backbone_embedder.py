"""Images -> features of a frozen pretrained backbone."""

import numbers
import os
from contextlib import ExitStack

from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin
from sklearn.utils.validation import check_is_fitted

from .._params import Interval, StrOptions, fit_context
from ._image_transformer import ImageTransformer
from ._row_cache import RowCache
from ._run import extract_rows


class BackboneEmbedder(
    ImageTransformer, ClassNamePrefixFeaturesOutMixin, BaseEstimator
):
    """Embed images with a frozen pretrained network.

    ``fit`` trains nothing: it loads the network and looks at the form of ``X``.
    ``transform`` gives each image's row of features.

    Parameters
    ----------
    backbone : str, Module or callable, default="tf_efficientnet_lite0"
        A timm model name (also "hf-hub:owner/name"), a torch module, or a function
        that returns one.
    weights : "auto", None or path, default="auto"
        "auto" takes an installed weight package, else timm's download; None draws
        random weights from ``random_state``; a path names a .safetensors or .pth
        file.
    pooling : {"auto"}, default="auto"
        How the feature map becomes one row: "auto" is the model's own way.
    layer : None
        The last one.
    image_size : int or (height, width), default=None
        Input size; None takes the model's own.
    image_shape : (height, width) or (height, width, channels), default=None
        Shape of the images when ``X`` holds flattened ones, one a row.
    batch_size : int, default=32
        Images in one forward pass.
    device : str or torch.device, default=None
        None takes CUDA, else MPS, else the CPU.
    precision : {"auto"}, default="auto"
        float32.
    n_jobs : int, default=None
        Threads that read and decode images; None means one a processor.
    memory : str or Path, default=None
        Folder in which rows of features are kept for later runs.
    on_error : {"raise", "nan"}, default="raise"
        What an image that cannot be read does.
    backbone_params : dict, default=None
        Further arguments of ``timm.create_model`` or of the function.
    random_state : int, RandomState or None, default=None
        For random weights only.
    verbose : int, default=0
        A progress bar when above 0.

    Attributes
    ----------
    backbone_ : object
        The loaded backbone; its ``module`` is the torch module.
    device_ : torch.device
        Where it computes.
    n_features_in_ : int
        Only when ``X`` in ``fit`` held flattened images.

    Examples
    --------
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
            Images are not decoded here.
        y : ignored

        Returns
        -------
        self : BackboneEmbedder
        """
        self._start_fit(X)
        return self

    def transform(self, X):
        """Embed images.

        Parameters
        ----------
        X : list, array, tensor or Dataset of images, or 2-D array
            2-D rows are flattened images with as many features as in ``fit``.

        Returns
        -------
        features : ndarray of shape (n, n_features_out), float32
            Or what ``set_output`` says.
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
