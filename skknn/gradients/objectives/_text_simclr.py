"""Contrast between a text with words left out and other texts (SimCLR)."""

import numbers
from typing import Any

from ...utils._sklearn import Interval
from ..views import TextFrame, delete_words, text_generator
from ._info_nce import KeyedInfoNCE


class TextSimCLRObjective(KeyedInfoNCE):
    """InfoNCE over copies of a text with words left out, against fixed negatives.

    Equation 5 of FUNGI [1]_ with the views of its Section 5.3: in each view every word
    is left out independently; one always stays. Views depend on the text and
    ``random_state`` alone. This is what ``"simclr"`` stands for with a
    :class:`TextBackbone`.

    Parameters
    ----------
    n_views : int, default=12
        Positive views (F Table 19, as the following).
    n_negatives : int, default=256
        Texts whose views are negatives, drawn from the training rows at ``fit``; all
        rows when there are fewer. 0 leaves the positives alone.
    n_negative_views : int, default=2
        Views of each of them.
    temperature : float, default=0.07
        T.
    head_dim : int, default=256
        Outputs of the random head.
    deletion : float, default=0.1
        Probability that a word is left out.

    See Also
    --------
    KLObjective, SimCLRObjective, TextBackbone, FungiTransformer

    References
    ----------
    .. [1] W. Simoncini, S. Gidaris, A. Bursuc, Y. M. Asano, "No Train, all Gain:
       Self-Supervised Gradients Improve Deep Frozen Representations", NeurIPS 2024.
       https://arxiv.org/abs/2407.10964

    Examples
    --------
    >>> from skknn import TextSimCLRObjective
    >>> TextSimCLRObjective(deletion=0.2)
    TextSimCLRObjective(deletion=0.2)
    """

    name = "simclr"
    modalities = ("text",)

    _param_remedies = {
        "n_views": "Use a number of views from 2 on; 12 is published.",
        "n_negatives": "Use a number of training texts from 0 on; 256 is published.",
        "n_negative_views": "Use a number of views of each of them; 2 is published.",
        "temperature": "Use a positive number; 0.07 is published.",
        "head_dim": "Use the width of the random head; 256 is published.",
        "deletion": "Use the share of words to delete, from 0 to 1; 0.1 is published.",
    }
    _parameter_constraints = {
        **KeyedInfoNCE._parameter_constraints,
        "deletion": [Interval(numbers.Real, 0, 1, closed="both")],
    }

    def __init__(
        self,
        n_views: int = 12,
        n_negatives: int = 256,
        n_negative_views: int = 2,
        temperature: float = 0.07,
        head_dim: int = 256,
        deletion: float = 0.1,
    ) -> None:
        self.n_views = n_views
        self.n_negatives = n_negatives
        self.n_negative_views = n_negative_views
        self.temperature = temperature
        self.head_dim = head_dim
        self.deletion = deletion

    def views(self, text: str, frame: TextFrame, drawn: Any) -> list[str]:
        """Return ``n_views`` copies with words left out.

        Parameters
        ----------
        text : str
        frame : TextFrame
        drawn : int
            What :meth:`draw` returned.

        Returns
        -------
        views : list of str
        """
        rng = text_generator(text, drawn)
        return [delete_words(text, rng, self.deletion) for _ in range(self.n_views)]
