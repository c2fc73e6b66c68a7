"""The job that suits an extractor, and what that answers to a few fixed pictures."""

import numpy as np

from ..modalities import RGBImage
from ..utils._behaviour import Answer
from ._dense_extractor import DenseExtractor, DenseJob
from ._extractor import Extractor
from ._job import EmbeddingJob
from ._probe import ROUNDING, folded, pictures


def make_job(extractor: Extractor, batch_size: int | str = "auto") -> EmbeddingJob:
    """Return the work on many images, for the extraction loop.

    Parameters
    ----------
    extractor : Extractor
    batch_size : int or "auto"
        Images in one forward pass on an accelerator; "auto" goes by the free memory of
        a CUDA device.
    """
    if isinstance(extractor, DenseExtractor):
        return DenseJob(extractor, batch_size)
    return EmbeddingJob(extractor, batch_size)


def embedding_answers(extractor: Extractor, n: int) -> list[Answer]:
    """Return the rows of ``n`` fixed pictures, as a row cache compares them."""
    return job_answers(make_job(extractor, n), extractor, n)


def job_answers(
    job: EmbeddingJob, extractor: Extractor, n: int, more_rounding: float = 1.0
) -> list[Answer]:
    """Return what a job on an extractor's images gives for ``n`` fixed pictures.

    Parameters
    ----------
    job : EmbeddingJob
    extractor : Extractor
    n : int
    more_rounding : float
        By how much its rows round more than embeddings do.
    """
    images = pictures(tuple(extractor.data_config["input_size"][1:]), n)
    with job.running():
        prepared = [job.prepare(RGBImage(image)) for image in images]
        rows = np.stack([folded(row) for row in job.collect(job.launch(prepared))])
    return [Answer(rows, more_rounding * ROUNDING[extractor.precision])]
