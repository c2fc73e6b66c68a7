"""The CUDA part of benchmarks/embedding.py: JSON lines, under three minutes on a card.

Times are milliseconds an image. *Forward* is a bare forward in bfloat16 weights at the
same batch; *ready* is ours with images that were decoded and resized before; *decode*
and *prepare* (decode, resize, crop) are the threads alone, one a core.
"""

import json
import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import timm
import torch
from PIL import Image, ImageOps

from skknn import BackboneEmbedder
from skknn.extraction import n_workers
from skknn.modalities import as_images

MODELS = ("tf_efficientnet_lite0", "vit_small_patch16_224", "vit_base_patch16_224")
N_FILES, BATCH = 2048, 128


def say(**line):
    values = {
        key: round(value, 4) if isinstance(value, float) else value
        for key, value in line.items()
    }
    print(json.dumps(values), flush=True)


def make_files(folder, n):
    """Photo-like JPEG files of 500 x 375 pixels."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (64, 24, 32, 3), dtype=np.uint8)
    noise = rng.integers(-20, 20, (375, 500, 3))
    photos = []
    for c in coarse:
        smooth = np.asarray(Image.fromarray(c).resize((500, 375), Image.BICUBIC))
        grained = np.clip(smooth + noise, 0, 255).astype(np.uint8)
        photos.append(Image.fromarray(grained))
    files = []
    for i in range(n):
        files.append(str(Path(folder, f"{i}.jpg")))
        photos[i % 64].rotate(i % 7).save(files[-1], quality=90)
    return files


def each(function, n, device, repeats=3):
    """Median milliseconds an image of a call after one to warm up."""
    times = []
    for _ in range(repeats + 1):
        synchronize(device)
        start = time.perf_counter()
        function()
        synchronize(device)
        times.append(1e3 * (time.perf_counter() - start) / n)
    return float(np.median(times[1:]))


def synchronize(device):
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize()


class Files(torch.utils.data.Dataset):
    def __init__(self, files, transform):
        self.files, self.transform = files, transform

    def __len__(self):
        return len(self.files)

    def __getitem__(self, i):
        return self.transform(Image.open(self.files[i]).convert("RGB"))


def data_loader(model, files, device, n_workers):
    """What one writes with torch's own tools, as well as it goes."""
    module = timm.create_model(model, num_classes=0).eval().to(device)
    config = timm.data.resolve_model_data_config(module)
    loader = torch.utils.data.DataLoader(
        Files(files, timm.data.create_transform(**config, is_training=False)),
        BATCH,
        num_workers=n_workers,
        pin_memory=torch.device(device).type == "cuda",
    )
    autocast = torch.autocast(torch.device(device).type, torch.bfloat16)

    def run():
        with torch.inference_mode(), autocast:
            for x in loader:
                module(x.to(device, non_blocking=True)).float().cpu()

    return run


def forward(model, device, batch):
    """A bare forward in bfloat16 weights, in the better memory order."""
    module = timm.create_model(model, num_classes=0).eval().to(device, torch.bfloat16)
    size = timm.data.resolve_model_data_config(module)["input_size"]
    x = torch.randn(batch, *size, device=device, dtype=torch.bfloat16)
    found = []
    for order in (torch.contiguous_format, torch.channels_last):
        module, x = module.to(memory_format=order), x.contiguous(memory_format=order)
        with torch.inference_mode():
            found.append(each(lambda: module(x), batch, device, repeats=7))  # noqa: B023
    return min(found)


def ready(job, prepared):
    """Rows of prepared images, one batch launched before the last is collected."""
    with job.running():
        launched = []
        for start in range(0, len(prepared), job.batch_size):
            launched.append(job.launch(prepared[start : start + job.batch_size]))
            if len(launched) == 2:
                job.collect(launched.pop(0))
        for last in launched:
            job.collect(last)


def in_threads(function, items, n_threads):
    with ThreadPoolExecutor(n_threads) as pool:
        return list(pool.map(function, items))


def pillow(file):
    """The same pixels, by Pillow's decoder alone."""
    with Image.open(file) as image:
        return ImageOps.exif_transpose(image).convert("RGB")


def on_a_card(device, models=MODELS, n_files=N_FILES):
    """Print one line a model."""
    cores = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder:
        files = make_files(folder, n_files)
        items = as_images(files)
        for model in models:
            embedder = BackboneEmbedder(
                model, weights=None, device=device, random_state=0, n_jobs=cores
            ).fit(files)
            extractor = embedder.backbone_
            job = extractor.job("auto")
            with job.running():
                some = [job.prepare(items.item(i)) for i in range(min(1024, n_files))]
            line = {
                "forward_ms": forward(model, device, job.batch_size),
                "ready_ms": each(lambda: ready(job, some), len(some), device),  # noqa: B023
                "decode_ms": each(
                    lambda: in_threads(items.item, range(n_files), cores),
                    n_files,
                    device,
                ),
                "pillow_decode_ms": each(
                    lambda: in_threads(pillow, files, cores), n_files, device
                ),
                "prepare_ms": each(
                    lambda: in_threads(
                        lambda i: extractor.prepare(items.item(i)),  # noqa: B023
                        range(n_files),
                        cores,
                    ),
                    n_files,
                    device,
                ),
                "ours_ms": each(lambda: embedder.transform(files), n_files, device),  # noqa: B023
                "data_loader_ms": each(
                    data_loader(model, files, device, cores), n_files, device, repeats=2
                ),
            }
            say(
                model=model,
                device=torch.cuda.get_device_name() if "cuda" in device else device,
                cores=cores,
                threads=n_workers(cores),
                batch=job.batch_size,
                **line,
                images_a_second=1e3 / line["ours_ms"],
                ready_of_forward=line["ready_ms"] / line["forward_ms"],
                data_loader_of_ours=line["data_loader_ms"] / line["ours_ms"],
            )
