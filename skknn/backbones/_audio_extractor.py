"""A frozen network with all it needs to turn sounds into rows of features."""

from collections.abc import Collection
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ..modalities import Sound
from ..utils._out_of_memory import is_out_of_memory
from ..utils._precision import exact_float32
from ..utils._threads import single_threaded_torch
from ._audio_network import AudioNetwork, FramePooling
from ._digest import module_digest
from ._front_ends import FrontEnd
from ._frozen_extractor import FrozenExtractor
from ._layers import block_names, resolve_layer
from ._probe import sketch
from ._sequence_network import settings_of

# Raised whenever the same sound and settings would give other numbers.
_FEATURES_VERSION = 1
# Seconds of the sounds that networks are asked about: of different lengths.
_QUESTIONS = (0.7, 0.3, 1.1)


class AudioExtractor(FrozenExtractor):
    """A frozen backbone of sounds: front end, forward pass, one row a sound.

    Parameters
    ----------
    module : torch.nn.Module
        Frozen, in evaluation mode.
    front_end : FrontEnd
    pooling : {"cls", "mean", "max"}
    n_class_tokens : int
        Tokens of the module before those of the sound.
    layer : str, int or None
        An earlier block whose output is pooled: name or number.
    device, precision : str, torch.device or None
        As in :class:`skknn.BackboneEmbedder`.

    Attributes
    ----------
    module, device, precision, layer, pooling
        As of every extractor.
    front_end : FrontEnd
    """

    modality = "sound"

    def __init__(
        self,
        module: nn.Module,
        front_end: FrontEnd,
        *,
        pooling: str,
        n_class_tokens: int,
        layer: str | int | None,
        device: str | torch.device | None,
        precision: str,
    ) -> None:
        if layer is not None:
            layer = resolve_layer(module, layer, block_names(module))
        super().__init__(module, device=device, precision=precision)
        self.layer, self.front_end, self.pooling = layer, front_end, pooling
        self._pooled = FramePooling(pooling, layer, n_class_tokens)

    def inputs(self, sound: Sound) -> NDArray[np.float32]:
        """Return a sound's windows (W, ...); counts one of which parts are left out."""
        windows, whole = self.front_end(sound)
        if not whole:
            self._count_shortened()
        return windows

    def network(self, keep: Collection[str] = ()) -> AudioNetwork:
        """Return the backbone as it runs; ``keep`` is of use to images alone."""
        return AudioNetwork(
            self.module,
            device=self.device,
            precision=self.precision,
            pooled=self._pooled,
        )

    def questions(self, n: int) -> list[Sound]:
        """Return the first ``n`` fixed sounds that networks are asked about.

        Notes that rise, louder and softer, with some noise.
        """
        rate, found = self.front_end.rate, []
        for i, seconds in enumerate(_QUESTIONS[:n]):
            time = np.arange(int(seconds * rate)) / rate
            noise = np.random.default_rng(i).standard_normal(len(time))
            tone = np.sin(2 * np.pi * (200 + 150 * i + 900 * time) * time)
            loudness = 0.3 + 0.2 * np.sin(9 * time)
            samples = loudness * tone + 0.02 * noise
            found.append(Sound(samples.astype(np.float32), rate))
        return found

    def identity(self) -> dict[str, Any]:
        """Return what a row depends on besides the sound, as plain JSON.

        What cannot be written down shows in what it answers to :meth:`questions`.
        """
        import scipy

        config = getattr(self.module, "config", None)
        return {
            "features": f"skknn audio embedding {_FEATURES_VERSION}",
            "module": module_digest(self.module),
            "config": "" if config is None else settings_of(config),
            "front end": self.front_end.identity(),
            "pooling": self.pooling,
            "layer": self.layer,
            "precision": self.precision,
            "device": self.device.type,
            "versions": {
                "numpy": np.__version__,
                "scipy": scipy.__version__,
                "torch": torch.__version__,
                **_versions_of_readers(),
            },
            "switches": {"oneDNN": bool(torch.backends.mkldnn.enabled)},
        }

    def _ask(self) -> NDArray[np.float32]:
        network = self.network()
        windows, _ = self.front_end(self.questions(1)[0])
        with exact_float32(), single_threaded_torch(self.device.type == "cpu"):
            try:
                with torch.inference_mode():
                    x = network.normalize(torch.from_numpy(windows)[None])
                    rows = network.features(x)
            except (RuntimeError, IndexError, TypeError, ValueError) as error:
                if is_out_of_memory(error):
                    raise
                raise ValueError(
                    f"The backbone cannot process sounds ({error}). It got windows of "
                    f"shape {windows.shape[1:]}, (frames, bands) of front_end='fbank' "
                    "or (samples,) of 'raw'. Pass another front end, module or layer."
                ) from error
        self.check_rows(rows, 1)
        return sketch(rows.cpu().numpy()[0])


def _versions_of_readers() -> dict[str, str]:
    """Return the versions of packages that read files and build networks, of those
    that are installed."""
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for name in ("soundfile", "transformers"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
