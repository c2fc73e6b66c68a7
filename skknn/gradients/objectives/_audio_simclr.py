"""Contrast between a sound with noise and shifts and other sounds (SimCLR)."""

import numbers
from typing import TYPE_CHECKING, Any

import numpy as np

from ...utils._sklearn import Interval
from ..views import SoundFrame, add_noise, shift_time, sound_generator
from ._info_nce import KeyedInfoNCE

if TYPE_CHECKING:
    from ...modalities import Sound


class AudioSimCLRObjective(KeyedInfoNCE):
    """InfoNCE over copies of a sound with noise and shifts, against fixed negatives.

    Equation 5 of FUNGI [1]_ with the views of its Equation 7: to what the network
    takes of a sound uniform noise of a random loudness is added, and it is shifted
    along time. Views depend on the sound and ``random_state`` alone. This is what
    ``"simclr"`` stands for with an :class:`AudioBackbone`.

    Parameters
    ----------
    n_views : int, default=16
        Positive views (F Table 12, as the following).
    n_negatives : int, default=64
        Sounds whose views are negatives, drawn from the training rows at ``fit``; all
        rows when there are fewer. 0 leaves the positives alone.
    n_negative_views : int, default=2
        Views of each of them.
    temperature : float, default=0.07
        T.
    head_dim : int, default=768
        Outputs of the random head.
    noise : float, default=0.1
        Largest noise, in units of standardised inputs: of mel bands as AST takes them
        1 is twice their standard deviation.
    shift : int, default=10
        Largest shift, in frames of 10 ms; the whole number is drawn from ``-shift`` to
        ``shift``. What leaves a window at one end comes in at the other.

    See Also
    --------
    KLObjective, SimCLRObjective, AudioBackbone, FungiTransformer

    Notes
    -----
    The equation is of mel bands. Of models that take samples it is taken of samples
    with variance 1, with shifts of as many times 10 ms.

    References
    ----------
    .. [1] W. Simoncini, S. Gidaris, A. Bursuc, Y. M. Asano, "No Train, all Gain:
       Self-Supervised Gradients Improve Deep Frozen Representations", NeurIPS 2024.
       https://arxiv.org/abs/2407.10964

    Examples
    --------
    >>> from skknn import AudioSimCLRObjective
    >>> AudioSimCLRObjective(n_views=8)
    AudioSimCLRObjective(n_views=8)
    """

    name = "simclr"
    modalities = ("sound",)

    _param_remedies = {
        "n_views": "Use at least 2 views; 16 is published.",
        "n_negatives": "Use a number of training sounds from 0 on; 64 is published.",
        "n_negative_views": "Use at least one view of each; 2 is published.",
        "temperature": "Use a positive number; 0.07 is published.",
        "head_dim": "Use the width of the random head; 768 is published.",
        "noise": "Use a number from 0 on; 0.1 is published.",
        "shift": "Use a number of frames from 0 on; 10 is published.",
    }
    _parameter_constraints = {
        **KeyedInfoNCE._parameter_constraints,
        "noise": [Interval(numbers.Real, 0, None, closed="left")],
        "shift": [Interval(numbers.Integral, 0, None, closed="left")],
    }

    def __init__(
        self,
        n_views: int = 16,
        n_negatives: int = 64,
        n_negative_views: int = 2,
        temperature: float = 0.07,
        head_dim: int = 768,
        noise: float = 0.1,
        shift: int = 10,
    ) -> None:
        self.n_views = n_views
        self.n_negatives = n_negatives
        self.n_negative_views = n_negative_views
        self.temperature = temperature
        self.head_dim = head_dim
        self.noise = noise
        self.shift = shift

    def views(self, sound: "Sound", frame: SoundFrame, drawn: Any) -> list[np.ndarray]:
        """Return ``n_views`` copies with noise and shifts.

        Parameters
        ----------
        sound : Sound
        frame : SoundFrame
        drawn : int
            What :meth:`draw` returned.

        Returns
        -------
        views : list of ndarray of shape (W, frames, bands) or (W, samples)
        """
        rng = sound_generator(sound, drawn)
        windows = frame.inputs(sound)
        noise = self.noise * frame.noise_unit(windows)
        return [
            shift_time(
                add_noise(windows, rng, noise), rng, self.shift, frame.steps_a_frame
            )
            for _ in range(self.n_views)
        ]
