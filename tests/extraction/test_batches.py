"""Batches of accelerators, run here on the CPU; device memory that runs out."""

import gc
import warnings
import weakref

import numpy as np
import pytest
import torch

from skknn import BackboneEmbedder
from skknn.backbones._job import EmbeddingJob
from skknn.extraction import RowCache, run_job
from skknn.modalities import as_images

ARRAYS = np.random.default_rng(0).integers(0, 256, (21, 20, 20, 3), dtype=np.uint8)


def fitted(**kwargs):
    settings = {"image_size": 64, "weights": None, "random_state": 0, "device": "cpu"}
    return BackboneEmbedder("test_resnet", **settings | kwargs).fit(ARRAYS)


class OnAccelerator(EmbeddingJob):
    """Collects prepared images into batches, as on CUDA."""

    def __init__(self, extractor, batch_size):
        super().__init__(extractor, batch_size)
        self.computes_in_workers = False


def run(embedder, batch_size, cache=None):
    job = OnAccelerator(embedder.backbone_, batch_size)
    return run_job(job, as_images(ARRAYS), cache=cache, n_threads=2).values


def limit_memory(embedder, most, error):
    """Fail like a device that has room for so many images; list what it ran."""
    sizes = []

    def hook(module, args):
        sizes.append(len(args[0]))
        if sizes[-1] > most:
            raise error

    embedder.backbone_.module.register_forward_pre_hook(hook)
    return sizes


@pytest.fixture(scope="module")
def expected():
    return fitted().transform(ARRAYS)


@pytest.mark.parametrize("batch_size", [1, 4, 8, 21, 100])
def test_batches_give_the_rows_of_single_images(batch_size, expected):
    np.testing.assert_allclose(
        run(fitted(), batch_size), expected, rtol=1e-4, atol=1e-5
    )


def test_batches_are_full(expected):
    embedder = fitted()
    sizes = limit_memory(embedder, 100, None)
    run(embedder, 8)
    assert sizes == [8, 8, 5]


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED"),
    ],
    ids=["CUDA", "MPS", "cuBLAS"],
)
@pytest.mark.parametrize("with_cache", [False, True])
def test_the_batch_is_halved_until_it_fits(error, with_cache, expected, tmp_path):
    embedder = fitted()
    sizes = limit_memory(embedder, 3, error)
    cache = RowCache(tmp_path, {}) if with_cache else None
    with pytest.warns(UserWarning, match="ran out of memory with .* images") as seen:
        rows = run(embedder, 16, cache)
    # 16, 8 and 4 are too many; the second batch of 5 starts with what did fit.
    assert sizes == [16, 8, 4, *[2] * 8, 2, 2, 1]
    assert [str(w.message).split("with ")[1][:2].strip() for w in seen] == [
        "16",
        "8",
        "4",
    ]
    np.testing.assert_allclose(rows, expected, rtol=1e-4, atol=1e-5)
    assert cache is None or len(cache) == 21


def test_an_image_that_does_not_fit_alone_is_an_error(expected):
    embedder = fitted()
    sizes = limit_memory(embedder, 0, torch.OutOfMemoryError("out of memory"))
    with pytest.warns(UserWarning, match="ran out of memory"):
        with pytest.raises(MemoryError, match="single image.*image_size.*device='cpu'"):
            run(embedder, 4)
    assert sizes == [4, 2, 1]


def test_other_errors_are_not_taken_for_a_lack_of_memory():
    embedder = fitted()
    sizes = limit_memory(embedder, 0, RuntimeError("shapes do not match"))
    with pytest.raises(RuntimeError, match="shapes do not match"):
        run(embedder, 4)
    assert sizes == [4]


class Asynchronous(OnAccelerator):
    """Finds out only in ``collect`` that a batch of more than ``most`` did not fit."""

    def __init__(self, extractor, batch_size, most):
        super().__init__(extractor, batch_size)
        self.most, self.log = most, []

    def launch(self, prepared):
        self.log.append(("launch", len(prepared)))
        return len(prepared), super().launch(prepared)

    def collect(self, launched):
        n, rows = launched
        self.log.append(("collect", n))
        if n > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return super().collect(rows)


def test_the_next_batch_is_launched_before_the_last_is_collected():
    job = Asynchronous(fitted().backbone_, 6, most=100)
    run_job(job, as_images(ARRAYS), n_threads=2)
    order = [("launch", 6), ("launch", 6), ("collect", 6), ("launch", 6)]
    order += [("collect", 6), ("launch", 3), ("collect", 6), ("collect", 3)]
    assert job.log == order


def test_memory_that_runs_out_late_is_noticed_as_well(expected):
    job = Asynchronous(fitted().backbone_, 8, most=3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rows = run_job(job, as_images(ARRAYS), n_threads=2).values
    np.testing.assert_allclose(rows, expected, rtol=1e-4, atol=1e-5)
    assert max(n for what, n in job.log[-6:]) <= 2


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_cuda_agrees_with_the_cpu(precision, expected):
    rows = fitted(device="cuda", precision=precision).transform(ARRAYS)
    error = np.linalg.norm(rows - expected) / np.linalg.norm(expected)
    assert error < (1e-5 if precision == "float32" else 3e-2)


class Held:
    """Something large that a computation made before memory ran out."""


def test_what_failed_is_let_go_before_the_next_attempt(expected):
    """A traceback that is kept keeps all that was computed up to the error."""
    held, alive = [], []

    class Large(Asynchronous):
        def launch(self, prepared):
            gc.collect()
            alive.append(sum(what() is not None for what in held))
            return super().launch(prepared)

        def collect(self, launched):
            large = Held()
            held.append(weakref.ref(large))
            return super().collect(launched)

    job = Large(fitted().backbone_, 8, most=3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run_job(job, as_images(ARRAYS), n_threads=2)
    assert len(held) > 8 and set(alive) == {0}


def test_what_failed_in_a_thread_is_let_go_before_the_next_attempt():
    held, alive = [], []

    class Large(OnAccelerator):
        def prepare(self, item, missing=None):
            gc.collect()
            alive.append(sum(what() is not None for what in held))
            if len(held) < 3:
                large = Held()
                held.append(weakref.ref(large))
                raise MemoryError("no room")
            return super().prepare(item, missing)

    job = Large(fitted().backbone_, 8)
    run_job(job, as_images(ARRAYS[:1]), n_threads=1)
    assert alive == [0, 0, 0, 0]
