"""Sounds of every form, read and decoded one at a time."""

import hashlib
import numbers
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from ._columns import is_missing, list_of_items
from ._files import absolute_path, read_file
from ._item_source import BadItemError
from ._rows_of_items import RowsOfItems
from ._sound import Sound, checked_rate, from_file_bytes, from_samples

# Largest sound file: what the most samples take as float64.
_MAX_BYTES = 2**30


class BadSoundError(BadItemError):
    """A row of ``X`` that is no sound; the message names it and a remedy.

    Raised by ``fit`` and ``transform`` with a :class:`~skknn.AudioBackbone`, unless
    they have ``on_error="nan"``. It is a ``ValueError`` and an ``OSError``.

    Parameters
    ----------
    message : str
    row : int, optional
        Position in ``X``.
    file : str, optional
        The file, where the row is a path.
    problem : str, default=""
        What is wrong, alone.
    reason : str, default=""
        Row, file and what is wrong, without the remedy.
    remedy : str, default=""
        What to do about it.
    argument : str, default="X"
        Name of the argument that the row is in.

    Attributes
    ----------
    row : int or None
        As given.
    file : str or None
        As given.
    problem : str
        As given.
    reason : str
        As given.
    remedy : str
        As given.
    argument : str
        As given.

    Examples
    --------
    >>> import numpy as np
    >>> from skknn.modalities import BadSoundError, as_sounds
    >>> try:
    ...     as_sounds([np.ones(800), None]).item(1)
    ... except BadSoundError as error:
    ...     print(error.row, error.problem)
    1 it is missing (None)
    """


class SoundContent:
    """One sound before it is decoded.

    Parameters
    ----------
    samples : bytes or ndarray
        Bytes are those of an encoded file.
    rate : object
        Samples a second of an array, if they are known.
    """

    __slots__ = ("rate", "samples")

    def __init__(self, samples: Any, rate: Any = None) -> None:
        self.samples, self.rate = samples, rate

    @property
    def n_bytes(self) -> int:
        """Memory that it holds."""
        encoded = isinstance(self.samples, bytes)
        return len(self.samples) if encoded else self.samples.nbytes

    def digest(self) -> bytes:
        """Return 20 bytes that stand for the content: of the file as it is on disk,
        or of samples and rate where there is no file."""
        if isinstance(self.samples, bytes):
            data = self.samples
            return hashlib.blake2b(data, digest_size=20, person=b"sound").digest()
        array = self.samples
        form = f"{array.dtype.str}{array.shape}@{self.rate}:".encode()
        state = hashlib.blake2b(form, digest_size=20, person=b"samples")
        state.update(np.ascontiguousarray(array).tobytes())
        return state.digest()

    def sound(self) -> Sound:
        """Decode it."""
        if isinstance(self.samples, bytes):
            return from_file_bytes(self.samples)
        return from_samples(self.samples, self.rate)


class SoundSource(RowsOfItems):
    """A sequence of sounds: an :class:`~skknn.modalities.ItemSource`.

    Parameters
    ----------
    items : list
        Paths, pairs of samples and rate, arrays; anything else is a row that cannot
        be used.
    """

    unit = "sound"
    _error = BadSoundError
    _remedy = "Mend it, or leave such rows out, with their labels."

    def fetch(self, row: int) -> SoundContent:
        """Read, but do not decode, one sound.

        Raises
        ------
        BadSoundError
            If the row is no sound or its file cannot be read.
        """
        try:
            return _read(self._items[row])
        except Exception as error:
            raise self.bad(row, error) from error

    def item(self, row: int, content: SoundContent | None = None) -> Sound:
        """Decode one sound.

        Raises
        ------
        BadSoundError
            If the row is no sound or cannot be decoded.
        ModuleNotFoundError
            If it is a file, and what reads files is not installed.
        """
        content = self.fetch(row) if content is None else content
        try:
            return content.sound()
        except ImportError:
            # Not the row's fault.
            raise
        except Exception as error:
            raise self.bad(row, error) from error

    def part(self, low: int, high: int) -> "SoundSource":
        """Return consecutive sounds; paths that another process can follow."""
        part = self.rows(range(low, high))
        part._items = [absolute_path(item) for item in part._items]
        return part


def as_sounds(X: Any) -> SoundSource:
    """Give the sounds of ``X``.

    Parameters
    ----------
    X : list, tuple, 1-D array or Series, or a data frame of one column
        Of paths of sound files, pairs ``(samples, rate)``, dicts with "array" and
        "sampling_rate", or arrays of samples at the backbone's rate. A 2-D array of
        numbers holds one such sound a row.

    Returns
    -------
    SoundSource
        Rows are not looked at yet.

    Raises
    ------
    TypeError, ValueError
        If ``X`` is a single sound, no column, or is empty.
    """
    numeric = getattr(getattr(X, "dtype", None), "kind", "") in ("i", "u", "f")
    numeric = numeric or (hasattr(X, "detach") and hasattr(X, "ndim"))
    if _is_pair(X) or numeric and X.ndim < 2:
        raise ValueError("X is a single sound. Pass a list, such as [sound]")
    if numeric and not hasattr(X, "iloc") and not isinstance(X, np.ma.MaskedArray):
        X = list(X)
    single = (str, bytes, os.PathLike)
    return SoundSource(list_of_items(X, unit="sound", single=single))


def _read(item: Any) -> SoundContent:
    if isinstance(item, (str, os.PathLike)):
        if not str(item).strip():
            raise ValueError("it is an empty path")
        return SoundContent(read_file(item, _check_n_bytes, "List its files"))
    if isinstance(item, (bytes, bytearray)):
        return SoundContent(bytes(item))
    if is_missing(item):
        raise ValueError(f"it is missing ({item!r})")
    if isinstance(item, numbers.Number):
        raise TypeError(
            f"it is a number ({item!r}). One sound alone is passed as [samples], or "
            "[(samples, rate)]"
        )
    if isinstance(item, Mapping):
        if not {"array", "sampling_rate"} <= set(item):
            keys = ", ".join(map(repr, list(item)[:4]))
            raise TypeError(
                f"a dict with {keys} is no sound: 'array' and 'sampling_rate' are "
                "needed"
            )
        item = item["array"], item["sampling_rate"]
    if _is_pair(item):
        first, second = item
        # scipy.io.wavfile gives the rate first, all others the samples.
        rate_first = isinstance(first, numbers.Number)
        samples, rate = (second, first) if rate_first else (first, second)
        return SoundContent(_array(samples), checked_rate(rate))
    if _lacks_rate(item):
        checked_rate(item[1])
    return SoundContent(_array(item))


def _is_pair(item: Any) -> bool:
    """Recognise samples and their rate."""
    if not isinstance(item, (tuple, list)) or len(item) != 2:
        return False
    numeric = [isinstance(part, numbers.Number) for part in item]
    other = item[numeric.index(False)] if sum(numeric) == 1 else None
    return hasattr(other, "__len__") and not isinstance(other, (str, bytes))


def _lacks_rate(item: Any) -> bool:
    """Recognise samples with something else where the rate should be."""
    if not isinstance(item, (tuple, list)) or len(item) != 2:
        return False
    return hasattr(item[0], "ndim") and (item[1] is None or isinstance(item[1], str))


def _array(samples: Any) -> Any:
    if hasattr(samples, "detach"):
        samples = samples.detach().cpu()
        samples = samples.float() if samples.is_floating_point() else samples
        return samples.numpy()
    if isinstance(samples, np.ma.MaskedArray):
        raise ValueError("it is a masked array, whose mask would be lost")
    if isinstance(samples, np.ndarray):
        return samples
    if isinstance(samples, (list, tuple)) or hasattr(samples, "__array__"):
        try:
            return np.asarray(samples)
        except ValueError:
            raise ValueError("its samples have no one shape") from None
    raise TypeError(
        f"a {type(samples).__name__} ({samples!r:.60}) is no path, array or pair "
        "(samples, rate)"
    )


def _check_n_bytes(n_bytes: int) -> None:
    if n_bytes > _MAX_BYTES:
        raise ValueError(
            f"the file has {n_bytes} bytes, more than the {_MAX_BYTES} that a sound "
            "may have. Cut it into clips"
        )
