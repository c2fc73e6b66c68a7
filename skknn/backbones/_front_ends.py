"""What stands before the network: a sound -> windows of what the network takes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..modalities import Sound, resampled
from ._mel import kaldi_filters, kaldi_power, slaney_filters, slaney_power

# The least power whose logarithm Kaldi takes: float32's resolution.
_LEAST_POWER = 1.192092955078125e-07
# The loudness that speaker encoders raise quiet sounds to, as a root mean square.
_SPEECH_LEVEL = 10 ** (-30 / 20)
# Added to a variance before dividing by its root, as wav2vec 2.0 was trained.
_VARIANCE = 1e-7


class FrontEnd:
    """Base of the front ends.

    A sound that is longer than a window becomes several of equal length, evenly
    spaced from its beginning to its end; they overlap by what is too much.

    Parameters
    ----------
    rate : int
        Samples a second that the network hears.
    length : int
        Steps (frames or samples) of a window.
    full : bool
        Whether windows always have that length; else a shorter sound is a shorter
        window.
    max_windows : int
        Of longer sounds so many windows are taken, with gaps between them.

    Attributes
    ----------
    rate : int
    steps_a_second : int
    """

    # Numbers in a step.
    _bands = 1

    def __init__(self, rate: int, length: int, full: bool, max_windows: int) -> None:
        self.rate, self._length, self._full = rate, length, full
        self._max_windows = max_windows

    @property
    def steps_a_second(self) -> int:
        """How many steps along time there are in a second."""
        return 100

    @property
    def most_numbers(self) -> int:
        """How many numbers the windows of the longest sound have."""
        return self._max_windows * self._length * self._bands

    def __call__(self, sound: Sound) -> tuple[NDArray[np.float32], bool]:
        """Return what the network takes of a sound, and whether that is all of it.

        Parameters
        ----------
        sound : Sound

        Returns
        -------
        windows : ndarray of shape (W, steps) or (W, steps, bands), float32
        whole : bool
            False where parts were left out.
        """
        steps = self._steps(resampled(sound, self.rate))
        n, length = len(steps), self._length
        if n < length and self._full:
            rest = [(0, length - n), *[(0, 0)] * (steps.ndim - 1)]
            steps = np.pad(steps, rest)
        n_windows = max(1, -(-n // length))
        taken = min(n_windows, self._max_windows)
        if n_windows == 1:
            windows = steps[None]
        else:
            starts = np.linspace(0, n - length, taken).round().astype(int)
            windows = np.stack([steps[start:][:length] for start in starts])
        found = np.ascontiguousarray(self._standard(windows), dtype=np.float32)
        return found, taken == n_windows

    def noise_unit(self, windows: NDArray[np.float32]) -> float:
        """Return the number that is 1 where inputs are standardised."""
        return 1.0

    def identity(self) -> dict[str, Any]:
        """Return what inputs depend on besides the sound, as plain JSON."""
        return {
            "class": type(self).__name__,
            **{
                name: value
                for name, value in vars(self).items()
                if isinstance(value, (int, float, str))
            },
        }

    def _steps(self, samples: NDArray[np.float32]) -> NDArray[Any]:
        """Return the steps of a sound, (n,) or (n, bands)."""
        raise NotImplementedError

    def _standard(self, windows: NDArray[Any]) -> NDArray[Any]:
        """Return windows as the network was trained on them."""
        return windows


class FbankFrontEnd(FrontEnd):
    """Logarithms of powers in Kaldi's mel bands, standardised.

    Parameters
    ----------
    rate : int
    bands : int
    mean, std : float
        Of the training data; values become (x - mean) / (2 std), as in AST and SSAST.
        The rest of a full window is 0 before that, as they were trained.
    **windows : int, bool
        As for :class:`FrontEnd`.
    """

    def __init__(
        self, rate: int, bands: int, mean: float, std: float, **windows: Any
    ) -> None:
        super().__init__(rate, **windows)
        self._bands, self._mean, self._std = bands, mean, std
        self._filters = kaldi_filters(rate, bands)

    def _steps(self, samples: NDArray[np.float32]) -> NDArray[np.float64]:
        power = kaldi_power(samples, self.rate, self._filters)
        return np.log(np.maximum(power, _LEAST_POWER))

    def _standard(self, windows: NDArray[np.float64]) -> NDArray[np.float64]:
        return (windows - self._mean) / (2 * self._std)


class SpeakerFrontEnd(FrontEnd):
    """Powers in 40 of Slaney's mel bands of a sound that is not too quiet."""

    _bands = 40

    def __init__(self, **windows: Any) -> None:
        super().__init__(16_000, **windows)
        self._filters = slaney_filters(self.rate, self._bands)

    def noise_unit(self, windows: NDArray[np.float32]) -> float:
        # Powers have no unit of their own: as if they were standardised as above.
        return float(2 * windows.std())

    def _steps(self, samples: NDArray[np.float32]) -> NDArray[np.float64]:
        level = np.sqrt(np.mean(samples.astype(np.float64) ** 2))
        louder = max(1.0, _SPEECH_LEVEL / level) if level > 0 else 1.0
        return slaney_power(samples * louder, self.rate, self._filters)


class RawFrontEnd(FrontEnd):
    """The samples themselves.

    Parameters
    ----------
    rate : int
    standardised : bool
        Whether each window gets mean 0 and variance 1.
    least : int
        Samples that the network needs; silence follows a shorter sound.
    **windows : int, bool
        As for :class:`FrontEnd`.
    """

    def __init__(
        self, rate: int, standardised: bool, least: int, **windows: Any
    ) -> None:
        super().__init__(rate, **windows)
        self._standardised, self._least = standardised, least

    @property
    def steps_a_second(self) -> int:
        return self.rate

    def _steps(self, samples: NDArray[np.float32]) -> NDArray[np.float64]:
        rest = max(0, self._least - len(samples))
        return np.pad(samples.astype(np.float64), (0, rest))

    def _standard(self, windows: NDArray[np.float64]) -> NDArray[np.float64]:
        if not self._standardised:
            return windows
        centred = windows - windows.mean(axis=1, keepdims=True)
        return centred / np.sqrt(windows.var(axis=1, keepdims=True) + _VARIANCE)
