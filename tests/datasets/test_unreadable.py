"""Bad images are listed, and left out with their labels."""

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from skknn.datasets import BadImage, check_images, drop_unreadable

N, BAD = 9, (2, 5)
RGB = np.random.default_rng(0).integers(0, 256, (N, 5, 7, 3), dtype=np.uint8)


@pytest.fixture
def paths(tmp_path):
    """Nine files; row 2 is cut off at its end, row 5 is missing."""
    found = []
    for i, array in enumerate(RGB):
        found.append(str(tmp_path / f"{i}.png"))
        if i != 5:
            Image.fromarray(array).save(found[-1])
    data = open(found[2], "rb").read()
    open(found[2], "wb").write(data[: len(data) // 2])
    return found


class Files(torch.utils.data.Dataset):
    def __init__(self, paths):
        self.paths, self.read = paths, []

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, i):
        self.read.append(i)
        return Image.open(self.paths[i]), i % 2


@pytest.mark.parametrize("n_jobs", [None, 1, 3])
def test_all_bad_images_are_listed_with_row_file_and_reason(paths, n_jobs):
    bad = check_images(paths, n_jobs=n_jobs)
    assert [(b.row, b.file) for b in bad] == [(row, paths[row]) for row in BAD]
    assert all(isinstance(b, BadImage) for b in bad)
    assert "no such file" in bad[1].reason
    assert all(b.file not in b.reason and "row" not in b.reason for b in bad)
    good = [path for row, path in enumerate(paths) if row not in BAD]
    assert check_images(good) == []


def test_rows_without_a_path_have_no_file():
    (bad,) = check_images([RGB[0], None, RGB[1]])
    assert (bad.row, bad.file) == (1, None)
    assert "NoneType" in bad.reason


def test_tables_have_nothing_to_check():
    with pytest.raises(ValueError, match="2-D table"):
        check_images(np.eye(3))


CONTAINERS = {
    "list": list,
    "tuple": tuple,
    "strings": np.array,
    "Series": lambda paths: pd.Series(paths, index=range(10, 10 + N)),
    "frame": lambda paths: pd.DataFrame({"file": paths}),
    "pairs": lambda paths: [(path, "cat") for path in paths],
}


@pytest.mark.parametrize("name", CONTAINERS)
def test_bad_images_leave_with_their_labels(name, paths):
    X = CONTAINERS[name](paths)
    y = np.arange(N)
    groups = pd.Series(list("abcdefghi"))
    kept, y_kept, nothing, groups_kept, bad = drop_unreadable(X, y, None, groups)
    good = [row for row in range(N) if row not in BAD]
    assert [b.row for b in bad] == list(BAD)
    np.testing.assert_array_equal(y_kept, good)
    assert list(groups_kept) == [groups[row] for row in good]
    assert nothing is None
    assert len(kept) == len(good) and check_images(kept) == []
    if name == "frame":
        assert list(kept["file"]) == [paths[row] for row in good]
    elif name != "pairs":
        assert list(kept) == [paths[row] for row in good]


def test_a_dataset_becomes_a_subset_that_reads_on_demand(paths):
    X = Files(paths)
    kept, bad = drop_unreadable(X)
    assert isinstance(kept, torch.utils.data.Subset)
    assert [b.row for b in bad] == list(BAD)
    assert X.read == list(range(N))  # each once, to check it
    assert kept[2][1] == 3 % 2 and X.read[-1] == 3


def test_nothing_left_and_lengths_that_differ(paths):
    with pytest.raises(ValueError, match="none of the 2 images.*5.png.*no such file"):
        drop_unreadable([paths[5], paths[5]], [0, 1])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        drop_unreadable(paths, [0, 1])


def test_the_given_ones_stay_as_they_are(paths):
    X, y = list(paths), list(range(N))
    drop_unreadable(X, y)
    assert X == paths and y == list(range(N))
