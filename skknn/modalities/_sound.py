"""One decoded sound: files, samples of any kind and rates -> mono float32."""

import math
import numbers
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._sound_file import check_length, decoded_file

# Rates of a sound, in samples a second.
_RATES = (100, 1_000_000)
# Channels of a sound; an array with more on both axes is something else.
_MAX_CHANNELS = 32


@dataclass(frozen=True)
class Sound:
    """A decoded sound.

    Attributes
    ----------
    samples : ndarray of shape (n,), float32
        Mono; files and whole numbers are within -1 and 1.
    rate : int or None
        Samples a second; None is whatever the backbone hears at.
    """

    samples: NDArray[np.float32]
    rate: int | None


def from_file_bytes(data: bytes) -> Sound:
    """Decode the bytes of a sound file: WAV, FLAC, OGG, MP3, AIFF and others.

    Raises
    ------
    ModuleNotFoundError
        Without soundfile; the message names the extra.
    ValueError
        If they are no sound, an empty, a far too long or a cut off one.
    """
    return from_samples(*decoded_file(data))


def from_samples(samples: Any, rate: Any) -> Sound:
    """Return the sound of an array.

    Parameters
    ----------
    samples : array of shape (n,), (n, channels) or (channels, n)
        Whole numbers are PCM of their width (unsigned ones have their silence in the
        middle), others are taken as they are. The shorter axis is the channels, whose
        mean is taken.
    rate : number or None

    Raises
    ------
    TypeError, ValueError
        If it is no sound: no numbers, none at all, not finite, or no rate.
    """
    array = np.asarray(samples)
    kind = array.dtype.kind
    if kind not in "iuf" or array.dtype.itemsize > 8:
        raise TypeError(f"samples of dtype {array.dtype} are no real numbers")
    if array.size == 0:
        raise ValueError("it holds no samples")
    check_length(array.size)
    if kind in "iu":
        scale = 2.0 ** (8 * array.dtype.itemsize - 1)
        # Of 8 to 64 bits; float64 keeps all that a sound has.
        array = array.astype(np.float64) / scale - (1.0 if kind == "u" else 0.0)
    mono = _mono(array)
    if not np.isfinite(mono).all():
        raise ValueError("it holds samples that are NaN or infinite")
    with np.errstate(over="ignore"):
        mono = np.ascontiguousarray(mono, dtype=np.float32)
    if not np.isfinite(mono).all():
        raise ValueError("it holds samples beyond what float32 can tell apart")
    return Sound(mono, None if rate is None else checked_rate(rate))


def checked_rate(rate: Any) -> int:
    """Return a rate as an int.

    Raises
    ------
    ValueError
        If it is no whole number of samples a second, or out of all reason.
    """
    low, high = _RATES
    whole = isinstance(rate, numbers.Real) and not isinstance(rate, (bool, np.bool_))
    if not whole or rate != rate or not low <= rate <= high or rate != int(rate):
        raise ValueError(
            f"its rate is {rate!r}; a whole number of samples a second from {low} to "
            f"{high} is needed"
        )
    return int(rate)


def resampled(sound: Sound, rate: int) -> NDArray[np.float32]:
    """Return a sound's samples at another rate, float32, with scipy's filter.

    What is above half of the lower rate is filtered out.
    """
    if sound.rate is None or sound.rate == rate:
        return sound.samples
    from scipy.signal import resample_poly

    common = math.gcd(sound.rate, rate)
    samples = sound.samples.astype(np.float64)
    found = resample_poly(samples, rate // common, sound.rate // common)
    return found.astype(np.float32)


def _mono(array: NDArray[Any]) -> NDArray[Any]:
    if array.ndim == 1:
        return array
    if array.ndim != 2 or min(array.shape) > _MAX_CHANNELS:
        raise ValueError(
            f"an array of shape {array.shape} is no sound: (n,), (n, channels) or "
            "(channels, n) is needed"
        )
    axis = int(array.shape[0] >= array.shape[1])
    return array.mean(axis=axis, dtype=np.float64)
