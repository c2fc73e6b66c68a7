"""A frozen module with all it needs to turn images into rows of features."""

import threading
from contextlib import ExitStack, contextmanager

import numpy as np
import PIL
import timm
import torch

from ..utils._device import resolve_device
from ..utils._out_of_memory import is_out_of_memory
from ..utils._threads import single_threaded_torch
from ._digest import module_digest
from ._layers import LayerTap, resolve_layer
from ._load import load_backbone
from ._pooling import has_class_token, pool, to_feature_map
from ._precision import resolve_precision
from ._preprocess import Preprocess, data_config
from ._quick import quick_copy

# Raised whenever the same image and settings would give other numbers.
_FEATURES_VERSION = 1


class Extractor:
    """A frozen backbone: preprocessing, forward pass, one row an image.

    On a CPU each image goes through the network by itself, in one of several
    threads: its activations stay in the processor's cache, and its row cannot
    depend on its neighbours. On other devices prepared images are collected into
    batches.

    Parameters
    ----------
    module : torch.nn.Module
        Frozen, in evaluation mode; changed only in its device and memory layout.
    config : dict
        timm's description of the preprocessing.
    from_timm : bool
        Whether the architecture is one of timm's.
    pooling, layer, device, precision
        As in :class:`skknn.BackboneEmbedder`.

    Attributes
    ----------
    module : torch.nn.Module
    device : torch.device
    precision : {"float32", "bf16"}
    data_config : dict
    heavy_work : bool
        Whether :meth:`work` runs the network.
    """

    def __init__(self, module, config, *, from_timm, pooling, layer, device, precision):
        self.device = resolve_device(device)
        self.precision = resolve_precision(precision, self.device)
        self.pooling = pooling
        self.layer = None if layer is None else resolve_layer(module, layer)
        self._from_timm = from_timm
        self._channels_last = from_timm
        if pooling == "token" and not has_class_token(module):
            raise ValueError(
                "pooling='token' needs a class token, which this backbone has not. "
                "Use 'auto', 'avg', 'max', 'gem', 'rmac' or 'flatten'."
            )
        module = module.to(self.device)
        if self._channels_last:
            module = module.to(memory_format=torch.channels_last)
        self.module = module
        self.data_config = dict(config)
        self._preprocess = Preprocess(config)
        self.heavy_work = self.device.type == "cpu"
        self._tap = None
        self._run_lock, self._choice_lock = threading.Lock(), threading.Lock()
        self._run = self._running = None
        self._fast = None
        self._fast_versions = None
        self._fast_dtype = torch.float32
        self._n_features = None

    @property
    def n_features(self):
        """Width of a row; runs a blank image if none has been run yet."""
        if self._n_features is None:
            self.forward([self._preprocess.blank()])
        return self._n_features

    @n_features.setter
    def n_features(self, width):
        self._n_features = width

    def prepare(self, image):
        """Resize and crop one RGB image to the (3, H, W) bytes the model sees."""
        return self._preprocess(image)

    def normalize(self, pixels):
        """Return uint8 (n, 3, H, W) as the float32 tensor the module takes."""
        x = self._preprocess.normalize(pixels.to(self.device))
        if self._channels_last:
            return x.contiguous(memory_format=torch.channels_last)
        return x.contiguous()

    def features(self, x):
        """Return pooled features (n, n_features), float32, of normalised pixels.

        Runs :attr:`module` itself; the caller chooses whether gradients are
        recorded.
        """
        with self.autocast():
            return self._run_once(self.module, x).float()

    def copy_for(self, layer):
        """Return the module to differentiate from a layer on, and its dtype.

        On a CPU a copy that is sooner done, in which that layer is as it was; else
        :attr:`module` itself, which :meth:`autocast` brings to the precision.
        """
        if self.device.type != "cpu" or not self._from_timm or _is_watched(self.module):
            return self.module, torch.float32
        dtype = torch.bfloat16 if self.precision == "bf16" else torch.float32
        x = self.normalize(self._noise()[None])
        with single_threaded_torch():
            copy = quick_copy(self.module, self._run_once, x, dtype, keep=(layer,))
        return copy, torch.float32 if copy is self.module else dtype

    def pooled(self, module, x):
        """Return pooled features of :attr:`module` or of a copy of it."""
        return self._run_once(module, x)

    def autocast(self):
        """Return the context in which :attr:`module` has the wanted precision."""
        on = self.precision == "bf16"
        return torch.autocast(self.device.type, torch.bfloat16, enabled=on)

    def work(self, image):
        """Prepare an image; on a CPU also run the network. Called in threads."""
        prepared = self.prepare(image)
        return self.forward([prepared])[0] if self.heavy_work else prepared

    def combine(self, results):
        """Turn what :meth:`work` gave for some images into their rows."""
        return np.stack(results) if self.heavy_work else self.forward(results)

    def forward(self, batch):
        """Return the features of prepared images.

        Parameters
        ----------
        batch : list of uint8 tensors (3, H, W)

        Returns
        -------
        ndarray of shape (len(batch), n_features), float32
        """
        if self._run is None:
            with self.running():
                return self.forward(batch)
        module = self._running or self._module_of_run()
        with torch.inference_mode():
            # One image keeps its memory layout without a copy.
            pixels = batch[0][None] if len(batch) == 1 else torch.stack(batch)
            x = self.normalize(pixels)
            if module is self.module:
                with self.autocast():
                    rows = self._features(module, x)
            else:
                rows = self._features(module, x.to(self._fast_dtype))
            rows = rows.float().cpu().numpy()
        if rows.ndim != 2 or rows.shape[0] != len(batch):
            raise ValueError(
                f"The backbone gave features of shape {rows.shape} for {len(batch)} "
                "images; one row for each is needed."
            )
        self._n_features = rows.shape[1]
        return rows

    @contextmanager
    def running(self):
        """Set up many calls of :meth:`work`; everything is undone at the end.

        One run at a time: a second thread waits for the first.

        Yields
        ------
        callable
            To be called once in every thread that will call :meth:`work`.
        """
        with self._run_lock, ExitStack() as stack:
            start_thread = stack.enter_context(single_threaded_torch(self.heavy_work))
            self._run = stack
            try:
                yield start_thread
            finally:
                self._run = self._running = None

    def _module_of_run(self):
        """Return what this run uses; made at the first image that needs it."""
        with self._choice_lock:
            if self._running is None:
                module = self._choose_module()
                if self.layer is not None:
                    self._run.enter_context(self._tapped(module))
                self._running = module
            return self._running

    def identity(self):
        """Return all that a row depends on besides the image, as plain JSON."""
        return {
            "features": f"skknn embedding {_FEATURES_VERSION}",
            "module": module_digest(self.module),
            "preprocessing": {
                key: str(value) for key, value in sorted(self.data_config.items())
            },
            "pooling": self.pooling,
            "layer": self.layer,
            "precision": self.precision,
            "device": self.device.type,
            "versions": {
                "pillow": PIL.__version__,
                "timm": timm.__version__,
                "torch": torch.__version__,
            },
        }

    def _run_once(self, module, x):
        if self.layer is None:
            return self._features(module, x)
        with self._tapped(module):
            return self._features(module, x)

    def _features(self, module, x):
        if self._tap is not None:
            features = self._tap(x)
            return self._pool(to_feature_map(features, module), self.pooling)
        if self.pooling == "auto":
            return self._rows(module(x), module)
        if hasattr(module, "forward_features"):
            features = module.forward_features(x)
        else:
            features = module(x)
        return self._pool(to_feature_map(features, module), self.pooling)

    def _rows(self, features, module):
        """Pool the output of a module that does not do so itself."""
        if isinstance(features, torch.Tensor) and features.ndim == 2:
            return features
        return self._pool(to_feature_map(features, module), "auto")

    def _pool(self, feature_map, pooling):
        if pooling == "auto":
            pooling = "token" if has_class_token(self.module) else "avg"
        if pooling == "token" and feature_map.prefix.shape[1] == 0:
            raise ValueError(
                f"pooling='token': layer {self.layer!r} has no class token. Use 'avg'."
            )
        return pool(feature_map, pooling)

    @contextmanager
    def _tapped(self, module):
        tap = LayerTap(module, self.layer)
        with tap.open():
            self._tap = tap
            try:
                yield
            finally:
                self._tap = None

    def _choose_module(self):
        """Take the quick copy, unless someone wants to see the module itself run."""
        if self.device.type != "cpu" or not self._from_timm or _is_watched(self.module):
            return self.module
        tensors = [*self.module.parameters(), *self.module.buffers()]
        versions = [(id(tensor), tensor._version) for tensor in tensors]
        if self._fast is None or versions != self._fast_versions:
            self._fast = self._quick_copy()
            self._fast_versions = versions
        return self._fast

    def _quick_copy(self):
        bf16 = self.precision == "bf16"
        self._fast_dtype = torch.bfloat16 if bf16 else torch.float32
        x = self.normalize(self._noise()[None])
        with single_threaded_torch():
            try:
                with torch.inference_mode():
                    self._run_once(self.module, x)
            except (RuntimeError, AssertionError) as error:
                if is_out_of_memory(error):
                    raise
                raise ValueError(
                    f"The backbone cannot process images of size {x.shape[-2:]} "
                    f"({error}). Pass another image_size, layer or pooling."
                ) from error
            return quick_copy(self.module, self._run_once, x, self._fast_dtype)

    def _noise(self):
        generator = torch.Generator().manual_seed(0)
        shape = (3, *self._preprocess.size)
        return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)


def _is_watched(module):
    """Whether hooks or a replaced ``forward`` would miss a run of a copy."""
    return any(
        part._forward_hooks or part._forward_pre_hooks or "forward" in vars(part)
        for part in module.modules()
    )


def build_extractor(
    backbone,
    *,
    weights="auto",
    image_size=None,
    backbone_params=None,
    seed=0,
    device=None,
    pooling="auto",
    layer=None,
    precision="auto",
):
    """Load a backbone and wrap it; see :func:`load_backbone`."""
    # Hundreds of small copies wait for each other when they are spread over threads.
    with single_threaded_torch():
        module = load_backbone(
            backbone,
            weights=weights,
            image_size=image_size,
            backbone_params=backbone_params,
            seed=seed,
        )
        return Extractor(
            module,
            data_config(module, image_size),
            from_timm=isinstance(backbone, str),
            pooling=pooling,
            layer=layer,
            device=device,
            precision=precision,
        )
