"""Items of different lengths in passes: every item once, none too long, in order."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from skknn.backbones._passes import PassRunner, by_length, fill_passes


@given(
    st.lists(st.integers(1, 60), max_size=40),
    st.one_of(st.none(), st.integers(1, 9)),
    st.integers(1, 200),
)
def test_passes_hold_every_item_once_within_the_limits(lengths, n_items, n_tokens):
    passes = by_length(lengths, n_items, n_tokens)
    assert sorted(i for chosen in passes for i in chosen) == list(range(len(lengths)))
    flat = [lengths[i] for chosen in passes for i in chosen]
    assert flat == sorted(lengths, reverse=True)
    for chosen in passes:
        assert n_items is None or len(chosen) <= n_items
        longest = max(lengths[i] for i in chosen)
        assert len(chosen) == 1 or len(chosen) * longest <= n_tokens


@given(
    st.lists(st.tuples(st.integers(1, 5), st.integers(1, 40)), max_size=40),
    st.one_of(st.none(), st.integers(1, 9)),
    st.integers(1, 2000),
)
def test_passes_pad_little_and_end_no_earlier_than_they_have_to(
    sizes, n_items, n_tokens
):
    def padded(some):
        return len(some) * max(v for v, _ in some) * max(n for _, n in some)

    def holds(some):
        waste = padded(some) - sum(v * n for v, n in some)
        return (
            padded(some) <= n_tokens
            and waste <= n_tokens / 32
            and (n_items is None or len(some) <= n_items)
        )

    passes = fill_passes(sizes, n_items, n_tokens)
    assert [i for each in passes for i in each] == list(range(len(sizes)))
    for each, after in zip(passes, [*passes[1:], None]):
        assert len(each) == 1 or holds([sizes[i] for i in each])
        if after is not None:
            assert not holds([sizes[i] for i in (*each, after[0])])


def test_equal_lengths_keep_their_order():
    assert by_length([3, 3, 5, 3], None, 9) == [[2], [0, 1, 3]]


@pytest.mark.parametrize("n_threads", [1, 3])
def test_rows_come_back_at_their_places(n_threads):
    started = []
    passes = [[4, 0], [2], [1, 3]]
    with PassRunner(torch.device("cpu"), n_threads, lambda: started.append(1)) as run:
        found = run.launch(
            5, passes, lambda chosen: torch.tensor(chosen).float()[:, None] * 10
        ).wait()
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found[:, 0], [0, 10, 20, 30, 40])
    assert 1 <= len(started) <= n_threads


def test_a_pass_that_does_not_fit_is_halved():
    sizes = []

    def compute(chosen):
        sizes.append(len(chosen))
        if len(chosen) > 2:
            raise MemoryError
        return torch.tensor(chosen).float()[:, None]

    with PassRunner(torch.device("cpu"), 1, lambda: None) as run:
        found = run.launch(7, [[6, 5, 4, 3, 2, 1, 0]], compute).wait()
    np.testing.assert_array_equal(found[:, 0], range(7))
    assert sizes == [7, 3, 1, 2, 4, 2, 2]


def test_other_errors_and_single_items_go_through():
    def compute(chosen):
        raise MemoryError if len(chosen) == 1 else KeyError("no such thing")

    with PassRunner(torch.device("cpu"), 1, lambda: None) as run:
        with pytest.raises(KeyError, match="no such thing"):
            run.launch(2, [[0, 1]], compute).wait()
        with pytest.raises(MemoryError):
            run.launch(1, [[0]], compute).wait()
