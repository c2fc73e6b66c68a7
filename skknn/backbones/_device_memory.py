"""How much memory a device has left, and how many images that is."""

import torch

# Bytes of activations an input pixel in one forward pass without gradients: an upper
# estimate for the usual networks (float32, a ViT-B holds about 150, a ResNet-50 250).
_BYTES_A_PIXEL = 1000
_LARGEST_BATCH = 256
_SMALLEST_BATCH = 16


def free_bytes(device: torch.device) -> int:
    """Return the bytes that can still be allocated on a CUDA device.

    What torch's allocator holds without using it counts as free.
    """
    free, _ = torch.cuda.mem_get_info(device)
    unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return free + unused


def views_at_once(device: torch.device, size: tuple[int, int]) -> int:
    """Return how many views of a size a CUDA device takes in one forward pass.

    More than 256 gain nothing; a batch that turns out to be too large is halved.

    Parameters
    ----------
    device : torch.device
    size : (height, width)
    """
    each = _BYTES_A_PIXEL * size[0] * size[1]
    return max(_SMALLEST_BATCH, how_many_fit(device, 2 * each, _LARGEST_BATCH))


def how_many_fit(device: torch.device, each: int, most: int) -> int:
    """Return how many things of some bytes fit on a CUDA device, a power of 2 or most.

    In coarse steps: what is free changes a little from call to call, and the last bits
    of rows depend on how many are computed together.

    Parameters
    ----------
    device : torch.device
    each : int
        Bytes of one.
    most : int
        More are not wanted.
    """
    fitting = min(most, free_bytes(device) // each)
    return most if fitting == most else 1 << max(0, fitting.bit_length() - 1)
