"""Views of sounds: noise and a shift along time, by the sound and a seed alone."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ._keyed import content_generator

if TYPE_CHECKING:
    from ...backbones._front_ends import FrontEnd
    from ...modalities import Sound


@dataclass(frozen=True)
class SoundFrame:
    """What views of sounds have to know of the model.

    Attributes
    ----------
    front_end : FrontEnd
        What makes windows of sounds.
    """

    front_end: "FrontEnd"

    def inputs(self, sound: "Sound") -> NDArray[np.float32]:
        """Return what the network takes of a sound: W windows.

        Parameters
        ----------
        sound : Sound
            With ``samples`` and ``rate``.

        Returns
        -------
        windows : ndarray of shape (W, frames, bands) or (W, samples), float32
        """
        return self.front_end(sound)[0]

    @property
    def steps_a_frame(self) -> int:
        """Steps along time in 10 ms: 1 of mel bands, more of samples."""
        return max(1, self.front_end.steps_a_second // 100)

    def noise_unit(self, windows: NDArray[np.float32]) -> float:
        """Return the number that is 1 where inputs are standardised."""
        return self.front_end.noise_unit(windows)


def sound_generator(sound: "Sound", seed: int) -> np.random.Generator:
    """Return a generator that depends on a sound and a seed, and on nothing else.

    Parameters
    ----------
    sound : Sound
    seed : int
        Not negative.
    """
    rate = f"{sound.rate}:".encode()
    return content_generator(rate + sound.samples.tobytes(), seed)


def add_noise(
    windows: NDArray[np.float32], rng: np.random.Generator, amount: float
) -> NDArray[np.float32]:
    """Return c + x1 * x2 * amount: x1 uniform on (0, 1) and of c's shape, x2 one
    uniform number (F Eq. 7).

    Parameters
    ----------
    windows : ndarray of float32
        c.
    rng : numpy.random.Generator
    amount : float
        0.1 in the paper.
    """
    x1 = rng.random(windows.shape, dtype=np.float32)
    x2 = np.float32(rng.random() * amount)
    return windows + x1 * x2


def shift_time(
    windows: NDArray[np.float32], rng: np.random.Generator, most: int, step: int = 1
) -> NDArray[np.float32]:
    """Return windows shifted along time by a whole number drawn from -most to most.

    What leaves a window at one end comes in at the other.

    Parameters
    ----------
    windows : ndarray of shape (W, steps, ...), float32
    rng : numpy.random.Generator
    most : int
    step : int
        What the number is multiplied by.

    Examples
    --------
    >>> import numpy as np
    >>> from skknn.gradients.views import shift_time
    >>> windows = np.arange(5, dtype=np.float32)[None]
    >>> shift_time(windows, np.random.default_rng(0), 2)
    array([[3., 4., 0., 1., 2.]], dtype=float32)
    """
    return np.roll(windows, step * int(rng.integers(-most, most + 1)), axis=1)
