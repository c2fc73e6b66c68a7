"""Copies of photos that LabelAudit finds with images: by file, picture and array."""

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw

from skknn.inspection import LabelAudit

N = 60


def scene(seed):
    """A picture of shapes that no other one has."""
    random = np.random.default_rng(seed)
    image = Image.new("RGB", (160, 120), tuple(random.integers(0, 255, 3).tolist()))
    pen = ImageDraw.Draw(image)
    for _ in range(12):
        x, y = random.integers(0, [160, 120]).tolist()
        size = int(random.integers(15, 60))
        color = tuple(random.integers(0, 255, 3).tolist())
        pen.ellipse((x - size, y - size, x + size, y + size), fill=color)
    return image


def as_jpeg(image, quality=50):
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def reopened(image):
    return Image.open(io.BytesIO(as_jpeg(image))).convert("RGB")


@pytest.fixture(scope="module")
def scenes():
    """Rows at random, labels and pictures; rows say nothing of pictures."""
    random = np.random.default_rng(0)
    X = random.normal(size=(N, 16))
    return X, np.arange(N) % 3, [scene(seed) for seed in range(N)]


def with_copies(scenes, changed, apart):
    """The first five rows once more, with other pictures and rows that are apart."""
    X, y, images = scenes
    random = np.random.default_rng(1)
    more = X[:5] + apart * random.normal(size=(5, X.shape[1]))
    pictures = images + [changed(image) for image in images[:5]]
    return np.vstack([X, more]), np.append(y, y[:5]), pictures


def pairs_of(audit):
    table = audit.duplicates_
    return set(zip(table["row_a"].tolist(), table["row_b"].tolist()))


PLANTED = {(i, N + i) for i in range(5)}


def correlation(a, b):
    """Of small grey pictures, by averages of numpy alone."""
    small = []
    for image in (a, b):
        pixels = np.asarray(image.resize((160, 120))).astype(float) @ [0.3, 0.59, 0.11]
        small.append(pixels[:112].reshape(16, 7, 16, 10).mean(axis=(1, 3)).ravel())
    return np.corrcoef(small)[0, 1]


def test_smaller_files_are_copies_though_their_rows_are_far(scenes):
    def half(image):
        return reopened(image.resize((80, 60), Image.Resampling.BICUBIC))

    X, y, images = with_copies(scenes, half, apart=1.1)
    assert len(PLANTED & pairs_of(LabelAudit().fit(X, y))) < 5
    found = LabelAudit().fit(X, y, images=images)
    assert pairs_of(found) == PLANTED
    assert found.duplicates_["same_picture"].all()
    # The same by an independent comparison of all pictures.
    same = {
        (i, j)
        for i in range(len(images))
        for j in range(i + 1, len(images))
        if correlation(images[i], images[j]) > 0.99
    }
    assert same == PLANTED


@pytest.mark.parametrize("share", [0.05, 0.1])
def test_near_rows_are_copies_if_one_is_a_part_of_the_other(scenes, share):
    def crop(image):
        width, height = image.size
        left, top = int(width * share / 2), int(height * share)
        return reopened(image.crop((left, top, left + int(width * (1 - share)), 120)))

    X, y, images = with_copies(scenes, crop, apart=0.25)
    audit = LabelAudit()
    assert pairs_of(audit.fit(X, y)) >= PLANTED
    assert pairs_of(audit.fit(X, y, images=images)) == PLANTED
    assert not audit.duplicates_["same_picture"].any()


def test_near_rows_with_other_pictures_are_no_copies(scenes):
    """Nine rows close together, far from the rest: all pairs are near."""
    X, y, images = scenes
    X = X.copy()
    X[:9] = 8 + np.random.default_rng(2).normal(size=(9, 16))
    audit = LabelAudit()
    tight = {(i, j) for i in range(9) for j in range(i + 1, 9)}
    assert tight <= pairs_of(audit.fit(X, y))
    assert not pairs_of(audit.fit(X, y, images=images))
    # What is equal needs no picture.
    X[1] = X[0]
    assert pairs_of(audit.fit(X, y, images=images)) == {(0, 1)}


def test_files_and_arrays_do_as_well_and_bad_files_confirm_nothing(scenes, tmp_path):
    X, y, images = with_copies(scenes, reopened, apart=1.1)
    want = pairs_of(LabelAudit().fit(X, y, images=images))
    assert want == PLANTED
    arrays = np.stack([np.asarray(image) for image in images])
    assert pairs_of(LabelAudit().fit(X, y, images=arrays)) == want
    files = [tmp_path / f"{i}.png" for i in range(len(images))]
    for file, image in zip(files, images):
        image.save(file)
    assert pairs_of(LabelAudit().fit(X, y, images=files)) == want
    files[0].write_bytes(b"no picture")
    files[1].unlink()
    with pytest.warns(UserWarning, match=r"images: 2 of 65 photos .*row 0, '.*0.png'"):
        found = LabelAudit().fit(X, y, images=[str(file) for file in files])
    assert pairs_of(found) == want - {(0, N), (1, N + 1)}


def test_pictures_that_show_nothing_are_like_no_other(scenes):
    X, y, _ = scenes
    blank = [Image.new("L", (40, 40), i % 256) for i in range(N)]
    assert not pairs_of(LabelAudit().fit(X, y, images=blank))


def test_images_are_one_a_row(scenes):
    X, y, images = scenes
    with pytest.raises(ValueError, match="images has 3 entries for 60"):
        LabelAudit().fit(X, y, images=images[:3])
