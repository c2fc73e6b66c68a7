"""Whether the processor has instructions for bfloat16."""

import sys

import pytest
import torch

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
