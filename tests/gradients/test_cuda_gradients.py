"""FUNGI on a CUDA device: the rows of the CPU, memory, out of memory, pickles."""

import gc
import pickle
import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest
import torch
from fungi_references import FAMILIES, noise_images

from skknn import DINOObjective, FungiTransformer, SimCLRObjective

pytestmark = pytest.mark.gpu

OBJECTIVES = (
    "kl",
    DINOObjective(n_local=3, head_dim=64),
    SimCLRObjective(n_views=9, n_negatives=3),
)
FIVE = ["efficientnet_lite", "resnet", "convnext", "vit_cls", "swin"]


def fungi(family="vit_cls", **kwargs):
    name, params, size = FAMILIES[family]
    settings = {
        "objectives": OBJECTIVES,
        "include_view_embeddings": True,
        "n_components": None,
        "weights": None,
        "random_state": 0,
        "device": "cuda",
        "precision": "float32",
        "backbone_params": params,
        "image_size": size,
    }
    return FungiTransformer(name, **settings | kwargs)


def error(found, expected):
    """Largest difference of two unit rows."""
    return np.linalg.norm(found - expected, axis=1).max()


@pytest.mark.parametrize("family", FIVE)
def test_float32_is_float32(family):
    X = noise_images(9)
    # TF32 is on for convolutions by default, and may be on for products.
    torch.set_float32_matmul_precision("high")
    try:
        on_cuda = fungi(family).fit(X)
        found = on_cuda.transform(X)
    finally:
        torch.set_float32_matmul_precision("highest")
    on_cpu = fungi(family, device="cpu").fit(X)
    expected = on_cpu.transform(X)
    for name, part in on_cpu.feature_slices_.items():
        limit = 1e-5 if name == "embedding" else 1e-4
        assert error(found[:, part], expected[:, part]) < limit, name


@pytest.mark.parametrize("family", FIVE)
def test_bfloat16_stays_near(family):
    X = noise_images(9)
    rough = fungi(family, precision="bf16").fit(X).transform(X)
    exact = fungi(family, device="cpu").fit(X)
    expected = exact.transform(X)
    for name, part in exact.feature_slices_.items():
        cosine = (rough[:, part] * expected[:, part]).sum(axis=1)
        assert cosine.min() > 0.97, name


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_views_are_the_same_bytes(precision):
    X = noise_images(2)
    on_cuda = fungi("convnext", precision=precision).fit(X)
    on_cpu = fungi("convnext", device="cpu").fit(X)
    for name in on_cpu.objectives_:
        found, expected = on_cuda.views(X, name), on_cpu.views(X, name)
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_images_of_many_sizes_are_cut_on_the_card():
    sizes = [(500, 375), (375, 500), (61, 30), (33, 200), (500, 375), (1200, 900)]
    X = [noise_images(1, seed=i, shape=s)[0] for i, s in enumerate(sizes)]
    on_cuda, on_cpu = fungi().fit(X), fungi(device="cpu").fit(X)
    for name in on_cpu.objectives_:
        found, expected = on_cuda.views(X, name), on_cpu.views(X, name)
        np.testing.assert_allclose(found, expected, atol=1e-6)
    found, expected = on_cuda.transform(X), on_cpu.transform(X)
    for part in on_cpu.feature_slices_.values():
        assert error(found[:, part], expected[:, part]) < 1e-4


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_the_same_call_gives_the_same_bits(precision):
    X = noise_images(9)
    fitted = fungi(precision=precision).fit(X)
    np.testing.assert_array_equal(fitted.transform(X), fitted.transform(X))


def test_rows_do_not_depend_on_their_batch():
    X = noise_images(20)
    rows = fungi().fit(X).transform(X)
    for batch_size in (1, 7, 16):
        fitted = fungi(batch_size=batch_size).fit(X)
        assert error(fitted.transform(X)[::-1], rows[::-1]) < 5e-5
    fitted = fungi().fit(X)
    assert error(fitted.transform(X[3:5]), rows[3:5]) < 5e-5
    gradients = fitted.gradients(X, "dino")
    alone = fitted.gradients(X[4:5], "dino")[0]
    assert np.linalg.norm(gradients[4] - alone) < 1e-5 * np.linalg.norm(alone)


@pytest.mark.parametrize("family", ["vit_cls", "efficientnet_lite"])
def test_memory_is_given_back(family):
    X = noise_images(12)
    gc.collect()
    before = torch.cuda.memory_allocated()
    fitted = fungi(family, precision="bf16").fit(X)
    fitted.transform(X)
    gc.collect()
    kept = torch.cuda.memory_allocated()
    for _ in range(3):
        fitted.transform(X)
    gc.collect()
    assert torch.cuda.memory_allocated() == kept
    del fitted
    gc.collect()
    # Matrices of the views' sizes stay, for other transformers.
    assert torch.cuda.memory_allocated() - before < 2**23


def test_out_of_memory_halves_the_batch():
    X = noise_images(64)
    name, size = "vit_small_patch16_224", 224
    settings = {"backbone_params": None, "image_size": size, "objectives": ("kl",)}
    rows = {}
    for limited in (False, True):
        fitted = fungi(**settings, batch_size=64).set_params(backbone=name).fit(X[:2])
        fitted.transform(X[:2])
        torch.cuda.empty_cache()
        if limited:
            total = torch.cuda.get_device_properties(0).total_memory
            held = torch.cuda.memory_reserved() + 120 * 2**20
            torch.cuda.set_per_process_memory_fraction(min(1.0, held / total))
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                rows[limited] = fitted.transform(X)
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0)
        ran_out = any("ran out of memory" in str(w.message) for w in caught)
        assert ran_out == limited
    assert error(rows[True], rows[False]) < 5e-5


def test_two_transformers_share_a_card():
    X = noise_images(12)
    fitted = [fungi("vit_cls").fit(X), fungi("resnet", precision="bf16").fit(X)]
    expected = [f.transform(X) for f in fitted]
    found = [None, None]

    def run(which):
        for _ in range(4):
            found[which] = fitted[which].transform(X)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for rows, want in zip(found, expected):
        np.testing.assert_array_equal(rows, want)


def test_one_transformer_in_two_threads():
    X = noise_images(12)
    fitted = fungi("swin").fit(X)
    expected, found = fitted.transform(X), [None, None]

    def run(which):
        found[which] = fitted.transform(X)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for rows in found:
        np.testing.assert_array_equal(rows, expected)


LOADED = """
import pickle, sys, warnings, torch
assert not torch.cuda.is_available()
warnings.simplefilter("ignore")
fitted, X = pickle.load(sys.stdin.buffer)
sys.stdout.buffer.write(pickle.dumps(fitted.transform(X)))
"""


@pytest.mark.parametrize("device", [None, "cuda"])
def test_pickles_go_to_machines_without_cuda(device, tmp_path):
    import os

    X = noise_images(3)
    fitted = fungi(device=device).fit(X)
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [sys.executable, "-c", LOADED],
        input=pickle.dumps((fitted, X)),
        env=environment,
        capture_output=True,
        check=True,
    )
    rows = pickle.loads(done.stdout)
    for part in fitted.feature_slices_.values():
        assert error(rows[:, part], fitted.transform(X)[:, part]) < 1e-4
