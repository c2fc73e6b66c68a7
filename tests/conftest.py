"""Fixtures shared by the tests."""

import os

# Small matrix products on several threads crawl as soon as another process wants a
# core, and their last bits depend on the number of threads. Set before numpy loads;
# a value from outside wins.
for _pool in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_pool, "1")

from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(scope="session")
def digits():
    """scikit-learn's 1,797 scans, shuffled: X (n, 64) in [0, 1], y (n,)."""
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    return X[order] / 16, y[order]


@pytest.fixture(scope="session")
def photo_data():
    """Folder with real photo sets, named by the environment variable SKKNN_DATA."""
    folder = os.environ.get("SKKNN_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("SKKNN_DATA names no folder with photo sets")
    return Path(folder)


@pytest.fixture
def bf16():
    """Skips where products of bfloat16 have no instructions: float32 is used there."""
    from skknn.utils._bfloat16 import cpu_has_bfloat16

    if not cpu_has_bfloat16():
        pytest.skip("this processor has no bf16 instructions")
    return "bf16"


def pytest_collection_modifyitems(items):
    gpu = [item for item in items if "gpu" in item.keywords]
    if gpu:
        import torch

        if not torch.cuda.is_available():
            for item in gpu:
                item.add_marker(pytest.mark.skip(reason="no CUDA device"))
