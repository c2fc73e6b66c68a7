"""Arrays to tensors on a device and back."""

from typing import TYPE_CHECKING, Any

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
    import torch

    if tensor.device.type != "cuda":
        return tensor.cpu().numpy()
    how: Any = {"dtype": tensor.dtype, "device": "cpu", "pin_memory": True}
    host = torch.empty(tensor.shape, **how)
    return host.copy_(tensor).numpy()
