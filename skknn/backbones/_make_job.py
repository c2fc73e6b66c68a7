"""The job that suits an extractor, and what that answers to a few fixed items."""

from typing import Any

import numpy as np

from ..utils._behaviour import Answer
from ._audio_extractor import AudioExtractor
from ._audio_job import AudioJob
from ._dense_extractor import DenseExtractor, DenseJob
from ._extractor import Extractor
from ._frozen_extractor import FrozenExtractor
from ._job import EmbeddingJob
from ._probe import ROUNDING, folded
from ._text_extractor import TextExtractor
from ._text_job import TextJob


def make_job(
    extractor: FrozenExtractor, batch_size: int | str = "auto"
) -> EmbeddingJob | TextJob | AudioJob:
    """Return the work on many items, for the extraction loop.

    Parameters
    ----------
    extractor : FrozenExtractor
    batch_size : int or "auto"
        Items in one forward pass (of images: on an accelerator).
    """
    if isinstance(extractor, TextExtractor):
        return TextJob(extractor, batch_size)
    if isinstance(extractor, AudioExtractor):
        return AudioJob(extractor, batch_size)
    if isinstance(extractor, DenseExtractor):
        return DenseJob(extractor, batch_size)
    assert isinstance(extractor, Extractor)
    return EmbeddingJob(extractor, batch_size)


def embedding_answers(extractor: FrozenExtractor, n: int) -> list[Answer]:
    """Return the rows of ``n`` fixed items, as a row cache compares them."""
    return job_answers(make_job(extractor, n), extractor, n)


def job_answers(
    job: Any, extractor: FrozenExtractor, n: int, more_rounding: float = 1.0
) -> list[Answer]:
    """Return what a job on an extractor's items gives for ``n`` fixed ones.

    Parameters
    ----------
    job : EmbeddingJob, TextJob or AudioJob
    extractor : FrozenExtractor
    n : int
    more_rounding : float
        By how much its rows round more than embeddings do.
    """
    items = extractor.questions(n)
    with job.running():
        prepared = [job.prepare(item) for item in items]
        rows = np.stack([folded(row) for row in job.collect(job.launch(prepared))])
    return [Answer(rows, more_rounding * ROUNDING[extractor.precision])]
