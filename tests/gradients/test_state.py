"""What fit draws: one frozen object, the same numbers for the same seed."""

import copy
import dataclasses
import pickle
import subprocess
import sys

import numpy as np
import pytest

from skknn.backbones import build_extractor
from skknn.gradients._state import draw_state
from skknn.gradients.objectives import resolve_objectives


@pytest.fixture(scope="module")
def extractor():
    return build_extractor("test_vit", weights=None, image_size=32, device="cpu")


def drawn(extractor, objectives=("kl", "dino", "simclr"), **kwargs):
    settings = {
        "layer": "auto",
        "projection_dim": None,
        "include_embedding": True,
        "view_size": None,
        "seed": 0,
    }
    resolved = resolve_objectives(objectives)
    return draw_state(extractor, objectives=resolved, **settings | kwargs)


def test_blocks_in_their_order(extractor):
    state = drawn(extractor, ("dino", "kl"), projection_dim=10)
    assert state.widths == {"dino": 10, "kl": 10, "embedding": 64}
    assert list(state.slices.values()) == [
        slice(0, 10),
        slice(10, 20),
        slice(20, 84),
    ]
    assert state.width == 84 and state.view_size == (32, 32)
    without = drawn(extractor, ("kl",), include_embedding=False, view_size=16)
    assert list(without.slices) == ["kl"] and without.view_size == (16, 16)


def test_one_objective_does_not_change_what_another_gets(extractor):
    both, alone = drawn(extractor), drawn(extractor, ("dino",))
    np.testing.assert_equal(dict(both.heads["dino"]), dict(alone.heads["dino"]))
    np.testing.assert_equal(both.drawn["dino"], alone.drawn["dino"])
    other = drawn(extractor, seed=1)
    assert (other.heads["kl"]["head"][0] != both.heads["kl"]["head"][0]).all()


def test_draws_are_stable(extractor):
    # A change here would orphan every cache and every pickle.
    state = drawn(extractor)
    weight, bias = state.heads["kl"]["head"]
    np.testing.assert_allclose(weight[0, :2], [-0.0460074, 0.05594127], atol=1e-7)
    np.testing.assert_allclose(bias[:2], [0.10550494, -0.05445729], atol=1e-7)
    assert state.bank_rows("simclr", 1000)[:3].tolist() == [635, 516, 365]


def test_rows_for_the_bank(extractor):
    state = drawn(extractor)
    assert sorted(state.bank_rows("simclr", 5)) == [0, 1, 2, 3, 4]
    many = state.bank_rows("simclr", 1000)
    assert len(set(many)) == 256 and many.max() < 1000
    assert len(state.bank_rows("kl", 1000)) == 0


def test_a_bank_leaves_out_unreadable_images(extractor):
    state = drawn(extractor)
    latents = np.random.default_rng(0).random((3, 49 * 96), dtype=np.float32)
    latents[1] = np.nan
    known = state.with_bank("simclr", latents)
    assert known.banks["simclr"].shape == (2 * 49, 96)
    np.testing.assert_array_equal(known.banks["simclr"][:49].ravel(), latents[0])
    assert state.banks == {}
    same = state.with_bank("simclr", latents[[0, 2]])
    assert same.bank_digests == known.bank_digests
    assert known.settings("simclr", {})["bank"] == known.bank_digests["simclr"]


def test_settings_name_what_a_block_depends_on(extractor):
    state, identity = drawn(extractor), {"module": "x"}
    kl = state.settings("kl", identity)
    assert kl == drawn(extractor, ("kl",)).settings("kl", identity)
    for change in ({"seed": 1}, {"projection_dim": 3}, {"view_size": 16}):
        assert drawn(extractor, **change).settings("kl", identity) != kl
    assert state.settings("dino", identity) != kl
    assert state.settings("kl", {"module": "y"}) != kl
    embedding = state.settings("embedding", identity)
    assert embedding == drawn(extractor, seed=1).settings("embedding", identity)
    bank = state.settings("simclr", identity, bank=True)
    assert bank == drawn(extractor, projection_dim=3).settings(
        "simclr", identity, bank=True
    )


def test_it_is_frozen_and_pickles(extractor):
    state = drawn(extractor)
    with pytest.raises(dataclasses.FrozenInstanceError):
        state.seed = 3
    again = pickle.loads(pickle.dumps(state))
    assert again.settings("dino", {}) == state.settings("dino", {})
    np.testing.assert_equal(dict(again.heads["kl"]), dict(state.heads["kl"]))


def test_pickles_hold_no_heads_and_draw_the_same_ones(extractor):
    state = drawn(extractor)
    data = pickle.dumps(state)
    n_bytes = sum(a.nbytes for h in state.heads.values() for p in h.values() for a in p)
    assert n_bytes > 1_000_000 and len(data) < 5_000
    for again in (pickle.loads(data), copy.deepcopy(state)):
        np.testing.assert_equal(again.heads, state.heads)


def test_a_pickle_that_holds_heads_keeps_them(extractor):
    state = drawn(extractor, ("kl",))
    head = np.ones((2, 3), np.float32), np.zeros(2, np.float32)
    kept = {**vars(state), "heads": {"kl": {"head": head}}}
    again = object.__new__(type(state))
    again.__setstate__(kept)
    assert again.heads == {"kl": {"head": head}} and again.seed == state.seed


def test_heads_that_the_seed_does_not_give_stay_in_every_later_pickle(extractor):
    state = drawn(extractor, ("kl", "dino"))
    heads = {
        name: {head: (weight + 1, bias) for head, (weight, bias) in pairs.items()}
        for name, pairs in state.heads.items()
    }
    older = dataclasses.replace(state, heads=heads)
    again = pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(older))))
    for kept in (again, copy.copy(older), copy.deepcopy(older)):
        np.testing.assert_equal(kept.heads, heads)


def test_importing_it_loads_no_torch():
    code = "import sys, skknn.gradients._state; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
