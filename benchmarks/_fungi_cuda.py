"""The CUDA part of benchmarks/fungi.py: JSON lines, under three minutes on a card.

*Floor* is the number of views times a bare forward in bfloat16 weights at batch 256.
Three times of ours: with the views on the card (*views*), with decoded images in the
host's memory (*pixels*), and end to end from PIL images.
"""

import json
import time
import warnings

import numpy as np
import timm
import torch
from _fungi_sides import VIEWS, Ours, backbone, make_images, run_batches, theirs

from skknn.gradients._jobs import BlocksJob

# Images in one run of ours, and of fungivision with its batch: several launches, whose
# first and last overlap with nothing.
IMAGES = {"kl": 1024, "dino": 340, "simclr": 96, "all": 96}
SHORT_IMAGES = {"kl": 1024, "dino": 170, "simclr": 48, "all": 48}
THEIR_IMAGES = {"kl": (256, 64), "dino": (64, 16), "simclr": (16, 8)}


def say(**line):
    values = {
        key: round(value, 4) if isinstance(value, float) else value
        for key, value in line.items()
    }
    print(json.dumps(values), flush=True)


def milliseconds(function, *args, repeats=3, warm=1):
    """Median time of a call after ``warm`` others."""
    times = []
    for _ in range(repeats + warm):
        torch.cuda.synchronize()
        start = time.perf_counter()
        function(*args)
        torch.cuda.synchronize()
        times.append(1e3 * (time.perf_counter() - start))
    return float(np.median(times[warm:]))


def forward_ms(model, device, batch=256):
    """Milliseconds a view of a bare forward, in the better memory order."""
    module = timm.create_model(model, num_classes=0).eval().to(device, torch.bfloat16)
    size = timm.data.resolve_model_data_config(module)["input_size"]
    x = torch.randn(batch, *size, device=device, dtype=torch.bfloat16)
    found = []
    for order in (torch.contiguous_format, torch.channels_last):
        module, x = module.to(memory_format=order), x.contiguous(memory_format=order)
        with torch.inference_mode():
            found.append(milliseconds(module, x, repeats=7) / batch)
    return min(found)


def gradients(models, objectives, device, short):
    pictures, repeats = make_images(max(IMAGES.values())), 2 if short else 3
    for model in models:
        floor = forward_ms(model, device)
        say(model=model, forward_ms_a_view=floor)
        extractor = backbone(model, "bf16", device)
        for name in [*objectives, "all"]:
            wanted = list(VIEWS) if name == "all" else [name]
            side = Ours(extractor, *wanted)
            images = pictures[: (SHORT_IMAGES if short else IMAGES)[name]]
            bound = floor * sum(VIEWS[objective] for objective in wanted)
            runs = {
                "views": side.from_views(images),
                "pixels": side.from_pixels(images),
                "ours": lambda side=side, images=images: side(images),
            }
            torch.cuda.reset_peak_memory_stats()
            times = {}
            for key in list(runs):
                run = runs.pop(key)
                # Pinned memory is new to the first runs, and slow to get.
                warm = 3 if key == "ours" else 1
                each = milliseconds(run, repeats=repeats, warm=warm)
                times[key] = each / len(images)
            line = {
                "model": model,
                "objective": name,
                "images_a_launch": BlocksJob(side.blocks).batch_size,
                "floor_ms": bound,
                **{f"{key}_ms": each for key, each in times.items()},
                **{f"{key}_of_floor": each / bound for key, each in times.items()},
                "images_a_second": 1e3 / times["ours"],
                "peak_gb": torch.cuda.max_memory_allocated() / 2**30,
            }
            if model.startswith("vit") and name != "all":
                line |= fungivision(model, name, device, images, times["ours"])
            say(**line)
            del side, runs, run
            torch.cuda.empty_cache()


def profile(models, objectives, device, rows=15):
    """Print the operators of one launch from decoded images, by the card's time and by
    the host's; and what a thread needs to hand over an image."""
    from torch.profiler import ProfilerActivity

    pictures = make_images(256)
    for model in models:
        extractor = backbone(model, "bf16", device)
        for name in objectives:
            side = Ours(extractor, name)
            start = time.perf_counter()
            job, batches = side.prepared(pictures)
            each = 1e3 * (time.perf_counter() - start) / len(pictures)
            say(model=model, objective=name, images=len(batches[0]), prepare_ms=each)
            run_batches(job, job.launch, batches)
            torch.cuda.synchronize()
            both = [ProfilerActivity.CPU, ProfilerActivity.CUDA]
            with job.running(), torch.profiler.profile(activities=both) as recorded:
                start = time.perf_counter()
                launched = job.launch(batches[0])
                launch = 1e3 * (time.perf_counter() - start)
                job.collect(launched)
                done = 1e3 * (time.perf_counter() - start)
            say(launch_returns_ms=launch, rows_there_ms=done)
            for column in ("self_device_time_total", "self_cpu_time_total"):
                table = recorded.key_averages().table(
                    sort_by=column, row_limit=rows, max_name_column_width=50
                )
                print(table, flush=True)
            del side, job, batches, launched
            torch.cuda.empty_cache()


def fungivision(model, objective, device, images, ours):
    """Its time, and how many times ours that is; nothing where it is missing."""
    n, batch = THEIR_IMAGES[objective]
    try:
        wrapper = theirs(model, objective, device, half=True)
    except ImportError:
        return {"fungivision_ms": None}

    def run():
        for start in range(0, n, batch):
            wrapper(images[start : start + batch])

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            each = milliseconds(run, repeats=2) / n
    except Exception as error:
        return {"fungivision_ms": None, "fungivision_error": repr(error)[:200]}
    return {"fungivision_ms": each, "fungivision_of_ours": each / ours}


def projection(device, short, n=64):
    """Signs held as numbers, as bits, and a bare product with a ready matrix."""
    from skknn.gradients._device_signs import DeviceSigns
    from skknn.gradients._projection import SignProjection
    from skknn.utils._precision import exact_float32

    for name, d in (("ViT-S", 384), ("ViT-B", 768), ("ViT-L", 1024))[
        : 2 if short else 3
    ]:
        m = d * (d + 1)
        bits, rows = SignProjection(m, d, 0).bits(), torch.randn(n, m, device=device)
        times, found = {}, {}
        with exact_float32():
            for held in (True, False):
                signs = DeviceSigns(bits, m, device, held)
                key = "held_ms" if held else "bits_ms"
                times[key] = milliseconds(signs.product, rows, repeats=7)
                found[key] = signs.product(rows[:8])
                del signs
        packed = torch.from_numpy(np.unpackbits(bits, axis=1, count=m)).to(device)
        ready = (1 - 2 * packed.to(torch.int8)).to(torch.bfloat16)
        del packed
        times["ready_bf16_ms"] = milliseconds(
            torch.mm, rows.bfloat16(), ready.T, repeats=7
        )
        parts = ready.split(max(1, 2**27 // m))
        exact = torch.cat([rows[:8].double() @ p.double().T for p in parts], dim=1)
        wrong = {
            key.replace("_ms", "_error"): ((value - exact).abs().max() / exact.std())
            for key, value in found.items()
        }
        errors = {key: float(f"{value.item():.2e}") for key, value in wrong.items()}
        say(projection=name, rows=n, **times)
        print(json.dumps({"projection": name, **errors}), flush=True)
        del ready, parts, exact, found
        torch.cuda.empty_cache()


def resizing(device, n=16):
    """What is resized on the device, in milliseconds an image of 500 x 375 pixels."""
    from skknn.backbones import build_extractor
    from skknn.gradients.objectives import DINOObjective
    from skknn.gradients.views import Frame, cut_windows
    from skknn.utils._precision import exact_float32

    frame, dino = Frame((224, 224)), DINOObjective()
    shape = (n, 375, 500, 4)
    whole = torch.randint(0, 256, shape, dtype=torch.uint8, device=device)
    whole = whole[..., :3].permute(0, 3, 1, 2)
    extractor = build_extractor("resnet18", weights=None, device=device)
    drawn = dino.draw(np.random.default_rng(0))
    square = frame.resize(whole, (224, 224))
    runs = {
        "evaluation": lambda: extractor.prepare_on_device(whole),
        "crops": lambda: dino.cut(whole, frame, drawn),
        "square": lambda: frame.resize(whole, (224, 224)),
        "windows": lambda: frame.resize(cut_windows(square, 7), (224, 224)),
    }
    with exact_float32():
        times = {key: milliseconds(run, repeats=7) / n for key, run in runs.items()}
    say(**{f"{key}_ms_an_image": each for key, each in times.items()})


def main(models, objectives, device, short=False, with_profile=False):
    device = torch.device(device)
    say(device=torch.cuda.get_device_name(device), torch=torch.__version__)
    if with_profile:
        profile(models, objectives, device)
        return
    projection(device, short)
    resizing(device)
    gradients(models, objectives, device, short)
