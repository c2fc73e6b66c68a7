"""Gradients -> unit rows, put at their places among the blocks."""

import torch


def scaled(gradients: torch.Tensor) -> torch.Tensor:
    """Bring each row's largest entry to 1: LayerScale may make gradients of 1e-12.

    In place: gradients are as large as networks.
    """
    high, low = gradients.amax(1, keepdim=True), gradients.amin(1, keepdim=True)
    largest = torch.maximum(high, -low)
    return gradients.div_(torch.where(largest > 0, largest, 1))


def unit(rows: torch.Tensor) -> torch.Tensor:
    """Return rows as float32 unit vectors; zero rows stay zero."""
    device = rows.device
    # Apple's devices have no float64.
    rows = (rows.cpu() if device.type == "mps" else rows).to(torch.float64, copy=True)
    rows = scaled(rows)
    norms = rows.norm(dim=1, keepdim=True)
    return (rows / torch.where(norms > 0, norms, 1)).float().to(device)


def unit_mean(embeddings: torch.Tensor) -> torch.Tensor:
    """Return unit means (n, E) of views' embeddings (n, V, E), each a unit vector."""
    rows = unit(embeddings.flatten(0, 1)).unflatten(0, embeddings.shape[:2])
    return unit(rows.mean(1))


def put(
    out: torch.Tensor, rows: list[int], columns: slice, values: torch.Tensor
) -> None:
    """Write values (len(rows), width) to some rows of ``out``."""
    if rows == list(range(rows[0], rows[0] + len(rows))):
        # An index would have to be copied to the device, which waits for it.
        out[rows[0] : rows[0] + len(rows), columns] = values
    else:
        out[torch.tensor(rows, device=out.device), columns] = values


def join(parts: list[torch.Tensor]) -> torch.Tensor:
    """Put parts below each other; a single one is not copied."""
    return parts[0] if len(parts) == 1 else torch.cat(parts)
