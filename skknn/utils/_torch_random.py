"""torch's generators: seeded for a while, and then as they were."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def seeded_torch() -> Iterator[Callable[[int], None]]:
    """Leave the generators that torch draws from by itself as they were found.

    Those of the CPU, of all CUDA devices in use and of MPS. ``torch.manual_seed`` would
    leave the cards' seeded, where the user may be drawing.

    Yields
    ------
    callable
        Seeds all of them.
    """
    import torch

    cards = range(torch.cuda.device_count() if torch.cuda.is_initialized() else 0)
    has_mps = torch.backends.mps.is_available()
    of_mps = torch.mps.get_rng_state() if has_mps else None

    def seed_all(seed: int) -> None:
        torch.default_generator.manual_seed(seed)
        for card in cards:
            torch.cuda.default_generators[card].manual_seed(seed)
        if has_mps:
            torch.mps.manual_seed(seed)

    try:
        with torch.random.fork_rng(devices=cards):
            yield seed_all
    finally:
        if of_mps is not None:
            torch.mps.set_rng_state(of_mps)
