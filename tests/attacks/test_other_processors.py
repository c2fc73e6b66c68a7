"""Rows are found again by a processor that rounds otherwise."""

import os
import platform
import subprocess
import sys

import numpy as np
import pytest

from skknn.backbones import build_extractor, embedding_answers
from skknn.backbones._probe import ROUNDING

NAMES = ("test_resnet", "test_vit", "test_efficientnet", "test_convnext")
# The products of older processors, each by the switches of the libraries.
OLDER = {
    "AVX2": {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"},
    "SSE4.1": {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41"},
}
SCRIPT = """
import sys
import numpy as np
from test_other_processors import answers
np.savez(sys.argv[1], **answers())
"""
pytestmark = pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64"), reason="switches of x86 processors"
)


def answers():
    found = {}
    for name in NAMES:
        extractor = build_extractor(name, weights=None, image_size=64, device="cpu")
        found[name] = embedding_answers(extractor, 3)[0].values
    return found


@pytest.mark.parametrize("processor", OLDER)
def test_another_processor(processor, tmp_path):
    path = tmp_path / "answers.npz"
    folders = [os.path.dirname(__file__), *sys.path]
    environment = {**os.environ, **OLDER[processor]}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, folders))
    subprocess.run(
        [sys.executable, "-c", SCRIPT, str(path)], check=True, env=environment
    )
    there = np.load(path)
    for name, here in answers().items():
        error = np.abs(here - there[name]).max(1) / np.abs(here).max(1)
        # Far from what makes rows another network's.
        assert error.max() < ROUNDING["float32"] / 10, name
