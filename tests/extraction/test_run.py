"""The loop: order, bounds on what is held, errors of single items."""

import threading
import time
import warnings
import weakref
from contextlib import contextmanager

import numpy as np
import pytest
from PIL import Image

from skknn.extraction import RowCache, run_job
from skknn.extraction import _lookup as lookup
from skknn.modalities import BadImageError, RGBImage, as_images


class Levels:
    """A job whose rows are the grey level of the first pixel."""

    width = 1

    def __init__(self, batch_size=8, computes_in_workers=True):
        self.batch_size = batch_size
        self.computes_in_workers = computes_in_workers
        self.started = 0
        self._lock = threading.Lock()

    @contextmanager
    def running(self, n_threads=1):
        yield self._start_thread

    def _start_thread(self):
        with self._lock:
            self.started += 1

    def prepare(self, item, missing):
        return np.array([item.pil().getpixel((0, 0))[0]], np.float32)

    def launch(self, prepared):
        return prepared

    def collect(self, launched):
        return np.stack(launched)


def grey(levels):
    return np.asarray(levels, dtype=np.uint8)[:, None, None].repeat(2, 1).repeat(2, 2)


@pytest.mark.parametrize("in_workers", [True, False])
@pytest.mark.parametrize("with_cache", [True, False])
def test_rows_come_in_order_whatever_takes_long(in_workers, with_cache, tmp_path):
    class Slow(Levels):
        def prepare(self, item, missing):
            row = super().prepare(item, missing)
            time.sleep(0.02 if row[0] % 7 == 0 else 0)
            return row

    cache = RowCache(tmp_path, {}) if with_cache else None
    job = Slow(computes_in_workers=in_workers)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rows = run_job(job, as_images(grey(range(60))), cache=cache, n_threads=4)
    np.testing.assert_array_equal(rows.values[:, 0], np.arange(60))
    assert rows.bad == [] and rows.values.dtype == np.float32
    assert 1 <= job.started <= 4


@pytest.mark.parametrize("in_workers", [True, False])
def test_few_rows_are_held_at_a_time(in_workers, tmp_path):
    """What is prepared but not yet stored is bounded, whatever the number of rows."""
    ahead, most = [], []

    class Counting(Levels):
        def prepare(self, item, missing):
            ahead.append(1)
            return super().prepare(item, missing)

        def launch(self, prepared):
            most.append(len(ahead) - stored)
            return super().launch(prepared)

        def collect(self, launched):
            nonlocal stored
            stored += len(launched)
            return super().collect(launched)

    stored = 0
    rng = np.random.default_rng(0)
    images = as_images(rng.integers(0, 256, (900, 4, 4), dtype=np.uint8))
    with RowCache(tmp_path, {}) as cache:
        job = Counting(computes_in_workers=in_workers)
        run_job(job, images, cache=cache, n_threads=3)
        assert len(cache) == 900
    # On an accelerator one batch is computed while another is launched.
    assert max(most) <= (8 if in_workers else 8 + 2 * 8 + 3)


class Large:
    """Files of some MB that are made as they are read; counts what is held."""

    unit = "image"

    def __init__(self, n, n_bytes):
        self.n, self.n_bytes = n, n_bytes
        self.held, self.most, self.lock = 0, 0, threading.Lock()

    def __len__(self):
        return self.n

    def count(self, n):
        with self.lock:
            self.held += n
            self.most = max(self.most, self.held)

    def fetch(self, row):
        return Held(self, row)

    def item(self, row, content=None):
        return RGBImage(Image.new("RGB", (1, 1), (row, 0, 0)))

    def bad(self, row, error):
        raise error


class Held:
    def __init__(self, items, row):
        self.items, self.row, self.n_bytes = items, row, items.n_bytes
        items.count(self.n_bytes)

    def digest(self):
        return b"%020d" % self.row

    def __del__(self):
        self.items.count(-self.n_bytes)


@pytest.mark.parametrize("in_workers", [True, False])
def test_what_is_read_ahead_is_bounded_in_bytes(in_workers, tmp_path, monkeypatch):
    """Photos of 24 megapixels piled up by the hundred once."""
    megabyte = 2**20
    items = Large(200, 8 * megabyte)
    with RowCache(tmp_path, {}) as cache:
        job = Levels(batch_size=64, computes_in_workers=in_workers)
        rows = run_job(job, items, cache=cache, n_threads=2)
    np.testing.assert_array_equal(rows.values[:, 0], np.arange(200))
    # 256 MiB at work, 5 parts of 51 MiB and an item ahead, one part handed over.
    assert items.most <= (256 + 8 + 6 * (51.2 + 8)) * megabyte
    # Small ones are not held back.
    small = Large(200, 1)
    with RowCache(tmp_path, {"other": 1}) as cache:
        run_job(Levels(batch_size=64), small, cache=cache, n_threads=2)
    assert small.most > 64


def test_reading_goes_on_after_the_bound(tmp_path, monkeypatch):
    """A part that was cut short is read to its end, in order."""
    monkeypatch.setattr(lookup, "_READ_AHEAD_BYTES", 0)
    with RowCache(tmp_path, {}) as cache:
        items = as_images(grey([*range(50), *range(50)]))
        rows = run_job(Levels(), items, cache=cache, n_threads=2)
        assert len(cache) == 50
    np.testing.assert_array_equal(rows.values[:, 0], [*range(50), *range(50)])


@pytest.mark.parametrize("form", ["files", "arrays"])
def test_only_what_is_at_work_is_decoded(form, tmp_path):
    """Decoded photos piled up once, because what was read kept them."""
    alive, most = [], []

    class Watching(Levels):
        def prepare(self, item, missing):
            with self._lock:
                alive.append(weakref.ref(item))
                most.append(sum(image() is not None for image in alive))
            return super().prepare(item, missing)

    photos = list(grey(range(60)))
    if form == "files":
        for row, photo in enumerate(photos):
            photos[row] = tmp_path / f"{row}.jpg"
            Image.fromarray(photo).save(photos[row])
    with RowCache(tmp_path, {}) as cache:
        run_job(Watching(32), as_images(photos), cache=cache, n_threads=2)
    # One a thread, and one that a thread is about to let go.
    assert len(most) == 60 and max(most) <= 4


@pytest.mark.parametrize("with_cache", [True, False])
def test_bad_items(with_cache, tmp_path):
    items = as_images([*grey([5, 6]), tmp_path / "a.png", *grey([7]), b"no image"])
    cache = RowCache(tmp_path, {}) if with_cache else None
    rows = run_job(Levels(2), items, cache=cache, n_threads=2, on_bad_item="nan")
    np.testing.assert_array_equal(rows.values[:, 0], [5, 6, np.nan, 7, np.nan])
    assert [row for row, _ in rows.bad] == [2, 4]
    assert "a.png" in rows.bad[0][1]
    with pytest.raises(BadImageError, match="row 2"):
        run_job(Levels(2), items, cache=cache, n_threads=1)


def test_items_that_are_all_bad_have_rows_of_the_jobs_width():
    rows = run_job(Levels(2), as_images([b"", b"a"]), on_bad_item="nan")
    assert rows.values.shape == (2, 1) and np.isnan(rows.values).all()


def test_some_rows_of_a_source_are_reported_by_their_own_numbers():
    items = as_images([*grey(range(5)), b"no image"]).rows([3, 5])
    rows = run_job(Levels(2), items, on_bad_item="nan")
    assert rows.values[0, 0] == 3
    ((row, reason),) = rows.bad
    assert row == 1 and "row 5" in reason


@pytest.mark.parametrize("in_workers", [True, False])
def test_threads_end_when_a_job_fails(in_workers):
    class Fails(Levels):
        def prepare(self, item, missing):
            if item.pil().getpixel((0, 0))[0] == 30:
                raise RuntimeError("on purpose")
            return super().prepare(item, missing)

    before = threading.active_count()
    with pytest.raises(RuntimeError, match="on purpose"):
        run_job(
            Fails(computes_in_workers=in_workers), as_images(grey(range(99))),
            n_threads=3,
        )  # fmt: skip
    assert threading.active_count() == before
