"""Whole images on the device, those of one size together, and what is cut of them."""

from collections.abc import Callable, Iterable

import torch
from numpy.typing import NDArray

from ..utils._tensors import empty_on_host
from ._transfer import Uploads

# Larger ones are cut by the thread that decoded them, so that a batch of photos stays
# small in memory: a pixel takes four bytes on either side.
_LARGEST = 2**20


def may_travel(size: tuple[int, int]) -> bool:
    """Tell whether an image (height, width) is small enough to be sent as it is."""
    return size[0] * size[1] <= _LARGEST


class DeviceImages:
    """Images on a device.

    Parameters
    ----------
    images : dict int -> uint8 tensor of shape (H, W, 3) or (H, W, 4)
        On the host, by a number of theirs. A fourth channel is ignored.
    uploads : Uploads
    """

    def __init__(self, images: dict[int, torch.Tensor], uploads: Uploads) -> None:
        by_shape: dict[torch.Size, list[int]] = {}
        for number, image in images.items():
            by_shape.setdefault(image.shape, []).append(number)
        self._stacks = [
            (numbers, uploads.stack([images[number] for number in numbers]))
            for numbers in by_shape.values()
        ]

    def cut(
        self,
        wanted: Iterable[int],
        function: Callable[[torch.Tensor], list[torch.Tensor]],
    ) -> list["Parts"]:
        """Cut the same out of some of the images.

        Parameters
        ----------
        wanted : iterable of int
        function : callable
            uint8 (n, 3, H, W) -> tensors whose first axis is of length n.

        Returns
        -------
        list of Parts
            One for each tensor of the function; none without images.
        """
        wanted, found = set(wanted), []
        for numbers, stack in self._stacks:
            places = [i for i, number in enumerate(numbers) if number in wanted]
            if len(places) < len(numbers):
                if not places:
                    continue
                stack = torch.stack([stack[place] for place in places])
            parts = function(stack[..., :3].permute(0, 3, 1, 2))
            found.append(([numbers[place] for place in places], parts))
        return [
            [(numbers, parts[k]) for numbers, parts in found]
            for k in range(len(found[0][1]) if found else 0)
        ]


#: Tensors and, for the entries of their first axes, what these belong to.
Parts = list[tuple[list[int], torch.Tensor]]


def in_order(parts: Parts) -> torch.Tensor:
    """Return the entries of all parts by rising numbers."""
    if len(parts) == 1 and parts[0][0] == sorted(parts[0][0]):
        return parts[0][1]
    single = {
        number: entry
        for numbers, part in parts
        for number, entry in zip(numbers, part.unbind(), strict=True)
    }
    # Without an index, which would have to be copied to the device.
    return torch.stack([single[number] for number in sorted(single)])


def as_host_tensor(pixels: NDArray, device: torch.device) -> torch.Tensor:
    """Copy pixels, in a thread, to where the device can fetch them by itself."""
    place = empty_on_host(pixels.shape, torch.uint8, pin=device.type == "cuda")
    # As numpy arrays, because a tensor of memory that is constant warns.
    place.numpy()[...] = pixels
    return place
