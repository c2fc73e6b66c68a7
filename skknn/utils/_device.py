"""The one place that chooses the torch device."""


def resolve_device(device=None):
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
    available = {
        "cpu": lambda: True,
        "cuda": lambda: (resolved.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available,
        "meta": lambda: False,
    }.get(resolved.type, lambda: True)
    if not available():
        raise ValueError(
            f"device={device!r} is not available here: torch sees "
            f"{torch.cuda.device_count()} CUDA devices. Use device=None to take the "
            "best device there is, or 'cpu'."
        )
    return resolved
