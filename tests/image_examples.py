"""Images as users have them: files, and pairs in a torch data set."""

import torch
from PIL import Image

from skknn import BackboneEmbedder


def save_images(folder, arrays):
    """Write uint8 arrays as numbered PNG files, and return their paths."""
    paths = [str(folder / f"{i}.png") for i in range(len(arrays))]
    for array, path in zip(arrays, paths):
        Image.fromarray(array).save(path)
    return paths


class Pairs(torch.utils.data.Dataset):
    """(item, label) for each item; labels are 0, 1, 0, 1, ... if none are given."""

    def __init__(self, items, labels=None):
        self.items = items
        self.labels = [i % 2 for i in range(len(items))] if labels is None else labels

    def __len__(self):
        return len(self.items)

    def __getitem__(self, i):
        return self.items[i], self.labels[i]


def tiny_embedder(backbone="test_resnet", **settings):
    """A small network with random weights, on the CPU."""
    defaults = {"image_size": 64, "weights": None, "random_state": 0, "device": "cpu"}
    return BackboneEmbedder(backbone, **defaults | settings)
