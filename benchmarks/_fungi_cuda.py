"""The CUDA part of benchmarks/fungi.py: JSON lines, under three minutes on a card.

*Floor* is the number of views times a bare forward in bfloat16 weights at batch 256.
"""

import json
import time
import warnings

import numpy as np
import timm
import torch
from _fungi_sides import VIEWS, Ours, backbone, make_images, theirs

# Images in one run of ours, and of fungivision with its batch.
IMAGES = {"kl": 1024, "dino": 320, "simclr": 96, "all": 96}
THEIR_IMAGES = {"kl": (256, 64), "dino": (64, 16), "simclr": (16, 8)}


def say(**line):
    values = {
        key: round(value, 4) if isinstance(value, float) else value
        for key, value in line.items()
    }
    print(json.dumps(values), flush=True)


def milliseconds(function, *args, repeats=3):
    """Median time of a call after one to warm up."""
    times = []
    for _ in range(repeats + 1):
        torch.cuda.synchronize()
        start = time.perf_counter()
        function(*args)
        torch.cuda.synchronize()
        times.append(1e3 * (time.perf_counter() - start))
    return float(np.median(times[1:]))


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


def gradients(models, objectives, device):
    for model in models:
        floor = forward_ms(model, device)
        say(model=model, forward_ms_a_view=floor)
        extractor = backbone(model, "bf16", device)
        for name in [*objectives, "all"]:
            wanted = list(VIEWS) if name == "all" else [name]
            side, images = Ours(extractor, *wanted), make_images(IMAGES[name])
            bound = floor * sum(VIEWS[objective] for objective in wanted)
            ready = milliseconds(side.prepared(images)) / len(images)
            torch.cuda.reset_peak_memory_stats()
            ours = milliseconds(side, images)
            ours /= len(images)
            line = {
                "model": model,
                "objective": name,
                "images_a_launch": side.blocks.blocks_job().batch_size,
                "floor_ms": bound,
                "views_ready_ms": ready,
                "views_ready_of_floor": ready / bound,
                "ours_ms": ours,
                "ours_of_floor": ours / bound,
                "images_a_second": 1e3 / ours,
                "peak_gb": torch.cuda.max_memory_allocated() / 2**30,
            }
            if model.startswith("vit") and name != "all":
                line |= fungivision(model, name, device, images, ours)
            say(**line)
            del side
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


def projection(device, n=64):
    """Signs held as numbers, as bits, and a bare product with a ready matrix."""
    from skknn.gradients._device_signs import DeviceSigns
    from skknn.gradients._projection import SignProjection
    from skknn.utils._precision import exact_float32

    for name, d in (("ViT-S", 384), ("ViT-B", 768), ("ViT-L", 1024)):
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


def windows(device, n=16):
    """SimCLR's windows: cut and resized on the device, 8-bit."""
    from skknn.gradients.views import Frame, cut_windows
    from skknn.utils._precision import exact_float32

    frame = Frame((224, 224))
    squares = torch.randint(0, 256, (n, 3, 224, 224), dtype=torch.uint8, device=device)

    def cut():
        frame.resize(cut_windows(squares, 7), (224, 224))

    with exact_float32():
        each = milliseconds(cut, repeats=7)
    say(windows_ms_an_image=each / n)


def main(models, objectives, device):
    device = torch.device(device)
    say(device=torch.cuda.get_device_name(device), torch=torch.__version__)
    projection(device)
    windows(device)
    gradients(models, objectives, device)
