"""The CUDA part of benchmarks/embedding.py: JSON lines.

From JPEG files: BackboneEmbedder, and what one writes otherwise, a ``DataLoader`` with
as many workers as there are cores, timm's transform and autocast. With decoded images
in the host's memory, and with images as the network sees them on the card: ours, the
last beside a bare forward in bfloat16 weights. Random weights; photos are made up.
"""

import json
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import timm
import torch
from PIL import Image

MODELS = ("tf_efficientnet_lite0", "vit_small_patch16_224", "vit_base_patch16_224")
BATCH = 256


class Files(torch.utils.data.Dataset):
    """What a DataLoader's workers read."""

    def __init__(self, paths, transform):
        self.paths, self.transform = paths, transform

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, row):
        return self.transform(Image.open(self.paths[row]).convert("RGB"))


def make_photos(folder, n, seed=0):
    """JPEG files of 500 x 375 pixels, with noise, so that decoding has work."""
    rng, paths = np.random.default_rng(seed), []
    for i in range(min(n, 128)):
        coarse = rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)
        smooth = np.asarray(Image.fromarray(coarse).resize((500, 375), Image.BICUBIC))
        noisy = smooth + rng.normal(0, 12, smooth.shape)
        paths.append(str(Path(folder) / f"{i}.jpg"))
        image = Image.fromarray(noisy.clip(0, 255).astype(np.uint8))
        image.save(paths[-1], quality=90)
    return [paths[i % len(paths)] for i in range(n)]


def milliseconds(function, repeats=3):
    """Median time of a call after one to warm up."""
    times = []
    for _ in range(repeats + 1):
        wait()
        start = time.perf_counter()
        function()
        wait()
        times.append(1e3 * (time.perf_counter() - start))
    return float(np.median(times[1:]))


def wait():
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def loader_loop(module, config, paths, device):
    """A function that does it with a DataLoader, which it starts anew."""
    transform = timm.data.create_transform(**config, is_training=False)
    loader = torch.utils.data.DataLoader(
        Files(paths, transform),
        batch_size=128,
        num_workers=os.cpu_count(),
        pin_memory=device.type == "cuda",
        persistent_workers=True,
    )

    def run():
        rows = []
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16):
            for batch in loader:
                rows.append(module(batch.to(device, non_blocking=True)).float().cpu())
        return torch.cat(rows)

    return run


def bare_forward(module, size, device, n):
    """A function that takes prepared numbers through a network of bfloat16 weights."""
    module = module.to(torch.bfloat16).to(memory_format=torch.channels_last)
    x = torch.randn(min(BATCH, n), *size, device=device, dtype=torch.bfloat16)
    x = x.contiguous(memory_format=torch.channels_last)

    def run():
        with torch.inference_mode():
            for _ in range(0, n, BATCH):
                module(x)

    return run


def from_pixels(extractor, items):
    """Functions that embed decoded images, and images that only need a forward."""
    from skknn.backbones import make_job

    job = make_job(extractor, BATCH)
    job.computes_in_workers = False  # so that the parts can be timed on a CPU, too
    with job.running():
        ready = [job.prepare(items.item(row)) for row in range(len(items))]
        batches = [ready[i : i + BATCH] for i in range(0, len(ready), BATCH)]
        loaded = [job.load(batch) for batch in batches]

    def run(launch, batches):
        waiting = []
        with job.running():
            for batch in batches:
                waiting.append(launch(batch))
                if len(waiting) == 2:
                    job.collect(waiting.pop(0))
            for launched in waiting:
                job.collect(launched)

    return {
        "pixels": lambda: run(job.launch, batches),
        "ready": lambda: run(job.launch_loaded, loaded),
    }


def main(device, short=False, models=MODELS):
    from skknn import BackboneEmbedder
    from skknn.modalities import as_images

    device, n = torch.device(device), 1024 if short else 2048
    repeats = 2 if short else 3
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    say(device=name, torch=torch.__version__, cores=os.cpu_count())
    with tempfile.TemporaryDirectory() as folder:
        paths = make_photos(folder, n)
        for model in models:
            fitted = BackboneEmbedder(
                model, weights=None, random_state=0, device=device, n_jobs=-1
            ).fit(paths)
            extractor = fitted.backbone_
            module = timm.create_model(model, num_classes=0)
            module.load_state_dict(extractor.module.state_dict())
            module.eval().to(device)
            config = extractor.data_config
            runs = {
                "ours": lambda fitted=fitted: fitted.transform(paths),
                "loader": loader_loop(module, config, paths, device),
                **from_pixels(extractor, as_images(paths)),
            }
            each = {key: milliseconds(run, repeats) / n for key, run in runs.items()}
            bare = bare_forward(module, config["input_size"], device, n)
            each["forward"] = milliseconds(bare, repeats) / n
            say(
                model=model,
                **{f"{key}_ms": time for key, time in each.items()},
                images_a_second=1e3 / each["ours"],
                ours_of_loader=each["ours"] / each["loader"],
                times_the_loader=each["loader"] / each["ours"],
                ready_of_forward=each["ready"] / each["forward"],
            )


def say(**line):
    values = {
        key: round(value, 4) if isinstance(value, float) else value
        for key, value in line.items()
    }
    print(json.dumps(values), flush=True)
