"""Jobs: images together as on an accelerator, some blocks only, several at once."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from fungi_references import SerialFungi, decoded, noise_images, run_serially
from PIL import Image

from skknn import DINOObjective, KLObjective, SimCLRObjective
from skknn.backbones import _device_images
from skknn.gradients import Objective
from skknn.gradients._jobs import BlocksJob, GradientsJob, LatentsJob

OBJECTIVES = (
    "kl",
    DINOObjective(n_local=3, head_dim=64),
    KLObjective(temperature=2.0),
    SimCLRObjective(n_views=9, n_negatives=3),
)


@pytest.fixture(scope="module")
def images():
    return noise_images(7)


@pytest.fixture(scope="module")
def fungi(images):
    return SerialFungi("test_vit", image_size=32, objectives=OBJECTIVES).fit(images)


@pytest.fixture(scope="module")
def rows(fungi, images):
    return fungi.transform(images)


def together(job):
    """Make a job of the CPU compute in ``launch``, as on an accelerator."""
    job.computes_in_workers = False
    return job


def test_rows_are_unit_blocks(fungi, rows):
    assert rows.dtype == np.float32 and rows.shape == (7, fungi.state.width)
    for part in fungi.state.slices.values():
        np.testing.assert_allclose(np.linalg.norm(rows[:, part], axis=1), 1, atol=1e-5)


def test_images_together_give_the_same_rows(fungi, rows, images):
    found = run_serially(together(BlocksJob(fungi.blocks)), images)
    np.testing.assert_allclose(found, rows, atol=2e-6)
    for name in fungi.objectives_:
        one_by_one = fungi.gradients(images, name)
        found = run_serially(together(GradientsJob(fungi.blocks, name)), images)
        error = np.linalg.norm(found - one_by_one, axis=1)
        assert (error < 1e-5 * np.linalg.norm(one_by_one, axis=1)).all()
        job = LatentsJob(fungi.blocks, name)
        if len(fungi.objectives_[name].head_dims()) == 1:
            found = run_serially(together(job), images)
            assert found.shape == (7, job.width)
            expected = run_serially(LatentsJob(fungi.blocks, name), images)
            np.testing.assert_allclose(found, expected, atol=1e-5)


class Halves(Objective):
    """Says for PIL images only what its views are."""

    name = "halves"
    _parameter_constraints = {}

    def __init__(self, head_dim=8):
        self.head_dim = head_dim

    def views(self, image, frame, drawn):
        assert isinstance(image, Image.Image) and image.mode == "RGB"
        boxes = [(0, 0, 0.5, 1), (0.5, 0, 1, 1)]
        return frame.crops(frame.pixels(image), boxes, frame.size)

    def loss(self, latents, bank):
        return (latents[:, 0] - latents[:, 1]).square().sum(1)


@pytest.mark.parametrize("largest", [2**20, 3000, 0])
def test_images_of_all_sizes_cut_on_the_device(largest, monkeypatch):
    sizes = [(60, 50), (50, 60), (60, 50), (30, 200), (33, 41), (40, 32)]
    images = [noise_images(1, seed=i, shape=s)[0] for i, s in enumerate(sizes)]
    settings = {"image_size": 32, "objectives": (*OBJECTIVES, Halves())}
    fungi = SerialFungi("test_vit", **settings).fit(images)
    rows = fungi.transform(images)
    monkeypatch.setattr(_device_images, "_LARGEST", largest)
    job = together(BlocksJob(fungi.blocks))
    whole = {job.prepare(decoded(image)).whole is not None for image in images}
    assert whole == {2**20: {True}, 3000: {True, False}, 0: {False}}[largest]
    np.testing.assert_allclose(run_serially(job, images), rows, atol=2e-6)


@pytest.mark.parametrize("as_on_accelerator", [False, True])
def test_blocks_not_wanted_are_zero(fungi, rows, images, as_on_accelerator):
    job = BlocksJob(fungi.blocks)
    if as_on_accelerator:
        together(job)
    wanted = [
        frozenset(names)
        for names in (
            {"kl", "embedding"},
            {"dino"},
            set(),
            {"simclr", "kl_2"},
            {"embedding"},
            {"dino"},
            set(fungi.state.widths),
        )
    ]
    with job.running():
        prepared = [job.prepare(decoded(image), w) for image, w in zip(images, wanted)]
        found = job.collect(job.launch(prepared))
    for row, expected, names in zip(found, rows, wanted):
        for name, part in fungi.state.slices.items():
            # Objectives that share a forward come together.
            if name in names:
                np.testing.assert_allclose(row[part], expected[part], atol=2e-6)
            elif not {name, *names} <= {"kl", "kl_2", "embedding", "simclr"}:
                assert (row[part] == 0).all()
    assert (found[2] == 0).all()


def test_two_threads_run_the_same_network_at_once(fungi, rows, images):
    blocks = fungi.blocks
    jobs = [BlocksJob(blocks) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda job: run_serially(job, images), jobs))
    for found in results:
        np.testing.assert_array_equal(found, rows)
    assert not any(
        part._forward_hooks or part._forward_pre_hooks
        for part in blocks.engine.network.module.modules()
    )


def test_another_state_shares_the_network(fungi, images):
    other = fungi.blocks.with_state(fungi.state.with_bank("simclr", np.ones((2, 96))))
    assert other.engine is fungi.blocks.engine
    assert other.projection is fungi.blocks.projection
    assert other.state.banks["simclr"].shape == (2, 96)
    assert fungi.state.banks["simclr"].shape == (3 * 9, 96)


def test_a_job_runs_within_its_context_only(fungi, images):
    job = BlocksJob(fungi.blocks)
    with pytest.raises(RuntimeError, match="job.running"):
        job.prepare(decoded(images[0]), None)


def test_views_are_normalised_for_the_model(fungi, images):
    config = fungi.backbone_.data_config
    mean, std = (torch.tensor(config[key]).view(3, 1, 1) for key in ("mean", "std"))
    (view,) = fungi.blocks.views(decoded(images[0]), "kl")
    pixels = fungi.backbone_.prepare(images[0])
    expected = (pixels / 255.0 - mean) / std
    torch.testing.assert_close(torch.from_numpy(view[0]), expected)
    large, small = fungi.blocks.views(decoded(images[0]), "dino")
    assert large.shape == (2, 3, 32, 32) and small.shape == (3, 3, 32, 32)
    (windows,) = fungi.blocks.views(decoded(images[0]), "simclr")
    assert windows.shape == (9, 3, 32, 32) and windows.dtype == np.float32
