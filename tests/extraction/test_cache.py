"""The row cache: by content and settings, shared, damaged, full."""

import multiprocessing
import os
import pickle
import sqlite3
import sys
import threading
import warnings

import numpy as np
import pytest
import timm
import torch
from PIL import Image

from skknn import BackboneEmbedder
from skknn.extraction import RowCache
from skknn.extraction._cache_file import CacheFile
from skknn.utils._behaviour import N_QUESTIONS

RNG = np.random.default_rng(0)
ARRAYS = RNG.integers(0, 256, (9, 20, 20, 3), dtype=np.uint8)


def rows(n, width=16, seed=0):
    rng = np.random.default_rng(seed)
    keys = [rng.bytes(20) for _ in range(n)]
    return keys, rng.normal(size=(n, width)).astype(np.float32)


def tiny(memory, **kwargs):
    settings = {
        "backbone": "test_resnet",
        "image_size": 64,
        "weights": None,
        "random_state": 0,
        "device": "cpu",
        "batch_size": 4,
        "memory": memory,
    }
    return BackboneEmbedder(**settings | kwargs)


def count_computed(embedder, X):
    """How many images went through the network, and the rows."""
    module, seen = embedder.backbone_.module, []
    first = next(m for m in module.modules() if not list(m.children()))
    handle = first.register_forward_hook(lambda m, a, out: seen.append(len(out)))
    found = embedder.transform(X)
    handle.remove()
    # The cache asks first what the network makes of some pictures.
    return sum(seen) - N_QUESTIONS - 1, found


def test_rows_come_back_bit_for_bit(tmp_path):
    keys, values = rows(1234)
    with RowCache(tmp_path / "deep" / "er", {"a": 1}) as cache:
        assert cache.get(keys) == {}
        cache.put(keys[:1000], values[:1000])
        cache.put(keys[900:], values[900:])
        assert len(cache) == 1234
    with RowCache(tmp_path / "deep" / "er", {"a": 1}) as cache:
        found = cache.get(keys + keys[:5] + [b"x" * 20])
    assert set(found) == set(keys)
    for key, value in zip(keys, values):
        assert found[key].dtype == np.float32
        np.testing.assert_array_equal(found[key], value)


def test_special_values_are_kept(tmp_path):
    value = np.array([[0.0, -0.0, np.inf, -np.inf, np.nan, 1e-45]], np.float32)
    with RowCache(tmp_path, {}) as cache:
        cache.put([b"k"], value)
        assert cache.get([b"k"])[b"k"].tobytes() == value.tobytes()


def test_settings_have_files_of_their_own(tmp_path):
    keys, values = rows(3)
    for i, settings in enumerate(({"a": 1}, {"a": 2}, {"b": 1})):
        with RowCache(tmp_path, settings) as cache:
            assert cache.get(keys) == {}
            cache.put(keys, values + i)
    with RowCache(tmp_path, {"a": 2}) as cache:
        np.testing.assert_array_equal(cache.get(keys)[keys[0]], values[0] + 1)
    assert len(list(tmp_path.glob("*.sqlite"))) == 3


def _write(folder, seed, start):
    keys, values = rows(2000, seed=seed)
    start.wait()
    with RowCache(folder, {"shared": True}) as cache:
        for low in range(0, 2000, 20):
            part = keys[low : low + 20]
            found = cache.get(part)
            assert len(found) in (0, 20)
            cache.put(part, values[low : low + 20])


def test_processes_write_at_once_and_lose_nothing(tmp_path):
    """Four writers from the first moment on, two of them of the same rows."""
    context = multiprocessing.get_context("fork")
    start = context.Event()
    seeds = (0, 1, 1, 2)
    writers = [
        context.Process(target=_write, args=(tmp_path, seed, start)) for seed in seeds
    ]
    for writer in writers:
        writer.start()
    start.set()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0] * 4
    with RowCache(tmp_path, {"shared": True}) as cache:
        assert len(cache) == 6000
        for seed in set(seeds):
            keys, values = rows(2000, seed=seed)
            found = cache.get(keys)
            np.testing.assert_array_equal([found[key] for key in keys], values)
    check_integrity(tmp_path)
    assert len(list(tmp_path.iterdir())) == 1


def check_integrity(folder):
    for file in folder.glob("rows-*.sqlite"):
        db = sqlite3.connect(file)
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        db.close()


def test_threads_with_caches_of_their_own(tmp_path):
    expected = tiny(None).fit_transform(ARRAYS)
    found = {}

    def run(i):
        found[i] = tiny(tmp_path).fit_transform(ARRAYS)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i in range(3):
        np.testing.assert_array_equal(found[i], expected)


def damage_text(path):
    path.write_text("this was never a database, but it is long enough" * 500)


def damage_header(path):
    data = bytearray(path.read_bytes())
    data[:16] = b"SQLite format 9\0"
    path.write_bytes(data)


def damage_middle(path):
    data = bytearray(path.read_bytes())
    rng = np.random.default_rng(0)
    data[20_000:90_000] = rng.bytes(70_000)
    path.write_bytes(data)


def damage_one_bit_of_a_row(path):
    value = rows(200, width=300)[1][100].tobytes()
    data = bytearray(path.read_bytes())
    # Within one page, away from its cell headers.
    place = bytes(data).find(value[400:600])
    assert place > 0
    data[place + 50] ^= 4
    path.write_bytes(data)


def damage_cut(path):
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def damage_foreign(path):
    path.unlink()
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE rows (key BLOB PRIMARY KEY, crc INTEGER, row BLOB)")
    db.commit()
    db.close()


def damage_other_settings(path):
    with RowCache(path.parent, {"v": 2}) as other:
        other.put(*rows(3))
    other.path.rename(path)


DAMAGE = [
    damage_text,
    damage_header,
    damage_middle,
    damage_one_bit_of_a_row,
    damage_cut,
    damage_foreign,
    damage_other_settings,
]


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda f: f.__name__)
def test_a_damaged_or_foreign_file_is_set_aside(damage, tmp_path):
    keys, values = rows(200, width=300)
    with RowCache(tmp_path, {"v": 1}) as cache:
        cache.put(keys, values)
        path = cache.path
    damage(path)
    before = path.read_bytes()
    with pytest.warns(UserWarning, match=f"{path.name}.*renamed"):
        with RowCache(tmp_path, {"v": 1}) as cache:
            found = cache.get(keys)
            for key in found:
                np.testing.assert_array_equal(found[key], values[keys.index(key)])
            cache.put(keys, values)
            assert len(cache.get(keys)) == 200
    (aside,) = tmp_path.glob("*damaged*")
    assert aside.read_bytes() == before or damage is damage_middle
    check_integrity(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with RowCache(tmp_path, {"v": 1}) as cache:
            assert len(cache.get(keys)) == 200


def test_a_damaged_file_that_cannot_be_renamed_is_left_alone(tmp_path, monkeypatch):
    """As on Windows: no locks of folders, no renaming of what others have open."""

    def refuse(source, target):
        raise PermissionError(13, "used by another process", str(source))

    expected = tiny(tmp_path).fit_transform(ARRAYS)
    (path,) = tmp_path.iterdir()
    damage_text(path)
    before = path.read_bytes()
    monkeypatch.setitem(sys.modules, "fcntl", None)
    monkeypatch.setattr(os, "rename", refuse)
    with pytest.warns(UserWarning) as caught:
        found = tiny(tmp_path).fit_transform(ARRAYS)
    (warning,) = caught
    assert "cannot be renamed: " in str(warning.message)
    assert "goes on without" in str(warning.message)
    np.testing.assert_array_equal(found, expected)
    assert path.read_bytes() == before
    # Once the other process has ended, it can.
    monkeypatch.undo()
    with pytest.warns(UserWarning, match="a new one is begun"):
        tiny(tmp_path).fit_transform(ARRAYS)


def test_an_embedder_goes_on_with_a_damaged_cache(tmp_path):
    expected = tiny(tmp_path).fit_transform(ARRAYS)
    (path,) = tmp_path.iterdir()
    damage_text(path)
    with pytest.warns(UserWarning, match="renamed"):
        found = tiny(tmp_path).fit_transform(ARRAYS)
    np.testing.assert_array_equal(found, expected)


def test_an_empty_file_is_a_new_cache(tmp_path):
    with RowCache(tmp_path, {}) as cache:
        path = cache.path
    path.write_bytes(b"")
    keys, values = rows(3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with RowCache(tmp_path, {}) as cache:
            cache.put(keys, values)
            assert len(cache) == 3


def test_a_file_that_cannot_be_opened_is_named(tmp_path):
    with RowCache(tmp_path, {}) as cache:
        path = cache.path
    path.unlink()
    path.mkdir()
    with pytest.raises(OSError, match=f"{path.name}.*memory="):
        RowCache(tmp_path, {})


def test_a_full_disk_does_not_end_the_run(tmp_path, monkeypatch):
    """The rows go on coming; only storing them ends, with one warning."""
    expected = tiny(None).fit_transform(ARRAYS)
    open_file = CacheFile._open

    def tight(file):
        open_file(file)
        file._db.execute("PRAGMA max_page_count=9")

    monkeypatch.setattr(CacheFile, "_open", tight)
    X = np.concatenate([ARRAYS, RNG.integers(0, 256, (200, 20, 20, 3), np.uint8)])
    with pytest.warns(UserWarning, match="cannot be written.*full.*goes on") as seen:
        found = tiny(tmp_path).fit_transform(X)
    assert len(seen) == 1
    np.testing.assert_array_equal(found[:9], expected)
    monkeypatch.undo()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(tiny(tmp_path).fit_transform(X), found)


def test_rows_are_found_by_content_not_by_name(tmp_path):
    for i, array in enumerate(ARRAYS):
        Image.fromarray(array).save(tmp_path / f"{i}.png")
    paths = [tmp_path / f"{i}.png" for i in range(9)]
    embedder = tiny(tmp_path / "rows").fit(paths)
    n, expected = count_computed(embedder, paths)
    assert n == 9
    n, found = count_computed(embedder, paths[::-1])
    assert n == 0
    np.testing.assert_array_equal(found[::-1], expected)
    (tmp_path / "0.png").rename(tmp_path / "new name.png")
    n, found = count_computed(embedder, [tmp_path / "new name.png"])
    assert n == 0
    np.testing.assert_array_equal(found[0], expected[0])
    # Another picture under an old name.
    Image.fromarray(ARRAYS[0][::-1]).save(tmp_path / "1.png")
    n, found = count_computed(embedder, paths[1:])
    assert n == 1
    np.testing.assert_array_equal(found[1:], expected[2:])
    assert np.abs(found[0] - expected[1]).max() > 0


def test_a_picture_that_comes_twice_is_computed_once(tmp_path):
    X = ARRAYS[[0, 1, 0, 0, 2, 1, 0]]
    embedder = tiny(tmp_path, batch_size=2).fit(X)
    n, found = count_computed(embedder, X)
    assert n == 3
    expected = tiny(None).fit_transform(ARRAYS)[[0, 1, 0, 0, 2, 1, 0]]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


CHANGES = {
    "image_size": {"image_size": 48},
    "pooling": {"pooling": "max"},
    "layer": {"layer": -2},
    "precision": {"precision": "bf16"},
    "backbone": {"backbone": "test_efficientnet"},
    "backbone_params": {"backbone_params": {"act_layer": "gelu"}},
    "weights": {"random_state": 1},
    "weight file": {"weights": "other.pth"},
}


@pytest.mark.parametrize("name", CHANGES)
def test_changed_settings_never_give_an_old_row(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    other = tiny(None, random_state=5).fit(ARRAYS)
    torch.save(other.backbone_.module.state_dict(), "other.pth")
    old = tiny(tmp_path / "rows").fit_transform(ARRAYS)
    changed = tiny(tmp_path / "rows", **CHANGES[name]).fit(ARRAYS)
    if name == "precision" and changed.backbone_.precision != "bf16":
        pytest.skip("this processor has no bf16 instructions")
    n, found = count_computed(changed, ARRAYS)
    assert n == len(ARRAYS)
    plain = tiny(None, **CHANGES[name]).fit(ARRAYS)
    np.testing.assert_allclose(found, plain.transform(ARRAYS), rtol=0.05, atol=0.01)
    assert found.shape != old.shape or np.abs(found - old).max() > 1e-6
    n, _ = count_computed(tiny(tmp_path / "rows").fit(ARRAYS), ARRAYS)
    assert n == 0


def test_a_weight_file_that_changes_under_its_name(tmp_path):
    path = tmp_path / "weights.pth"
    found = []
    for seed in (1, 2):
        module = tiny(None, random_state=seed).fit(ARRAYS).backbone_.module
        torch.save(module.state_dict(), path)
        embedder = tiny(tmp_path / "rows", weights=path).fit(ARRAYS)
        found.append(embedder.transform(ARRAYS))
        direct = tiny(None, random_state=seed).fit_transform(ARRAYS)
        np.testing.assert_array_equal(found[-1], direct)
    assert np.abs(found[0] - found[1]).max() > 1e-3


@pytest.mark.parametrize("library", [timm, torch])
def test_another_version_of_a_library(library, tmp_path, monkeypatch):
    tiny(tmp_path).fit_transform(ARRAYS)
    monkeypatch.setattr(library, "__version__", "99.0")
    n, _ = count_computed(tiny(tmp_path).fit(ARRAYS), ARRAYS)
    assert n == len(ARRAYS)


class Scaled(torch.nn.Module):
    def __init__(self, scale):
        super().__init__()
        self.scale = scale

    def forward(self, x):
        return self.scale * x.mean((2, 3))


def test_modules_of_the_user_are_known_by_settings_and_code(tmp_path):
    def embed(module):
        return tiny(tmp_path, backbone=module, backbone_params=None).fit_transform(
            ARRAYS
        )

    one = embed(Scaled(1.0))
    np.testing.assert_allclose(embed(Scaled(2.0)), 2 * one, rtol=1e-6)
    namespace = {"torch": torch, "__name__": "user_code"}
    for factor in (3, 4):
        exec(
            "class Own(torch.nn.Module):\n"
            f"    def forward(self, x): return {factor} * x.mean((2, 3))\n",
            namespace,
        )
        np.testing.assert_allclose(embed(namespace["Own"]()), factor * one, rtol=1e-6)


def test_the_identity_is_the_same_in_every_process(tmp_path):
    """Else a second run would find nothing."""
    embedder = tiny(tmp_path).fit(ARRAYS)
    here = embedder.backbone_.identity()
    loaded = pickle.loads(pickle.dumps(embedder))
    assert loaded.backbone_.identity() == here
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(_identity) == here


def _identity():
    return tiny(None).fit(ARRAYS).backbone_.identity()
