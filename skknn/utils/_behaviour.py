"""What something answers to fixed questions, to know it again by what it does.

Code cannot be read completely: a network may keep functions, tensors or a ``forward``
of its own anywhere. So rows belong to the answers besides all that can be digested.
Answers are compared, never digested, because another processor rounds differently.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ._warn import warn

# Pictures that a network is asked about.
N_QUESTIONS = 3


@dataclass(frozen=True)
class Answer:
    """A table of numbers, and how well rounding lets it be known.

    Attributes
    ----------
    values : ndarray of shape (n, width), float32
    tolerance : float
        Largest difference in a row, relative to the row's largest value.
    """

    values: NDArray[np.float32]
    tolerance: float


class Behaviour:
    """All answers of something.

    Parameters
    ----------
    answers : sequence of Answer
    """

    def __init__(self, answers: Sequence[Answer]) -> None:
        self._answers = tuple(answers)

    def __add__(self, other: "Behaviour") -> "Behaviour":
        return Behaviour((*self._answers, *other._answers))

    def to_bytes(self) -> bytes:
        """Return the numbers, for :meth:`difference`."""
        return b"".join(
            np.ascontiguousarray(answer.values, dtype="<f4").tobytes()
            for answer in self._answers
        )

    def difference(self, stored: bytes) -> float:
        """Return how far stored answers are from these: up to 1 they are the same.

        Parameters
        ----------
        stored : bytes
            What :meth:`to_bytes` gave, here or on another machine.

        Returns
        -------
        float
            Largest difference, in tolerances; infinite where there are other answers.
        """
        if len(stored) != 4 * sum(answer.values.size for answer in self._answers):
            return np.inf
        numbers = np.frombuffer(stored, dtype="<f4")
        largest, start = 0.0, 0
        for answer in self._answers:
            stop = start + answer.values.size
            values = numbers[start:stop].reshape(answer.values.shape)
            largest = max(largest, _difference(answer, values))
            start = stop
        return largest


Ask = Callable[[int], Mapping[str, Sequence[Answer]]]

# What was observed last in this process: searches fit the same things again and again.
_OBSERVED: dict[Hashable, dict[str, Behaviour]] = {}
_N_OBSERVED = 64


def observe(
    ask: Ask, what: str, same: Hashable | None = None
) -> dict[str, Behaviour] | None:
    """Ask, and ask again; return None, with a warning, where the answers differ.

    Parameters
    ----------
    ask : callable
        Number of questions -> answers of each of some things. Rows of an answer that
        depend on the first question come first.
    what : str
        Who answers, for the warning.
    same : hashable, optional
        Equal only for those that answer alike: then nobody is asked again.
    """
    if same is not None and same in _OBSERVED:
        return _OBSERVED[same]
    answers, again = ask(N_QUESTIONS), ask(1)
    for name, repeated in again.items():
        first = Behaviour(
            [
                Answer(answer.values[: len(other.values)], answer.tolerance)
                for answer, other in zip(answers[name], repeated, strict=True)
            ]
        )
        if first.difference(Behaviour(repeated).to_bytes()) > 1:
            warn(
                f"{what} gives other numbers for the same picture when asked again, so "
                "rows are neither stored in the folder of memory= nor read from it. "
                "Take chance and counters out of it, or use memory=None."
            )
            return None
    found = {name: Behaviour(answer) for name, answer in answers.items()}
    if same is not None:
        while len(_OBSERVED) >= _N_OBSERVED:
            _OBSERVED.pop(next(iter(_OBSERVED)), None)
        _OBSERVED[same] = found
    return found


def _difference(answer: Answer, values: NDArray[np.float32]) -> float:
    own = answer.values.astype(np.float64)
    finite = np.isfinite(own)
    special = np.array_equal(own[~finite], values[~finite], equal_nan=True)
    if not special or not np.isfinite(values[finite]).all():
        return np.inf
    own = np.where(finite, own, 0.0)
    error = np.abs(own - np.where(finite, values, 0.0)).max(axis=1, initial=0.0)
    scale = answer.tolerance * np.abs(own).max(axis=1, initial=0.0)
    # Rows of zeros have to be zeros.
    ratios = np.divide(error, scale, out=np.full(len(own), np.inf), where=scale > 0)
    return float(np.where(error == 0, 0.0, ratios).max(initial=0.0))
