"""Views of texts: words left out at random, by the text and a seed alone."""

import re
from dataclasses import dataclass

import numpy as np

from ._keyed import content_generator

# A word with the white space behind it, so that what stays is spelled as it was.
_WORD = re.compile(r"\S+\s*")


@dataclass(frozen=True)
class TextFrame:
    """What views of texts have to know of the model.

    Attributes
    ----------
    max_length : int
        Tokens that it gets of a view; the rest is cut off.
    """

    max_length: int


def text_generator(text: str, seed: int) -> np.random.Generator:
    """Return a generator that depends on a text and a seed, and on nothing else.

    So views are the same wherever the text stands, and whatever stands beside it.

    Parameters
    ----------
    text : str
    seed : int
        Not negative.
    """
    return content_generator(text.encode(), seed)


def delete_words(text: str, rng: np.random.Generator, probability: float) -> str:
    """Return a text without some of its words, each left out independently.

    One word always stays: where chance would take all, one drawn at random.

    Parameters
    ----------
    text : str
    rng : numpy.random.Generator
    probability : float
        Of each word, to be left out.

    Examples
    --------
    >>> import numpy as np
    >>> from skknn.gradients.views import delete_words
    >>> delete_words("one two three four", np.random.default_rng(0), 0.5)
    'one'
    """
    words = _WORD.findall(text)
    stays = rng.random(len(words)) >= probability
    # Drawn in any case, so that the same numbers follow.
    one = int(rng.integers(max(1, len(words))))
    if not stays.any():
        stays[one:][:1] = True
    return "".join(word for word, stay in zip(words, stays) if stay).strip()
