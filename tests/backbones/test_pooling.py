"""Pooling against plain loops in float64."""

import numpy as np
import pytest
import torch

from skknn import BackboneEmbedder
from skknn.backbones import POOLINGS
from skknn.backbones._pooling import (
    FeatureMap,
    gem,
    pool,
    rmac,
    rmac_regions,
    to_feature_map,
)

SHAPES = [(7, 7), (5, 9), (12, 4), (1, 1), (2, 2), (1, 6), (3, 20)]


def maps(height, width, n=3, channels=5):
    rng = np.random.default_rng(height * 100 + width)
    return rng.normal(size=(n, channels, height, width))


def regions_by_the_paper(height, width):
    """R-MAC's grid (Tolias et al., section 3.2), written down from its text.

    At scale l square regions of side 2 min(W, H) / (l + 1) are sampled, l of them
    along the shorter side and l + m - 1 along the longer one, as evenly as can be;
    m is chosen so that neighbours at the first scale overlap by about 40 %.
    """
    short, long = sorted((height, width))
    best, m = None, 1
    if long > short:
        for count in range(2, 8):
            step = (long - short) / (count - 1)
            distance = abs((short - step) / short - 0.4)
            if best is None or distance < best:
                best, m = distance, count
    regions = []
    for scale in (1, 2, 3):
        side = max(1, int(2 * short / (scale + 1)))
        counts = {short: scale, long: scale + m - 1}
        rows = counts[height] if height != width else scale
        columns = counts[width] if height != width else scale
        for i in range(rows):
            for j in range(columns):
                top = 0 if rows == 1 else int(i * (height - side) / (rows - 1))
                left = 0 if columns == 1 else int(j * (width - side) / (columns - 1))
                regions.append((top, left, side))
    return regions


def unit(v):
    norm = np.sqrt((v * v).sum())
    return v / norm if norm > 0 else v


@pytest.mark.parametrize("shape", SHAPES)
def test_rmac(shape):
    x = maps(*shape)
    expected = []
    for image in x:
        total = np.zeros(len(image))
        for top, left, side in regions_by_the_paper(*shape):
            maxima = [
                max(
                    channel[row, column]
                    for row in range(top, top + side)
                    for column in range(left, left + side)
                )
                for channel in image
            ]
            total += unit(np.array(maxima))
        expected.append(unit(total))
    found = rmac(torch.from_numpy(x).float()).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)


def test_rmac_has_14_regions_on_a_square_and_covers_it():
    regions = rmac_regions(7, 7)
    assert len(regions) == 1 + 4 + 9
    assert [side for _, _, side in regions] == [7] + [4] * 4 + [3] * 9
    for height, width in SHAPES:
        covered = np.zeros((height, width), bool)
        for top, left, side in rmac_regions(height, width):
            assert 0 <= top <= height - side and 0 <= left <= width - side
            covered[top : top + side, left : left + side] = True
        assert covered[0, 0] and covered[-1, -1]


@pytest.mark.parametrize("shape", SHAPES)
def test_gem(shape):
    x = maps(*shape)
    expected = [
        [
            np.mean([max(value, 1e-6) ** 3 for value in channel.ravel()]) ** (1 / 3)
            for channel in image
        ]
        for image in x
    ]
    found = gem(torch.from_numpy(x).float()).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_gem_lies_between_mean_and_maximum():
    x = torch.rand(4, 6, 5, 5)
    assert (gem(x) >= x.mean((2, 3)) - 1e-6).all()
    assert (gem(x) <= x.amax((2, 3)) + 1e-6).all()
    torch.testing.assert_close(gem(x, p=1.0), x.mean((2, 3)))


def test_simple_poolings():
    x = torch.arange(24.0).view(1, 2, 3, 4)
    features = FeatureMap(x, torch.tensor([[[7.0, 8.0], [9.0, 9.0]]]))
    assert pool(features, "avg").tolist() == [[5.5, 17.5]]
    assert pool(features, "max").tolist() == [[11, 23]]
    assert pool(features, "token").tolist() == [[7, 8]]
    assert pool(features, "flatten").tolist() == [list(range(24))]


class Grid(torch.nn.Module):
    """Stands for a token model with a class token and two registers."""

    num_prefix_tokens = 3

    def __init__(self, grid_size):
        super().__init__()
        self.patch_embed = torch.nn.Module()
        self.patch_embed.grid_size = grid_size


def test_tokens_become_a_map_in_reading_order():
    tokens = torch.arange(2 * 9 * 4.0).view(2, 9, 4)
    features = to_feature_map(tokens, Grid((2, 3)))
    assert features.prefix.shape == (2, 3, 4)
    assert features.spatial.shape == (2, 4, 2, 3)
    torch.testing.assert_close(features.spatial[0, :, 1, 2], tokens[0, 8])
    torch.testing.assert_close(features.spatial[1, :, 0, 1], tokens[1, 4])


def test_maps_with_channels_last():
    class Last(torch.nn.Module):
        output_fmt = "NHWC"

    x = torch.rand(2, 3, 4, 5)
    assert to_feature_map(x, Last()).spatial.shape == (2, 5, 3, 4)
    assert to_feature_map(x, torch.nn.Module()).spatial.shape == (2, 3, 4, 5)


def test_what_is_no_map_is_refused():
    with pytest.raises(ValueError, match=r"no feature map \(shape \(2, 3\)\)"):
        to_feature_map(torch.zeros(2, 3), torch.nn.Module())
    with pytest.raises(ValueError, match=r"no feature map \(list\)"):
        to_feature_map([torch.zeros(2, 3)], torch.nn.Module())


def test_names_are_those_of_the_parameter():
    (options,) = BackboneEmbedder._parameter_constraints["pooling"]
    assert set(POOLINGS) == options.options
    with pytest.raises(ValueError, match="'pooling' parameter.*'rmac'"):
        BackboneEmbedder(pooling="mean").fit([np.eye(9)])
