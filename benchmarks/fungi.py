"""Gradient features: this package and ``fungivision`` side by side, and the floor.

Both see the same images, the same randomly initialised backbone, the same number
and size of views and the same objective parameters (KL temperature 15; 49 windows
and 256 * 49 negatives for SimCLR). Runs alternate in one process; medians are
reported. Ours also returns the embedding, which fungivision leaves to the user.

    pip install 'skknn[bench]'
    python benchmarks/fungi.py                     # ViT-S, ViT-B, EfficientNet-Lite0
    python benchmarks/fungi.py --models vit_small_patch16_224 --objectives kl dino
    python benchmarks/fungi.py --threads 1         # processor time on a busy machine
    python benchmarks/fungi.py --profile           # where our time goes
    python benchmarks/fungi.py --memory            # extra peak memory, fresh processes
    python benchmarks/fungi.py --projection        # beside a ready float32 matrix
    python benchmarks/fungi.py --device cuda       # all of it on a card, JSON lines
    python benchmarks/fungi.py --device cuda --short      # in half the time
    python benchmarks/fungi.py --device cuda --profile    # the operators of a launch
"""

import argparse
import json
import subprocess
import sys
import time
import warnings

import numpy as np
import timm
import torch
from _fungi_sides import VIEWS, Ours, backbone, make_images, theirs
from _memory import peak_bytes

from skknn.gradients._jobs import BlocksJob
from skknn.modalities import as_images

# Images in one run, so that runs of all objectives take about as long.
IMAGES = {"kl": 32, "dino": 8, "simclr": 2}


def macs_a_view(model):
    """Multiply-adds of one forward pass of the backbone."""
    from torch.utils.flop_counter import FlopCounterMode

    module = timm.create_model(model, num_classes=0).eval()
    size = timm.data.resolve_model_data_config(module)["input_size"]
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        module(torch.zeros(1, *size))
    return counter.get_total_flops() / 2


def peak(repeats=5, clock=time.perf_counter):
    """Multiply-adds a second of the quickest float32 matrix product there is.

    torch.mm (MKL) and oneDNN differ by a factor of two on some processors.
    """
    a, b = torch.randn(2048, 2048), torch.randn(2048, 2048)
    packed = torch.ops.mkldnn._reorder_linear_weight(b, 2048)
    rates = []
    for product in (
        lambda: torch.mm(a, b),
        lambda: torch.ops.mkldnn._linear_pointwise(a, packed, None, "none", [], ""),
    ):
        times = []
        for _ in range(repeats + 1):
            start = clock()
            product()
            times.append(clock() - start)
        rates.append(2048**3 / np.median(times[1:]))
    return max(rates)


def seconds(function, images, clock=time.perf_counter):
    start = clock()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        function(images)
    return (clock() - start) / len(images)


def compare(model, objective, args):
    """Time both in turn; return one line of results."""
    images = make_images(args.images or IMAGES[objective])
    runs = {"ours": Ours(backbone(model), objective)}
    if args.bf16:
        runs["ours bf16"] = Ours(backbone(model, "bf16"), objective)
    if model.startswith("vit") and not args.alone:
        runs["fungivision"] = theirs(model, objective)
    # Processor seconds of one thread are what other processes cannot stretch.
    clock = time.process_time if args.threads == 1 else time.perf_counter
    times, rates = {name: [] for name in runs}, []
    for run in runs.values():
        seconds(run, images[:2])
    for _ in range(args.repeats):
        rates.append(peak(3, clock))
        for name, run in runs.items():
            times[name].append(seconds(run, images, clock))
    median = {name: float(np.median(t)) for name, t in times.items()}
    floor = VIEWS[objective] * macs_a_view(model) / float(np.median(rates))
    line = {
        "model": model,
        "objective": objective,
        **{f"{name} ms/image": 1e3 * t for name, t in median.items()},
        "floor ms/image": 1e3 * floor,
        "ours / floor": median["ours"] / floor,
        "peak GMAC/s": float(np.median(rates)) / 1e9,
    }
    for name in ("ours", "ours bf16"):
        if name in median and "fungivision" in median:
            ratios = np.array(times["fungivision"]) / np.array(times[name])
            line[f"fungivision / {name}"] = float(np.median(ratios))
    return line


def profile(model, objective):
    """Print our operators by their own time."""
    side, images = Ours(backbone(model), objective), make_images(2)
    side(images)
    job = BlocksJob(side.blocks)
    with job.running() as start_thread:
        start_thread()
        with torch.profiler.profile() as recorded:
            items = as_images(images)
            results = [job.prepare(items.item(i)) for i in range(len(images))]
        start = time.perf_counter()
        job.collect(job.launch(results))
    print(f"projection of {len(images)}: {1e3 * (time.perf_counter() - start):.0f} ms")
    table = recorded.key_averages()
    print(
        table.table(
            sort_by="self_cpu_time_total", row_limit=16, max_name_column_width=40
        )
    )


def projection(repeats):
    """Our projection and a float32 product with a ready matrix of signs, in turn."""
    from skknn.gradients._projection import SignProjection

    for name, d, m in (("ViT-S", 384, 384 * 385), ("ViT-B", 768, 768 * 769)):
        ours = SignProjection(m, d, 0)
        signs = np.unpackbits(ours.bits(), axis=1, count=m)
        ready = torch.from_numpy(1 - 2 * signs.astype(np.float32)).T
        del signs
        size = (ours.bits().nbytes + 4 * ours.tile * d) / (4 * d * m)
        print(f"{name}: bits and one tile take 1/{1 / size:.0f} of the matrix")
        runs = {"ours": ours, "ready": lambda rows, ready=ready: rows @ ready}
        for n in (32, 128):
            rows = torch.randn(n, m)
            want = runs["ready"](rows) / d**0.5
            wrong = (ours(rows) - want).abs().max() / want.std()
            times = {label: [] for label in runs}
            for _ in range(repeats):
                for label, run in runs.items():
                    start = time.perf_counter()
                    run(rows)
                    times[label].append(time.perf_counter() - start)
            ratio = np.median(np.divide(times["ours"], times["ready"]))
            print(
                f"  {n} rows: {1e3 * np.median(times['ours']):.0f} ms, {ratio:.2f} of "
                f"a ready matrix; largest difference {wrong:.1e} of the spread",
                flush=True,
            )


def memory(model, objective):
    """Extra peak memory of a run over the loaded model, each in its own process."""
    for who in ("ours", "fungivision"):
        command = [sys.executable, __file__, "--memory-of", who]
        command += ["--models", model, "--objectives", objective]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        print(f"{model:24} {objective:7} {who:12} {done.stdout.strip()} MB")


def memory_of(who, model, objective):
    images = make_images(IMAGES[objective])
    if who == "ours":
        side = Ours(backbone(model), objective)
        extractor = side.blocks.extractor
        module, size = extractor.module, extractor.data_config["input_size"]
    else:
        module = timm.create_model(model, num_classes=0).eval()
        size = timm.data.resolve_model_data_config(module)["input_size"]
    with torch.no_grad():
        module(torch.zeros(1, *size))
    before = peak_bytes()
    if who == "ours":
        side(images)
    else:
        wrapper = theirs(model, objective)
        for start in range(0, len(images), 8):
            wrapper(images[start : start + 8])
    print((peak_bytes() - before) >> 20)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--models",
        nargs="+",
        default=[
            "vit_small_patch16_224",
            "vit_base_patch16_224",
            "tf_efficientnet_lite0",
        ],
    )
    parser.add_argument("--objectives", nargs="+", default=list(VIEWS))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--images", type=int, help="images in one run")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--bf16", action="store_true", help="also precision='bf16'")
    parser.add_argument("--alone", action="store_true", help="leave fungivision out")
    parser.add_argument("--device", default="cpu", help="cpu, or cuda for JSON lines")
    parser.add_argument("--short", action="store_true", help="on a card: fewer runs")
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--projection", action="store_true")
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--memory-of", help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)  # ours takes as many
    if args.device != "cpu":
        import _fungi_cuda

        _fungi_cuda.main(
            args.models, args.objectives, args.device, args.short, args.profile
        )
        return
    if args.projection:
        projection(args.repeats)
        return
    for model in args.models:
        for objective in args.objectives:
            if args.memory_of:
                memory_of(args.memory_of, model, objective)
            elif args.memory:
                memory(model, objective)
            elif args.profile:
                profile(model, objective)
            else:
                print(json.dumps(compare(model, objective, args)), flush=True)


if __name__ == "__main__":
    main()
