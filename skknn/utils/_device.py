"""The one place that chooses the torch device."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def resolve_device(device: str | torch.device | None = None) -> torch.device:
    """Return the ``torch.device`` to compute on.

    Parameters
    ----------
    device : None, str or torch.device
        None takes CUDA if there is one, else Apple's MPS, else the CPU.

    Returns
    -------
    torch.device

    Raises
    ------
    ValueError
        If ``device`` is no device of this machine.
    """
    import torch

    if device is None:
        if torch.cuda.is_available():
            return torch.device("cuda")
        if torch.backends.mps.is_available():
            return torch.device("mps")
        return torch.device("cpu")
    try:
        resolved = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise ValueError(
            f"device={device!r} is not a torch device ({error}). Use None, 'cpu', "
            "'cuda', 'cuda:0' or 'mps'."
        ) from error
    checks: dict[str, Callable[[], bool]] = {
        "cpu": lambda: True,
        "cuda": lambda: (resolved.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available,
        "meta": lambda: False,
    }
    if not checks.get(resolved.type, lambda: True)():
        raise ValueError(
            f"device={device!r} is not available here: torch sees "
            f"{torch.cuda.device_count()} CUDA devices. Use device=None to take the "
            "best device there is, or 'cpu'."
        )
    return resolved


def device_or_best(device: str | torch.device | None) -> torch.device:
    """Return the device or, if it is not available here, the best one there is."""
    try:
        return resolve_device(device)
    except ValueError:
        return resolve_device(None)


def device_here(device: str | torch.device | None) -> str | torch.device | None:
    """Return the device as what was fitted elsewhere can use it: the best one there is
    where it is not available. None and the CPU stay."""
    return device_or_best(device) if names_accelerator(device) else device


def names_accelerator(device: str | torch.device | None) -> bool:
    """Tell whether a device is asked for that is no CPU; loads no torch."""
    return str(device) not in ("None", "cpu")
