"""Power spectra of short frames, summed in bands that follow the ear (mel).

Two customs that models were trained with: Kaldi's, of speech recognition, and
Slaney's, of music analysis. Both in float64, one product a sound.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

# Kaldi's: lowest frequency in Hz, and how much of the sample before is taken away.
_KALDI_LOWEST, _PREEMPHASIS = 20.0, 0.97
# Slaney's scale is linear up to 1000 Hz, then logarithmic.
_LINEAR_STEP, _BREAK, _LOG_STEP = 200.0 / 3, 1000.0, np.log(6.4) / 27


def kaldi_power(
    samples: NDArray, rate: int, filters: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return powers in bands (frames, bands) by Kaldi's custom.

    Frames of 25 ms every 10 ms that lie within the sound; each without its mean, with
    high notes emphasised, under a Hann window.

    Parameters
    ----------
    samples : ndarray of shape (n,)
        A sound shorter than a frame is taken as if silence followed.
    rate : int
    filters : ndarray of shape (n_fft / 2 + 1, bands)
        Of :func:`kaldi_filters`.
    """
    length, step = rate * 25 // 1000, rate // 100
    samples = _at_least(samples, length)
    frames = sliding_window_view(samples, length)[::step].astype(np.float64)
    frames -= frames.mean(axis=1, keepdims=True)
    before = np.concatenate([frames[:, :1], frames[:, :-1]], axis=1)
    frames = (frames - _PREEMPHASIS * before) * np.hanning(length)
    return _power(frames, 2 * (len(filters) - 1)) @ filters


def kaldi_filters(rate: int, bands: int) -> NDArray[np.float64]:
    """Return the triangles of Kaldi's bands: (n_fft / 2 + 1, bands).

    They are triangles on the mel scale, from 20 Hz to half the rate.
    """
    n_fft = 1 << (rate * 25 // 1000 - 1).bit_length()

    def mel(frequency: NDArray | float) -> NDArray:
        return 1127.0 * np.log1p(np.asarray(frequency) / 700.0)

    edges = np.linspace(mel(_KALDI_LOWEST), mel(rate / 2), bands + 2)
    return _triangles(mel(_bins(rate, n_fft)), edges)


def slaney_power(
    samples: NDArray, rate: int, filters: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return powers in bands (frames, bands) by Slaney's custom.

    Frames of 25 ms around every 10th ms, with silence before and behind the sound.
    """
    length, step = rate * 25 // 1000, rate // 100
    around = np.pad(samples.astype(np.float64), length // 2)
    frames = sliding_window_view(_at_least(around, length), length)[::step]
    # A period of the window, as spectra of music are made.
    return _power(frames * np.hanning(length + 1)[:-1], length) @ filters


def slaney_filters(rate: int, bands: int) -> NDArray[np.float64]:
    """Return the triangles of Slaney's bands, of equal areas, from 0 Hz to half the
    rate: (n_fft / 2 + 1, bands)."""
    n_fft = rate * 25 // 1000
    top = _slaney_mel(rate / 2)
    edges = _slaney_frequency(np.linspace(0.0, top, bands + 2))
    return _triangles(_bins(rate, n_fft), edges) * 2.0 / (edges[2:] - edges[:-2])


def _slaney_mel(frequency: float) -> float:
    if frequency < _BREAK:
        return frequency / _LINEAR_STEP
    return _BREAK / _LINEAR_STEP + float(np.log(frequency / _BREAK)) / _LOG_STEP


def _slaney_frequency(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    first = _BREAK / _LINEAR_STEP
    above = _BREAK * np.exp(_LOG_STEP * (mel - first))
    return np.where(mel < first, mel * _LINEAR_STEP, above)


def _bins(rate: int, n_fft: int) -> NDArray[np.float64]:
    return np.arange(n_fft // 2 + 1, dtype=np.float64) * (rate / n_fft)


def _triangles(
    places: NDArray[np.float64], edges: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return how much of each place (rows) is in each triangle between edges."""
    left, peak, right = edges[:-2], edges[1:-1], edges[2:]
    up = (places[:, None] - left) / (peak - left)
    down = (right - places[:, None]) / (right - peak)
    return np.maximum(0.0, np.minimum(up, down))


def _power(frames: NDArray[np.float64], n_fft: int) -> NDArray[np.float64]:
    spectrum = np.fft.rfft(frames, n_fft, axis=1)
    power: NDArray[np.float64] = spectrum.real**2 + spectrum.imag**2
    return power


def _at_least(samples: NDArray, n: int) -> NDArray:
    return samples if len(samples) >= n else np.pad(samples, (0, n - len(samples)))
