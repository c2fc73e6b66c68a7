"""Banks that grow while they are asked, as where a service learns in a thread."""

import numpy as np
import pytest

from skknn import InContextSegmenter

RNG = np.random.default_rng(0)
MAPS = RNG.normal(size=(20, 2, 2, 3)).astype(np.float32)
MASKS = RNG.integers(1, 4, (20, 2, 2))


def segmenter_of(images):
    segmenter = InContextSegmenter(n_neighbors=2, max_patches=30, random_state=0)
    return segmenter.partial_fit(MAPS[images], MASKS[images])


class Meanwhile(list):
    """Maps; before the last of them are asked for, a bank takes more rows."""

    segmenter: InContextSegmenter

    def __getitem__(self, key):
        if isinstance(key, slice) and key.start:
            self.segmenter.partial_fit(MAPS, np.zeros_like(MASKS))
        return super().__getitem__(key)


@pytest.mark.parametrize(
    "ask",
    [
        lambda segmenter, maps: segmenter.predict(maps),
        lambda segmenter, maps: segmenter.predict_proba(maps),
        lambda segmenter, maps: segmenter.kneighbors(maps, return_distance=False),
        lambda segmenter, maps: segmenter.grid_scores(maps, MASKS, [1, 2], [0.1]),
    ],
    ids=["predict", "predict_proba", "kneighbors", "grid_scores"],
)
def test_answers_are_of_the_bank_that_was_asked(ask):
    expected = ask(segmenter_of(slice(5)), list(MAPS))
    maps = Meanwhile(MAPS)
    maps.segmenter = segmenter_of(slice(5))
    np.testing.assert_array_equal(ask(maps.segmenter, maps), expected)
    assert 0 in maps.segmenter.classes_  # they came


def test_an_interrupted_change_is_whole_or_none():
    """Interrupted wherever an attribute is set."""

    class Interrupted(InContextSegmenter):
        def __setattr__(self, name, value):
            super().__setattr__(name, value)
            if not name.startswith("__"):
                raise KeyboardInterrupt

    segmenter = segmenter_of(slice(5))
    expected = segmenter.partial_fit(MAPS, np.zeros_like(MASKS)).predict_proba(MAPS)
    segmenter = segmenter_of(slice(5))
    before = segmenter.predict_proba(MAPS)
    segmenter.__class__ = Interrupted
    try:
        segmenter.partial_fit(MAPS, np.zeros_like(MASKS))
    except KeyboardInterrupt:
        expected = before
    object.__setattr__(segmenter, "__class__", InContextSegmenter)
    np.testing.assert_array_equal(segmenter.predict_proba(MAPS), expected)
