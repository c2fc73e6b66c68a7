"""Whole images that travel to a device and are cut there; here that is the CPU."""

import numpy as np
import pytest
import torch
from fungi_references import decoded
from PIL import Image

from skknn.backbones import _device_images, build_extractor, make_job
from skknn.backbones._device_images import DeviceImages, as_host_tensor, in_order
from skknn.backbones._transfer import Uploads

DEVICES = [
    torch.device("cpu"),
    pytest.param(torch.device("cuda"), marks=pytest.mark.gpu),
]
SIZES = [(40, 60), (60, 40), (40, 60), (33, 33), (60, 40), (150, 40)]


def photos():
    rng = np.random.default_rng(0)
    return [
        Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8))
        for size in SIZES
    ]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("wanted", [range(6), [1, 2, 5], [], [3]])
def test_cut_of_several_sizes(device, wanted):
    images = {
        i: as_host_tensor(decoded(photo).pixels(), device)
        for i, photo in enumerate(photos())
    }
    stacks = DeviceImages(images, Uploads(device))
    parts = stacks.cut(wanted, lambda x: [x[..., :5, :7], x[..., -1:, -1:]])
    if not wanted:
        assert parts == []
        return
    corner, last = map(in_order, parts)
    assert corner.device.type == device.type
    for k, i in enumerate(wanted):
        expected = np.asarray(photos()[i]).transpose(2, 0, 1)
        np.testing.assert_array_equal(corner[k].cpu(), expected[:, :5, :7])
        np.testing.assert_array_equal(last[k].cpu(), expected[:, -1:, -1:])


@pytest.mark.parametrize("largest", [2**20, 2000, 0])
def test_embeddings_are_those_of_the_threads(largest, monkeypatch):
    extractor = build_extractor("test_resnet", weights=None, image_size=32)
    items = [decoded(photo) for photo in photos()]
    rows = run(make_job(extractor, 4), items)
    job = make_job(extractor, 4)
    monkeypatch.setattr(_device_images, "_LARGEST", largest)
    # As on an accelerator.
    job.computes_in_workers = False
    ways = {prepared.whole for prepared in map(job.prepare, items)}
    # One of them is tall: Pillow resizes it along the height first.
    assert ways == ({False} if largest == 0 else {False, True})
    np.testing.assert_allclose(run(job, items), rows, atol=1e-5)


def run(job, items):
    with job.running():
        prepared = [job.prepare(item) for item in items]
        return job.collect(job.launch(prepared))
