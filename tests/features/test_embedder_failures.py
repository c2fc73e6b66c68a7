"""BackboneEmbedder: bad images, errors on the way, memory that runs out."""

import re
import threading
import warnings

import numpy as np
import pytest
import torch
from image_examples import save_images
from image_examples import tiny_embedder as tiny

from skknn import FungiTransformer
from skknn.extraction import _bad_items
from skknn.modalities import BadImageError

RNG = np.random.default_rng(0)
ARRAYS = RNG.integers(0, 256, (7, 24, 30, 3), dtype=np.uint8)


@pytest.fixture
def paths(tmp_path):
    return save_images(tmp_path, ARRAYS)


@pytest.mark.parametrize("n_jobs, batch_size", [(1, 2), (3, 32)])
def test_an_error_names_all_files_that_are_bad(paths, n_jobs, batch_size):
    broken = [1, 2, 6]
    for row in broken:
        with open(paths[row], "wb") as file:
            file.write(b"no image")
    embedder = tiny(n_jobs=n_jobs, batch_size=batch_size)
    with pytest.raises(BadImageError, match="3 rows cannot be used") as found:
        embedder.fit_transform([*paths, paths[0]])
    message = str(found.value)
    for row, path in enumerate(paths):
        assert (f"row {row} ({path!r})" in message) is (row in broken)
    assert "check_images" in message and "on_error='nan'" in message
    # What programs read is that of the first one.
    assert (found.value.row, found.value.file) == (1, paths[1])


def test_bad_rows_are_named_in_their_order(paths):
    # SimCLR's negatives are rows that are drawn, and are looked at first.
    for path in paths:
        with open(path, "wb") as file:
            file.write(b"no image")
    fungi = FungiTransformer(
        "test_vit", objectives="simclr", weights=None, image_size=32, random_state=0
    )
    with pytest.raises(BadImageError, match="7 rows cannot be used") as found:
        fungi.fit(paths)
    named = re.findall(r"^  row (\d)", str(found.value), flags=re.MULTILINE)
    assert named == list("0123456")


@pytest.mark.parametrize(
    ("item", "hint"),
    [
        ("a wonderful film", "backbone=TextBackbone()"),
        ("Good. Very good", "backbone=TextBackbone()"),
        ("word " * 200, "backbone=TextBackbone()"),
        ("bark.WAV", "backbone=AudioBackbone()"),
        ("missing.jpg", None),
        (3, None),
    ],
)
def test_what_is_no_image_is_told_where_it_belongs(item, hint):
    with pytest.raises(BadImageError) as found:
        tiny().fit_transform([item, item])
    if hint is None:
        assert "Backbone()" not in str(found.value)
    else:
        assert str(found.value).endswith(f"with {hint}.")


def test_a_bad_file_without_a_suffix_is_no_text(tmp_path):
    (tmp_path / "photo").write_bytes(b"no image")
    with pytest.raises(BadImageError) as found:
        tiny().fit_transform([tmp_path / "photo"])
    assert "Backbone()" not in str(found.value)


def test_an_error_says_how_far_it_looked(paths, monkeypatch):
    for path in paths[1:3]:
        with open(path, "wb") as file:
            file.write(b"no image")
    monkeypatch.setattr(_bad_items, "_SECONDS", -1)
    with pytest.raises(
        BadImageError, match="1 rows of the first 0 looked at(?s:.*)row 1"
    ):
        tiny().fit_transform(paths)


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="memory=.*file.*folder"):
        tiny(memory=tmp_path / "file").fit_transform(ARRAYS)


@pytest.mark.parametrize("use_cache", [False, True])
def test_a_bad_image_is_one_error(paths, tmp_path, use_cache):
    with open(paths[4], "wb") as file:
        file.write(b"no image")
    memory = tmp_path / "rows" if use_cache else None
    embedder = tiny(batch_size=2, memory=memory).fit(paths)
    with pytest.raises(BadImageError, match=r"row 4 \(.*4\.png.*on_error='nan'") as e:
        embedder.transform(paths)
    assert e.value.row == 4


@pytest.mark.parametrize("use_cache", [False, True])
def test_bad_images_become_nan(paths, tmp_path, use_cache):
    expected = tiny().fit_transform(paths)
    for row in (0, 4, 6):
        with open(paths[row], "wb") as file:
            file.write(b"no image" if row else b"")
    memory = tmp_path / "rows" if use_cache else None
    embedder = tiny(batch_size=2, memory=memory, on_error="nan").fit(paths)
    for _ in range(2):
        with pytest.warns(UserWarning, match=r"(?s)3 of 7 images.*0\.png.*6\.png"):
            rows = embedder.transform(paths)
        assert embedder.failed_ == [0, 4, 6]
        assert np.isnan(rows[[0, 4, 6]]).all()
        good = [1, 2, 3, 5]
        np.testing.assert_array_equal(rows[good], expected[good])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        embedder.transform([paths[i] for i in good])
    assert embedder.failed_ == []


def test_all_images_bad():
    embedder = tiny(on_error="nan").fit(["a", "b"])
    with pytest.warns(UserWarning, match="2 of 2 images"):
        rows = embedder.transform(["a", "b"])
    assert rows.shape == (2, 96) and np.isnan(rows).all()


class Breaks:
    """A hook that raises at its n-th call."""

    def __init__(self, error, at):
        self.error, self.left = error, at

    def __call__(self, module, args, output):
        self.left -= 1
        if self.left == 0:
            raise self.error


def state_of(module):
    return (
        {k: v.clone() for k, v in module.state_dict().items()},
        [len(m._forward_hooks) for m in module.modules()],
        [p.requires_grad for p in module.parameters()],
        module.training,
    )


@pytest.mark.parametrize("layer", [None, 2])
@pytest.mark.parametrize("error", [RuntimeError("broken"), KeyboardInterrupt()])
def test_a_failed_transform_leaves_no_trace(layer, error):
    embedder = tiny(layer=layer, batch_size=2).fit(ARRAYS)
    expected = embedder.transform(ARRAYS)
    module = embedder.backbone_.module
    before, n_threads = state_of(module), threading.active_count()
    handle = module.layer1.register_forward_hook(Breaks(error, at=4))
    with pytest.raises(type(error)):
        embedder.transform(ARRAYS)
    handle.remove()
    tensors, *rest = state_of(module)
    assert rest == list(before[1:])
    assert all(torch.equal(tensors[k], before[0][k]) for k in tensors)
    assert threading.active_count() == n_threads
    np.testing.assert_array_equal(embedder.transform(ARRAYS), expected)


def test_out_of_memory_in_a_thread_is_tried_again_alone():
    embedder = tiny(n_jobs=3).fit(ARRAYS)
    expected = embedder.transform(ARRAYS)
    module, calls = embedder.backbone_.module, []

    def hook(module, args):
        calls.append(1)
        if len(calls) in (2, 3):
            raise torch.OutOfMemoryError("CUDA out of memory (not really)")

    handle = module.register_forward_pre_hook(hook)
    rows = embedder.transform(ARRAYS)
    handle.remove()
    assert len(calls) == 7 + 2
    np.testing.assert_allclose(rows, expected, rtol=1e-4, atol=1e-5)


def test_lasting_lack_of_memory_is_an_error_with_remedies():
    embedder = tiny().fit(ARRAYS)

    def hook(module, args):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    embedder.backbone_.module.register_forward_pre_hook(hook)
    with pytest.raises(MemoryError, match="image_size.*bf16"):
        embedder.transform(ARRAYS)


def test_progress_bar(capsys):
    tiny(verbose=1).fit_transform(ARRAYS)
    shown = capsys.readouterr().err
    assert "embedding" in shown and "7/7" in shown and "image/s" in shown
    tiny().fit_transform(ARRAYS)
    silent = capsys.readouterr()
    assert silent.out == "" and silent.err == ""
