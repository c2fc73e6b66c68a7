"""Copies between host and device that wait for nothing.

On CUDA uploads run in a stream of their own, so that they overlap with what the card
is computing; pinned memory comes from torch's allocator, which hands the same blocks
out again. On other devices everything happens at once.
"""

import numpy as np
import torch
from numpy.typing import NDArray

from ..utils._tensors import empty_on_host


def pinned(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Return a CPU tensor in memory that the device can fetch by itself.

    Called in threads, where the copy costs the main thread nothing. Strides stay.
    """
    if device.type != "cuda" or tensor.device.type != "cpu" or tensor.is_pinned():
        return tensor
    place = torch.empty_like(tensor, pin_memory=True)
    return place.copy_(tensor)


def sent(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Return a CPU tensor on the device; CUDA fetches it by itself, in its stream."""
    on_card = device.type == "cuda"
    return pinned(tensor, device).to(device, non_blocking=on_card)


class Uploads:
    """Stack tensors of single images on a device.

    Parameters
    ----------
    device : torch.device
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None

    def stack(self, parts: list[torch.Tensor]) -> torch.Tensor:
        """Stack CPU tensors of one shape along a new first axis, on the device.

        The memory order of the parts (channels last, say) is kept.
        """
        if self._stream is None:
            # One image keeps its memory layout without a copy.
            host = parts[0][None] if len(parts) == 1 else torch.stack(parts)
            return host.to(self.device)
        # Axes by falling stride are those of memory.
        first = parts[0]
        order = sorted(range(first.ndim), key=first.stride, reverse=True)
        with torch.cuda.stream(self._stream):
            flat = torch.empty(
                (len(parts), *(first.shape[axis] for axis in order)),
                dtype=first.dtype,
                device=self.device,
            )
            # One call instead of one an image.
            torch._foreach_copy_(
                list(flat), [part.permute(order) for part in parts], non_blocking=True
            )
        current = torch.cuda.current_stream(self.device)
        current.wait_stream(self._stream)
        flat.record_stream(current)
        back = sorted(range(first.ndim), key=order.__getitem__)
        return flat.permute(0, *(1 + axis for axis in back))


class Download:
    """A tensor on its way to the host.

    Parameters
    ----------
    tensor : tensor
        On any device.
    """

    def __init__(self, tensor: torch.Tensor) -> None:
        self._event = None
        if tensor.device.type == "cuda":
            self._host = empty_on_host(tensor.shape, tensor.dtype, pin=True)
            self._host.copy_(tensor, non_blocking=True)
            self._event = torch.cuda.Event()
            self._event.record(torch.cuda.current_stream(tensor.device))
        else:
            self._host = tensor.cpu()

    def wait(self) -> NDArray:
        """Return the array when it is there."""
        if self._event is None:
            return self._host.numpy()
        self._event.synchronize()
        # Pinned memory is scarce: it goes back to the allocator.
        return np.array(self._host.numpy())
