"""BackboneEmbedder against a plain timm loop; its cache; its memory.

    python benchmarks/embedding.py speed --images FOLDER
    python benchmarks/embedding.py cache
    python benchmarks/embedding.py memory --images FOLDER
    python benchmarks/embedding.py decode --images FOLDER
    python benchmarks/embedding.py --device cuda [--short]    # on a card, JSON lines

FOLDER has one sub-folder of photos a class. Everything runs side by side in one
process, in turns, and medians are compared, because timings of a shared machine
drift.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
from _memory import peak_bytes


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "what",
        nargs="?",
        choices=["speed", "cache", "memory", "peak", "decode"],
        default="speed",
    )
    parser.add_argument("--images", help="folder with one sub-folder a class")
    parser.add_argument("--backbone", default="tf_efficientnet_lite0")
    parser.add_argument("--weights", default="auto", help="'none' for random ones")
    parser.add_argument("-n", type=int, default=256, help="images (default 256)")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", default="cpu", help="of speed: cpu or cuda")
    parser.add_argument("--short", action="store_true", help="on a card: fewer runs")
    args = parser.parse_args()
    args.weights = None if args.weights == "none" else args.weights
    if args.device != "cpu":
        import _embedding_cuda

        _embedding_cuda.main(args.device, args.short)
        return
    {"speed": speed, "cache": cache, "memory": memory, "peak": peak, "decode": decode}[
        args.what
    ](args)


def paths_of(args):
    from skknn.datasets import load_image_folder

    if args.images is None:
        sys.exit("--images FOLDER is needed: one sub-folder of photos a class")
    data = load_image_folder(args.images).data
    order = np.random.default_rng(0).permutation(len(data))
    return [data[i] for i in np.resize(order, args.n)]


def embedder(args, **kwargs):
    from skknn import BackboneEmbedder

    return BackboneEmbedder(
        args.backbone, weights=args.weights, random_state=0, device="cpu", **kwargs
    )


class PlainLoop:
    """What one writes in five minutes: PIL, timm's transform, batches of 32."""

    def __init__(self, args):
        import timm

        # The same tensors as the embedder's.
        state = embedder(args).fit(["-"]).backbone_.module.state_dict()
        self.model = timm.create_model(args.backbone, num_classes=0)
        self.model.load_state_dict(state, strict=True)
        self.model.eval()
        config = timm.data.resolve_model_data_config(self.model)
        self.transform = timm.data.create_transform(**config, is_training=False)

    def __call__(self, paths):
        import torch
        from PIL import Image

        rows = []
        with torch.inference_mode():
            for start in range(0, len(paths), 32):
                batch = [
                    self.transform(Image.open(path).convert("RGB"))
                    for path in paths[start : start + 32]
                ]
                rows.append(self.model(torch.stack(batch)).numpy())
        return np.concatenate(rows)


def speed(args):
    """Images a second, in turns."""
    import torch

    paths = paths_of(args)
    candidates = {"plain timm loop": PlainLoop(args)}
    for precision in ("float32", "bf16"):
        fitted = embedder(args, precision=precision).fit(paths)
        if fitted.backbone_.precision == precision:
            candidates[f"BackboneEmbedder {precision}"] = fitted.transform
    rows = {name: run(paths[:64]) for name, run in candidates.items()}
    times = {name: [] for name in candidates}
    for _ in range(args.repeats):
        for name, run in candidates.items():
            start = time.perf_counter()
            run(paths)
            times[name].append(time.perf_counter() - start)
    first, *_ = candidates
    print(
        f"{args.backbone}, {len(paths)} photos, {torch.get_num_threads()} threads, "
        f"torch {torch.__version__}, median of {args.repeats} in turns"
    )
    for name, seconds in times.items():
        ratios = [a / b for a, b in zip(times[first], seconds)]
        error = np.linalg.norm(rows[name] - rows[first]) / np.linalg.norm(rows[first])
        print(
            f"{name:26s} {len(paths) / statistics.median(seconds):7.1f} images/s   "
            f"{statistics.median(ratios):5.2f} times the loop "
            f"({min(ratios):.2f} to {max(ratios):.2f})   difference {error:.1e}"
        )


def cache(args, n=100_000):
    """Read 100,000 stored rows back through ``transform``."""
    from skknn.extraction._row_cache import RowCache
    from skknn.modalities import as_images

    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, (n, 8, 8), dtype=np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        fitted = embedder(args, memory=folder).fit(X)
        width = fitted.backbone_.n_features
        images = as_images(X)
        with RowCache(folder, fitted.backbone_.identity()) as store:
            for start in range(0, n, 1000):
                keys = [images.fetch(i).digest() for i in range(start, start + 1000)]
                store.put(keys, rng.random((1000, width), dtype=np.float32))
        times = []
        for _ in range(args.repeats):
            start = time.perf_counter()
            rows = fitted.transform(X)
            times.append(time.perf_counter() - start)
    assert rows.shape == (n, width)
    seconds = statistics.median(times)
    print(
        f"{n} rows of width {width} read back in {seconds:.1f} s (median of "
        f"{args.repeats}), {n / 100 / seconds:.0f} times faster than embedding 100 "
        "images a second"
    )


def memory(args):
    """Peak memory of 1,000 and of 10,000 images, each in a new process."""
    peaks = {}
    for n in (1000, 10_000):
        command = [sys.executable, __file__, "peak", "-n", str(n)]
        command += ["--images", args.images, "--backbone", args.backbone]
        command += ["--weights", args.weights or "none"]
        out = subprocess.run(command, capture_output=True, text=True, check=True)
        peaks[n], output = map(float, out.stdout.split()[-2:])
        print(f"{n:6d} images: peak {peaks[n]:.0f} MB, of which output {output:.0f} MB")
    growth = peaks[10_000] - peaks[1000]
    print(f"growth {growth:.0f} MB")


def peak(args):
    """Print the peak memory of one transform and the size of its output, in MB."""
    rows = embedder(args).fit_transform(paths_of(args))
    print(peak_bytes() / 1e6, rows.nbytes / 1e6)


def decode(args):
    """Milliseconds an image of each way from a file to pixels, in one thread."""
    import io
    from pathlib import Path

    from PIL import Image

    from skknn.modalities import as_images

    files = [Path(path).read_bytes() for path in paths_of(args)]
    opened = [Image.open(io.BytesIO(data)).convert("RGB") for data in files]
    from_files, from_images = as_images(files), as_images(opened)
    runs = {
        "Pillow decodes": lambda i: Image.open(io.BytesIO(files[i])).convert("RGB"),
        "file -> pixels": lambda i: from_files.item(i).pixels(),
        "file -> Pillow's image": lambda i: from_files.item(i).pil(),
        "Pillow's image -> pixels": lambda i: from_images.item(i).pixels(),
        "numpy.array(Pillow's image)": lambda i: np.array(opened[i]),
    }
    times = {name: [] for name in runs}
    for _ in range(args.repeats):
        for name, run in runs.items():
            start = time.perf_counter()
            for i in range(len(files)):
                run(i)
            times[name].append(1e3 * (time.perf_counter() - start) / len(files))
    for name, found in times.items():
        print(f"{name:28s} {statistics.median(found):7.3f} ms")


if __name__ == "__main__":
    main()
