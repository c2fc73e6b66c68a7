"""The batched path of accelerators, run here on the CPU; memory that runs out."""

import warnings

import numpy as np
import pytest
import torch

from skknn import BackboneEmbedder
from skknn.extraction._loop import extract_rows
from skknn.modalities import as_images

ARRAYS = np.random.default_rng(0).integers(0, 256, (21, 20, 20, 3), dtype=np.uint8)


def as_on_an_accelerator(**kwargs):
    """An embedder that collects prepared images into batches, as on CUDA."""
    settings = {"image_size": 64, "weights": None, "random_state": 0, "device": "cpu"}
    embedder = BackboneEmbedder("test_resnet", **settings | kwargs).fit(ARRAYS)
    embedder.backbone_.heavy_work = False
    return embedder


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
    return BackboneEmbedder(
        "test_resnet", image_size=64, weights=None, random_state=0, device="cpu"
    ).fit_transform(ARRAYS)


@pytest.mark.parametrize("batch_size", [1, 4, 8, 21, 100])
def test_batches_give_the_rows_of_single_images(batch_size, expected):
    rows = as_on_an_accelerator(batch_size=batch_size).transform(ARRAYS)
    np.testing.assert_allclose(rows, expected, rtol=1e-4, atol=1e-5)


def test_batches_are_full(expected):
    embedder = as_on_an_accelerator(batch_size=8)
    sizes = limit_memory(embedder, 100, None)
    embedder.transform(ARRAYS)
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
    memory = tmp_path if with_cache else None
    embedder = as_on_an_accelerator(batch_size=16, memory=memory)
    sizes = limit_memory(embedder, 3, error)
    with pytest.warns(UserWarning, match="ran out of memory with .* images") as seen:
        rows = embedder.transform(ARRAYS)
    # 16, 8 and 4 are too many; the second batch of 5 starts with what did fit.
    assert sizes == [16, 8, 4, *[2] * 8, 2, 2, 1]
    assert [str(w.message).split("with ")[1][:2].strip() for w in seen] == [
        "16",
        "8",
        "4",
    ]
    np.testing.assert_allclose(rows, expected, rtol=1e-4, atol=1e-5)


def test_an_image_that_does_not_fit_alone_is_an_error(expected):
    embedder = as_on_an_accelerator(batch_size=4)
    sizes = limit_memory(embedder, 0, torch.OutOfMemoryError("out of memory"))
    with pytest.warns(UserWarning, match="ran out of memory"):
        with pytest.raises(MemoryError, match="single image.*image_size.*device='cpu'"):
            embedder.transform(ARRAYS)
    assert sizes == [4, 2, 1]


def test_other_errors_are_not_taken_for_a_lack_of_memory():
    embedder = as_on_an_accelerator(batch_size=4)
    sizes = limit_memory(embedder, 0, RuntimeError("shapes do not match"))
    with pytest.raises(RuntimeError, match="shapes do not match"):
        embedder.transform(ARRAYS)
    assert sizes == [4]


@pytest.mark.parametrize("heavy", [True, False])
def test_few_images_are_held_at_a_time(heavy):
    """What is prepared but not yet stored is bounded, whatever the number of rows."""
    ahead, stored = [], 0

    def prepare(image):
        ahead.append(1)
        return np.zeros(2, np.float32)

    def compute(prepared):
        nonlocal stored
        most.append(len(ahead) - stored)
        stored += len(prepared)
        return np.stack(prepared)

    class Store(dict):
        def get(self, keys):
            return {}

        def put(self, keys, rows):
            pass

    most = []
    rng = np.random.default_rng(0)
    images = as_images(rng.integers(0, 256, (900, 4, 4), dtype=np.uint8))
    extract_rows(
        images,
        prepare,
        compute,
        2,
        batch_size=8,
        n_threads=3,
        cache=Store(),
        heavy_prepare=heavy,
    )
    assert stored == 900
    assert max(most) <= (8 if heavy else 2 * 8 + 3)


def test_rows_come_in_order_whatever_takes_long():
    import time

    def prepare(image):
        level = image.getpixel((0, 0))[0]
        time.sleep(0.02 if level % 7 == 0 else 0)
        return np.array([level], np.float32)

    X = np.arange(60, dtype=np.uint8)[:, None, None].repeat(2, 1).repeat(2, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rows, failed = extract_rows(
            as_images(X), prepare, np.stack, 1, batch_size=8, n_threads=4
        )
    np.testing.assert_array_equal(rows[:, 0], np.arange(60))
    assert failed == []


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_cuda_agrees_with_the_cpu(precision, expected):
    rows = BackboneEmbedder(
        "test_resnet",
        image_size=64,
        weights=None,
        random_state=0,
        device="cuda",
        precision=precision,
    ).fit_transform(ARRAYS)
    error = np.linalg.norm(rows - expected) / np.linalg.norm(expected)
    assert error < (1e-3 if precision == "float32" else 3e-2)
