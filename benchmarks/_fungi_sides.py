"""The two sides of benchmarks/fungi.py: this package and ``fungivision``."""

import os
import warnings

import numpy as np
import timm
import torch
from PIL import Image

from skknn import KLObjective, SimCLRObjective
from skknn.backbones import build_extractor
from skknn.extraction import run_job
from skknn.gradients._blocks import BlockExtractor
from skknn.gradients._jobs import BlocksJob
from skknn.gradients._state import draw_state
from skknn.gradients.objectives import resolve_objectives
from skknn.modalities import as_images
from skknn.utils._precision import exact_float32

VIEWS = {"kl": 1, "dino": 12, "simclr": 49}
NEGATIVES = 256


def make_images(n, seed=0):
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (n, 12, 16, 3), dtype=np.uint8)
    return [Image.fromarray(c).resize((500, 375), Image.BICUBIC) for c in coarse]


def random_negatives():
    rng = np.random.default_rng(0)
    return rng.standard_normal((NEGATIVES * 49, 96)).astype(np.float32)


def backbone(model, precision="float32", device="cpu"):
    return build_extractor(model, weights=None, device=device, precision=precision)


class Ours:
    """What a fitted FungiTransformer without PCA computes in ``transform``.

    SimCLR's negatives are random: they only cost time.
    """

    def __init__(self, extractor, *objectives, embedding=True):
        known = {"kl": KLObjective(15.0), "simclr": SimCLRObjective()}
        state = draw_state(
            extractor,
            objectives=resolve_objectives([known.get(o, o) for o in objectives]),
            layer="auto",
            projection_dim=None,
            include_embedding=embedding,
            view_size=None,
            seed=0,
        )
        if "simclr" in objectives:
            state = state.with_bank("simclr", random_negatives().reshape(NEGATIVES, -1))
        self.blocks = BlockExtractor(extractor, state, batch_size="auto")

    def __call__(self, images):
        """Rows of PIL images."""
        cuda = self.blocks.device.type == "cuda"
        n_threads = os.cpu_count() if cuda else torch.get_num_threads()
        job = BlocksJob(self.blocks)
        return run_job(job, as_images(images), n_threads=n_threads).values

    def prepared(self, images):
        """Return the job, and its batches of images as threads hand them over."""
        job, items = BlocksJob(self.blocks), as_images(images)
        with job.running():
            ready = [job.prepare(items.item(row)) for row in range(len(items))]
        step = job.batch_size
        return job, [ready[i : i + step] for i in range(0, len(ready), step)]

    def from_pixels(self, images):
        """Return a function that computes images that are decoded already."""
        job, batches = self.prepared(images)
        return lambda: run_batches(job, job.launch, batches)

    def from_views(self, images):
        """Return a function that computes images whose views are on the device."""
        job, batches = self.prepared(images)
        with exact_float32():
            loaded = [self.blocks.cutter.load(batch) for batch in batches]
        return lambda: run_batches(job, job.launch_loaded, loaded)


def run_batches(job, launch, batches):
    """Rows of batches, one computed while the next is launched."""
    rows, waiting = [], []
    with job.running():
        for batch in batches:
            waiting.append(launch(batch))
            if len(waiting) == 2:
                rows.append(job.collect(waiting.pop(0)))
        rows += map(job.collect, waiting)
    return np.concatenate(rows)


def theirs(model, objective, device="cpu", half=False):
    """fungivision with the same parameters, its negatives likewise random."""
    from fungivision.config import DINOConfig, KLConfig, SimCLRConfig
    from fungivision.wrapper import FUNGIWrapper

    torch.manual_seed(0)
    module = timm.create_model(model, num_classes=0).eval()
    config = {
        "kl": KLConfig(temperature=15),
        "dino": DINOConfig(),
        "simclr": SimCLRConfig(comparison_batch_size=NEGATIVES),
    }[objective]
    depth = len(module.blocks) - 1
    options = {"use_fp16": True} if half else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wrapper = FUNGIWrapper(
            module,
            target_layer=f"blocks.{depth}.attn.proj",
            device=torch.device(device),
            extractor_configs=[config],
            **options,
        )
    if objective == "simclr":
        negatives = torch.from_numpy(random_negatives()).to(device)
        wrapper.extractors[0].comparison_batch = negatives
    return wrapper
