"""Arrays to tensors on a device and back."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch


def to_device(device: "torch.device", array: NDArray) -> "torch.Tensor":
    """The array on the device; on the CPU its own memory, unless that is read-only."""
    import torch

    if not array.flags.writeable:
        array = array.copy()
    return torch.from_numpy(array).to(device)


def to_host(tensor: "torch.Tensor") -> NDArray:
    """The tensor as an array; from CUDA through pinned memory, many times faster."""
    if tensor.device.type != "cuda":
        return tensor.cpu().numpy()
    return empty_on_host(tensor.shape, tensor.dtype, pin=True).copy_(tensor).numpy()


def empty_on_host(
    shape: Sequence[int], dtype: "torch.dtype", pin: bool
) -> "torch.Tensor":
    """Memory of the host, whatever torch's default device is; pinned for CUDA."""
    import torch

    return torch.empty(tuple(shape), dtype=dtype, device="cpu", pin_memory=pin)
