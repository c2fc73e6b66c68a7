"""Stacking single images on a device, and bringing results back."""

import numpy as np
import pytest
import torch

from skknn.backbones._transfer import Download, Uploads, pinned


def images(n, channels_last):
    generator = torch.Generator().manual_seed(0)
    shape = (2, 5, 7, 3) if channels_last else (2, 3, 5, 7)
    parts = [
        torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
        for _ in range(n)
    ]
    return [part.permute(0, 3, 1, 2) for part in parts] if channels_last else parts


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
@pytest.mark.parametrize("channels_last", [True, False])
@pytest.mark.parametrize("n", [1, 4])
def test_there_and_back(n, channels_last, device):
    device = torch.device(device)
    parts = images(n, channels_last)
    ready = [pinned(part, device) for part in parts]
    for part, copied in zip(parts, ready):
        assert torch.equal(part, copied) and part.stride() == copied.stride()
    stacked = Uploads(device).stack(ready)
    assert stacked.device.type == device.type
    found = Download(stacked).wait()
    np.testing.assert_array_equal(found, np.stack([part.numpy() for part in parts]))


@pytest.mark.gpu
def test_memory_order_is_kept_on_the_way():
    device = torch.device("cuda")
    parts = [pinned(part, device) for part in images(3, True)]
    stacked = Uploads(device).stack(parts)
    assert stacked[0].stride() == parts[0].stride()


@pytest.mark.gpu
def test_many_batches_do_not_disturb_each_other():
    device = torch.device("cuda")
    uploads, waiting, expected = Uploads(device), [], []
    for value in range(60):
        parts = [torch.full((300_000,), value, dtype=torch.uint8) for _ in range(4)]
        stacked = uploads.stack([pinned(part, device) for part in parts])
        waiting.append(Download(stacked.float() * 2))
        expected.append(2 * value)
    for download, value in zip(waiting, expected):
        assert (download.wait() == value).all()
