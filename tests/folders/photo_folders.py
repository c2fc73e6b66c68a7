"""Folders of generated photos: three colours, told apart by random weights."""

import numpy as np
from PIL import Image

COLORS = {"blue": (40, 60, 200), "green": (30, 180, 60), "red": (210, 40, 40)}
#: What makes the classify functions quick.
TINY = {"backbone": "test_resnet", "weights": None, "verbose": 0}


def photo(color, seed, size=32):
    """A picture of noise around a colour."""
    noise = np.random.default_rng(seed).normal(0, 25, (size, size, 3))
    return Image.fromarray(np.clip(noise + COLORS[color], 0, 255).astype("uint8"))


def save_photo(path, color, seed):
    """Write a photo, and its folder if there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    photo(color, seed).save(path)


def fill(folder, n=6):
    """Class folders of n photos each."""
    for number, color in enumerate(COLORS):
        for i in range(n):
            save_photo(folder / color / f"{i}.png", color, 100 * number + i)
    return folder


def make_messy(folder):
    """All that people have in their folders besides."""
    save_photo(folder / "loose.png", "red", 900)
    save_photo(folder / "_todo" / "deep" / "waits.png", "blue", 901)
    save_photo(folder / "Unknown" / "who.png", "green", 902)
    save_photo(folder / "red" / "burst" / "nested.png", "red", 903)
    save_photo(folder / "red" / "unlabelled" / "unsure.png", "red", 904)
    save_photo(folder / "lonely" / "only.png", "blue", 905)
    (folder / "nothing").mkdir()
    (folder / "red" / "broken.jpg").write_bytes(b"\xff\xd8 no photo")
    (folder / "empty.jpg").touch()
    (folder / "notes.txt").write_text("field notes")
    (folder / "red" / "Thumbs.db").write_bytes(b"db")
    (folder / "red" / ".DS_Store").write_bytes(b"store")
    (folder / "green" / "IMG_1.CR2").write_bytes(b"raw")
    (folder / "green" / "film.MP4").write_bytes(b"film")
    return folder
