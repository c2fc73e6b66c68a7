"""A network of sounds, as a parameter of estimators."""

import numbers
import os
from typing import TYPE_CHECKING, Any

from ..utils._parameters import check_parameters
from ..utils._sklearn import Interval, StrOptions
from ._item_backbone import ItemBackbone

if TYPE_CHECKING:
    import torch

    from ._audio_extractor import AudioExtractor


class AudioBackbone(ItemBackbone):
    """A frozen network of sounds for the transformers of this package.

    Pass it as ``backbone=`` to :class:`BackboneEmbedder` or
    :class:`FungiTransformer`, which then take lists, arrays and Series of sounds. It
    holds settings alone: the model is loaded when they are fitted.

    A sound is the path of a file (WAV, FLAC, OGG, MP3 and what else soundfile reads),
    a pair ``(samples, rate)`` (or, as scipy gives it, ``(rate, samples)``), a dict with
    "array" and "sampling_rate", or an array of samples at the backbone's rate. A 2-D
    array of numbers as ``X`` is one sound a row.

    Parameters
    ----------
    model : str, Path or torch.nn.Module, default="resemblyzer"
        A folder that ``save_pretrained`` of an audio spectrogram transformer (AST),
        wav2vec 2.0, HuBERT, WavLM, UniSpeech or data2vec model of transformers wrote,
        or a name on the Hugging Face hub, with ``@revision`` where it is not the
        newest. The default is a speaker encoder (256 features) out of a pip package
        that the extra ``audio`` installs, and needs no network: it knows voices, and
        little of music or noises. No code out of a folder is run. A module takes what
        ``front_end`` gives and returns rows (n, E), states (n, L, E) or maps
        (n, E, H, W); it is copied at ``fit``, and whenever the estimator is cloned.
    front_end : {"auto", "fbank", "raw"}, default="auto"
        What a module is given: "fbank" are logarithms of powers in mel bands
        (n, frames, n_mels), 100 frames a second, by Kaldi's custom and standardised as
        for AST; "raw" are samples (n, samples). "auto" is "fbank". Folders and
        "resemblyzer" bring their own.
    n_mels : int, default=128
        Mel bands of a module's "fbank".
    rate : int, default=16000
        Samples a second that a module hears; everything is resampled to it. Folders
        and "resemblyzer" bring their own.
    max_seconds : float, default=None
        Length of a window. Longer sounds are cut into windows of this length, evenly
        spaced from beginning to end, and the rows of the windows are averaged. None is
        1.6 for "resemblyzer", what an AST takes, which cannot be changed, and 10
        elsewhere.
    max_windows : int, default=16
        Of sounds with more windows so many are taken, with gaps between them, and one
        warning counts such sounds.
    pooling : {"auto", "cls", "mean", "max"}, default="auto"
        How the states of a window become one row: "mean" and "max" go over time (and
        bands); "cls", for AST, is the mean of its two class tokens. "auto" is "cls" for
        AST, "mean" elsewhere. Rows that a model gives are taken as they are.

    See Also
    --------
    BackboneEmbedder, FungiTransformer : What takes it.
    AudioSimCLRObjective : "simclr" of sounds.

    Notes
    -----
    Channels are averaged. Silence has a row as everything else; a sound shorter than
    what the model needs (25 ms) is continued by silence. Files that cannot be read,
    empty sounds, NaN and missing rates are errors that name the row (or rows of NaN
    with ``on_error="nan"``). Sounds of equal length share a forward pass, and nothing
    is padded but what AST pads for a sound alone; so a row never depends on what
    stands beside it.

    References
    ----------
    W. Simoncini, S. Gidaris, A. Bursuc, Y. M. Asano, "No Train, all Gain:
    Self-Supervised Gradients Improve Deep Frozen Representations", NeurIPS 2024,
    https://arxiv.org/abs/2407.10964 (sounds: Appendix A.2).

    Y. Gong, Y.-A. Chung, J. Glass, "AST: Audio Spectrogram Transformer", Interspeech
    2021, https://arxiv.org/abs/2104.01778.

    Examples
    --------
    >>> from skknn import AudioBackbone, BackboneEmbedder
    >>> embedder = BackboneEmbedder(AudioBackbone(max_seconds=3.0))
    >>> embedder
    BackboneEmbedder(backbone=AudioBackbone(max_seconds=3.0))
    """

    modality = "sound"
    _packages = ("resemblyzer",)

    _param_remedies = {
        "model": "Use 'resemblyzer', the folder or hub name of a transformers model of "
        "sounds, or a torch.nn.Module.",
        "front_end": "Use 'auto', or of a module 'fbank' for mel bands or 'raw' for "
        "samples.",
        "n_mels": "Use the number of mel bands that the module takes, such as 128.",
        "rate": "Use samples a second, such as 16000.",
        "max_seconds": "Use seconds, such as 10.0, or None for what suits the model.",
        "max_windows": "Use a number of windows from 1 on, such as 16.",
        "pooling": "'auto' pools as suits the model, 'mean' over time.",
    }
    _parameter_constraints = {
        # A module is anything with state_dict: torch is not loaded to ask.
        "model": [str, os.PathLike, callable],
        "front_end": [StrOptions({"auto", "fbank", "raw"})],
        "n_mels": [Interval(numbers.Integral, 1, None, closed="left")],
        "rate": [Interval(numbers.Integral, 1000, 1_000_000, closed="both")],
        "max_seconds": [Interval(numbers.Real, 0, None, closed="neither"), None],
        "max_windows": [Interval(numbers.Integral, 1, None, closed="left")],
        "pooling": [StrOptions({"auto", "cls", "mean", "max"})],
    }

    def __init__(
        self,
        model: Any = "resemblyzer",
        *,
        front_end: str = "auto",
        n_mels: int = 128,
        rate: int = 16_000,
        max_seconds: float | None = None,
        max_windows: int = 16,
        pooling: str = "auto",
    ) -> None:
        self.model = model
        self.front_end = front_end
        self.n_mels = n_mels
        self.rate = rate
        self.max_seconds = max_seconds
        self.max_windows = max_windows
        self.pooling = pooling

    def build(
        self,
        *,
        device: "str | torch.device | None" = None,
        precision: str = "auto",
        layer: str | int | None = None,
    ) -> "AudioExtractor":
        """Load model and front end.

        Parameters
        ----------
        device, precision : str, torch.device or None
            As in :class:`BackboneEmbedder`.
        layer : str, int or None
            An earlier block whose states are pooled: its name, or its number
            (negative from the end).

        Returns
        -------
        AudioExtractor

        Raises
        ------
        OSError
            If there is no such folder, and neither package nor network.
        ModuleNotFoundError
            If a folder needs transformers; the message names the extra.
        TypeError, ValueError
            If a parameter will not do, or the folder holds another kind of model.
        """
        from torch import nn

        from ._audio_extractor import AudioExtractor
        from ._audio_load import load_audio_model

        check_parameters(self)
        if not isinstance(self.model, (str, os.PathLike, nn.Module)):
            raise TypeError(
                f"model={self.model!r} is no torch.nn.Module. "
                f"{self._param_remedies['model']}"
            )
        loaded = load_audio_model(
            self.model,
            front_end=self.front_end,
            n_mels=self.n_mels,
            rate=self.rate,
            max_seconds=self.max_seconds,
            max_windows=self.max_windows,
        )
        if self.pooling == "cls" and not loaded.n_class_tokens:
            raise ValueError(
                "pooling='cls': this model has no class token. Use 'auto', 'mean' or "
                "'max'."
            )
        return AudioExtractor(
            loaded.module,
            loaded.front_end,
            pooling=loaded.pooling if self.pooling == "auto" else self.pooling,
            n_class_tokens=loaded.n_class_tokens,
            layer=layer,
            device=device,
            precision=precision,
        )
