"""Soft labels of tiles, and enlarging of label maps, against plain loops and torch."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from skknn import InContextSegmenter


def tile_histograms(mask, grid, void):
    """Share of each label in each tile, tile by tile and pixel by pixel."""
    h, w = mask.shape[0] // grid[0], mask.shape[1] // grid[1]
    classes = sorted(set(mask.ravel().tolist()) - {void})
    rows = []
    for i in range(grid[0]):
        for j in range(grid[1]):
            tile = mask[i * h : (i + 1) * h, j * w : (j + 1) * w].ravel().tolist()
            counts = [tile.count(c) for c in classes]
            if sum(counts):
                rows.append([c / sum(counts) for c in counts])
    return classes, np.array(rows)


def fitted(maps, masks, **params):
    return InContextSegmenter(n_neighbors=1, **params).fit(maps, masks)


def random_maps(n, h, w, d, seed=0):
    return np.random.default_rng(seed).normal(size=(n, h, w, d)).astype(np.float32)


def test_labels_of_tiles():
    rng = np.random.default_rng(0)
    mask = rng.choice([2, 5, 9, 255], (24, 40))
    mask[:8, 8:16] = 255  # a tile that is all void
    segmenter = fitted(random_maps(1, 3, 5, 4), [mask])
    classes, expected = tile_histograms(mask, (3, 5), 255)
    assert segmenter.classes_.tolist() == classes
    found = segmenter.bank_.labels.toarray()
    assert found.shape == (14, 3)
    np.testing.assert_allclose(found, expected, atol=1e-7)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)


def test_tiles_that_cut_pixels_weigh_areas():
    mask = np.array([[0, 1, 1]])
    labels = fitted(random_maps(1, 1, 2, 3), [mask]).bank_.labels.toarray()
    np.testing.assert_allclose(labels, [[2 / 3, 1 / 3], [0, 1]], atol=1e-7)
    fine = fitted(random_maps(1, 4, 6, 3), [mask]).bank_.labels.toarray()
    np.testing.assert_allclose(fine[:6], np.eye(2)[[0, 0, 1, 1, 1, 1]], atol=1e-7)


def test_no_void_label():
    mask = np.array([[255, 255], [7, 7]])
    segmenter = fitted(random_maps(1, 1, 1, 3), [mask], ignore_index=None)
    assert segmenter.classes_.tolist() == [7, 255]
    np.testing.assert_allclose(segmenter.bank_.labels.toarray(), [[0.5, 0.5]])


def test_boxes_say_where_rows_came_from():
    mask = np.zeros((4, 6), int)
    mask[:2, :2] = 255
    bank = fitted(random_maps(2, 2, 3, 4), [mask, np.zeros((4, 6), int)]).bank_
    assert bank.images.tolist() == [0] * 5 + [1] * 6
    np.testing.assert_allclose(bank.boxes[0], [0, 1 / 3, 0.5, 2 / 3], rtol=1e-6)
    np.testing.assert_allclose(bank.boxes[-1], [0.5, 2 / 3, 1, 1], rtol=1e-6)


@pytest.mark.parametrize("size", [(8, 12), (31, 7), (2, 3), (1, 1), (100, 90)])
def test_enlarging_is_torchs(size):
    maps = random_maps(1, 4, 6, 5)
    masks = [np.random.default_rng(1).integers(0, 4, (16, 24))]
    segmenter = InContextSegmenter(n_neighbors=7).fit(maps, masks)
    small = segmenter.predict_proba(maps, sizes=[(4, 6)])[0]
    found = segmenter.predict_proba(maps, sizes=[size])[0]
    x = torch.from_numpy(small).permute(2, 0, 1)[None].double()
    expected = F.interpolate(x, size, mode="bilinear", align_corners=False)[0]
    np.testing.assert_allclose(found, expected.permute(1, 2, 0).numpy(), atol=1e-6)
    labels = segmenter.predict(maps, sizes=[size])[0]
    np.testing.assert_array_equal(labels, segmenter.classes_[found.argmax(axis=2)])
