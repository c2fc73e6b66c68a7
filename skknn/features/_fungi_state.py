"""What a FungiTransformer draws at fit, and what it computes from that."""

import hashlib
import inspect
import os
import warnings
from contextlib import nullcontext, suppress
from functools import partial

import numpy as np

from ..extraction._block_cache import BlockCache
from ..extraction._loop import extract_rows
from ..extraction._row_cache import RowCache
from ..gradients._heads import draw_head, generator

EMBEDDING = "embedding"


def draw(fungi, images):
    """Set layer_, heads, boxes, negatives and slices of a transformer at fit."""
    from ..gradients._layer import choose_layer

    extractor, seed = fungi.backbone_, fungi.seed_
    fungi.layer_ = choose_layer(extractor.module, fungi.layer)
    n_features = extractor.n_features
    fungi._heads, fungi._drawn = {}, {}
    for name, objective in fungi.objectives_.items():
        fungi._heads[name] = {
            head: draw_head(generator(seed, "head", name, head), n_features, dim)
            for head, dim in objective.head_dims().items()
        }
        fungi._drawn[name] = objective.draw(generator(seed, "views", name))
    width = fungi.projection_dim or n_features
    widths = dict.fromkeys(fungi.objectives_, width)
    if fungi.include_embedding:
        widths[EMBEDDING] = n_features
    stops = np.cumsum([0, *widths.values()])
    fungi.feature_slices_ = {
        name: slice(int(low), int(high))
        for name, low, high in zip(widths, stops[:-1], stops[1:])
    }
    fungi._banks, fungi._bank_ids = {}, {}
    for name, objective in fungi.objectives_.items():
        if objective.n_bank_images > 0:
            _draw_bank(fungi, images, name, objective)


def machine(fungi):
    """Return the live :class:`BlockExtractor` (made again after unpickling)."""
    if getattr(fungi, "_machine", None) is None:
        fungi._machine = _build(fungi, fungi._banks)
    return fungi._machine


def open_cache(fungi, machine):
    """Return the block cache of a transformer, or None without ``memory``."""
    if fungi.memory is None:
        return None
    settings = {name: _settings(fungi, machine, name) for name in fungi.feature_slices_}
    return BlockCache(fungi.memory, settings, fungi.feature_slices_)


def views(fungi, images, name):
    """Return normalised views (n, V, 3, S, S), or a list where sizes differ."""
    import torch

    live = machine(fungi)

    def of(row):
        return live.views(name, live.prepare(images.image(row), [name]))

    first = of(0)
    n_values = sum(part.numel() for part in first)
    _check_memory("views", len(images), 4 * n_values)
    out = [np.empty((len(images), *part.shape), np.float32) for part in first]
    with torch.inference_mode():
        for row in range(len(images)):
            for array, part in zip(out, of(row) if row else first):
                array[row] = live.extractor.normalize(part).float().cpu().numpy()
    if len({part.shape[-2:] for part in first}) == 1:
        return np.concatenate(out, axis=1) if len(out) > 1 else out[0]
    return out


def gradients(fungi, images, name):
    """Return unprojected gradients (n, m)."""
    live = machine(fungi)
    _check_memory("gradients", len(images), 4 * live.engine.size)
    rows, _ = _extract(
        fungi,
        live,
        images,
        partial(live.gradient_work, name=name),
        partial(live.gradient_rows, name=name),
        what=f"{name} gradients",
    )
    return rows


def project(fungi, G):
    """Return R G / sqrt(d)."""
    import torch
    from sklearn.utils import check_array

    live = machine(fungi)
    G = check_array(G, dtype=np.float32, input_name="G")
    if G.shape[1] != live.engine.size:
        raise ValueError(
            f"G has {G.shape[1]} columns; gradients of layer {fungi.layer_!r} have "
            f"{live.engine.size}."
        )
    rows = torch.from_numpy(G).to(live.extractor.device)
    with torch.inference_mode():
        return live.projection(rows).cpu().numpy()


def warn_of_zeros(rows, slices, objectives):
    """Warn of images whose gradient is exactly zero."""
    for name in objectives:
        zero = ~rows[:, slices[name]].any(axis=1)
        if zero.any():
            warnings.warn(
                f"The {name} gradient of {int(zero.sum())} of {len(rows)} images "
                f"(first: row {int(zero.argmax())}) is exactly zero, and so is that "
                "block of their rows.",
                UserWarning,
                stacklevel=4,
            )


class _Chosen:
    """Some of a sequence's images; errors name the row in the whole."""

    def __init__(self, images, rows):
        self.images, self.rows = images, [int(row) for row in rows]

    def __len__(self):
        return len(self.rows)

    def fetch(self, row):
        return self.images.fetch(self.rows[row])

    def image(self, row, source=None):
        return self.images.image(self.rows[row], source)

    def bad(self, row, error):
        return self.images.bad(self.rows[row], error)


def _build(fungi, banks):
    from ..gradients._blocks import BlockExtractor
    from ..gradients.views._images import Frame

    extractor = fungi.backbone_
    size = fungi.view_size
    if size is not None and not hasattr(size, "__len__"):
        size = (int(size), int(size))
    config = extractor.data_config
    return BlockExtractor(
        extractor,
        fungi.layer_,
        fungi.objectives_,
        fungi._heads,
        fungi._drawn,
        banks,
        Frame(config["input_size"][1:], size, config["interpolation"]),
        projection_dim=fungi.projection_dim or extractor.n_features,
        seed=fungi.seed_,
        batch_size=fungi.batch_size,
        include_embedding=fungi.include_embedding,
    )


def _draw_bank(fungi, images, name, objective):
    """Encode views of training images drawn at random, once."""
    rng = generator(fungi.seed_, "bank images", name)
    count = min(objective.n_bank_images, len(images))
    chosen = rng.choice(len(images), count, replace=False)
    live = _build(fungi, {})
    head_dim = next(iter(objective.head_dims().values()))
    cache = None
    if fungi.memory is not None:
        cache = RowCache(fungi.memory, _settings(fungi, live, name, bank=True))
    with nullcontext() if cache is None else cache:
        rows, _ = _extract(
            fungi,
            live,
            _Chosen(images, chosen),
            partial(live.latent_work, name=name),
            partial(live.latent_rows, name=name),
            what=f"{name} negatives",
            cache=cache,
            on_error=fungi.on_error,
        )
    # A stored row has the same bits, so the digest below finds its blocks again.
    rows = rows[np.isfinite(rows).all(axis=1)]
    fungi._banks[name] = rows.reshape(-1, head_dim)
    fungi._bank_ids[name] = hashlib.blake2b(rows.tobytes()).hexdigest()


def _extract(fungi, live, images, work, combine, *, what, **kwargs):
    with fungi._progress(len(images), what) as progress, live.running() as start:
        return extract_rows(
            images,
            work,
            combine,
            live.engine.size,
            batch_size=fungi.batch_size,
            n_threads=fungi._n_threads(),
            progress=progress,
            heavy_prepare=live.heavy_work,
            start_thread=start,
            **kwargs,
        )


def _settings(fungi, live, name, bank=False):
    """Return all that a block depends on besides the image, as plain JSON."""
    settings = {
        "extractor": live.extractor.identity(),
        "block": EMBEDDING,
        # Which way of computing is exact for a layer decides on the last bits.
        "layer": fungi.layer_,
    }
    if name == EMBEDDING:
        return settings
    objective = fungi.objectives_[name]
    cls = type(objective)
    source = ""
    if not cls.__module__.startswith("skknn."):
        with suppress(OSError, TypeError):
            source = inspect.getsource(cls)
    settings |= {
        "block": "bank" if bank else "gradient",
        "class": f"{cls.__module__}.{cls.__qualname__}",
        "version": objective.version,
        "source": hashlib.blake2b(source.encode(), digest_size=12).hexdigest(),
        "objective": {k: repr(v) for k, v in objective.get_params().items()},
        "name": name,
        "seed": fungi.seed_,
        "view_size": repr(live.frame.view_size),
    }
    if not bank:
        settings |= {
            "projection_dim": live.projection.n_out,
            "bank": fungi._bank_ids.get(name),
        }
    return settings


def _check_memory(what, n, bytes_each):
    """Refuse what will not fit, before hours are spent on it."""
    needed = n * bytes_each
    try:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return
    if needed > free:
        raise MemoryError(
            f"The {what} of {n} images take {needed / 1e9:.1f} GB "
            f"({bytes_each / 1e6:.1f} MB each) and {free / 1e9:.1f} GB are free. Ask "
            f"for {max(1, int(0.8 * free / bytes_each))} images at a time."
        )
