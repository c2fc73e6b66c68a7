"""Whether the processor or the card has instructions for bfloat16."""

import sys
from types import SimpleNamespace

import pytest
import torch

from skknn.backbones._precision import resolve_precision
from skknn.neighbors.exact._bfloat16 import mixed_products
from skknn.utils._bfloat16 import cpu_has_bfloat16


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a shell script")
@pytest.mark.parametrize(
    "script, has",
    [
        ('[ "$2" = hw.optional.arm.FEAT_BF16 ] && echo 1', True),  # M2 and later
        ("echo 0", False),  # M1
        ("echo 'sysctl: unknown oid' >&2; exit 1", False),  # Intel
        (None, False),
    ],
)
def test_macos_is_asked_about_bfloat16(script, has, tmp_path, monkeypatch):
    """With a stand-in for its command; no Mac took part."""
    if script is not None:
        (tmp_path / "sysctl").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "sysctl").chmod(0o755)
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda: False, raising=False)
    assert cpu_has_bfloat16() is has


@pytest.mark.parametrize("major, precision", [(7, "float32"), (8, "bf16")])
def test_a_card_is_asked_for_its_own_units(major, precision, monkeypatch):
    """Of two cards; torch's question is about the first, and says yes of a T4."""

    def properties(device=None):
        second = torch.device(device).index == 1
        return SimpleNamespace(major=major if second else 15 - major)

    monkeypatch.setattr(torch.cuda, "get_device_properties", properties)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *_: True)
    second = torch.device("cuda:1")
    assert resolve_precision("auto", second) == precision
    assert resolve_precision("bf16", second) == "bf16"


def test_a_lack_of_memory_is_no_answer(monkeypatch):
    def product(*args, **kwargs):
        raise torch.OutOfMemoryError("CUDA out of memory")

    mixed_products.cache_clear()
    with monkeypatch.context() as patched:
        patched.setattr(torch, "mm", product)
        with pytest.raises(torch.OutOfMemoryError):
            mixed_products(torch.device("cpu"))
    assert isinstance(mixed_products(torch.device("cpu")), bool)
