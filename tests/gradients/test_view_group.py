"""Views that are equal are computed once; nothing else changes."""

import math

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sequence_references import of_sequences
from text_models import save_model

from skknn import TextBackbone
from skknn.gradients import TextSimCLRObjective
from skknn.gradients._view_group import ViewGroup, distinct_views

# Few values, so that many views are equal.
VIEWS = st.tuples(st.integers(1, 4), st.integers(1, 6), st.integers(1, 3)).flatmap(
    lambda shape: st.lists(
        st.integers(0, 1), min_size=math.prod(shape), max_size=math.prod(shape)
    ).map(lambda flat: torch.tensor(flat, dtype=torch.int32).reshape(shape))
)


@settings(deadline=None)
@given(VIEWS, st.integers(0, 2**31))
def test_distinct_views_stand_for_all(views, seed):
    group = distinct_views(views)
    (part,), which = group.parts, group.which
    assert torch.equal(group.each()[0], views)
    for item, row in enumerate(views.tolist()):
        in_order = list(dict.fromkeys(map(tuple, row)))
        count = group.counts[item]
        assert list(map(tuple, part[item, :count].tolist())) == in_order
    assert part.shape[1] == max(group.counts)

    torch.manual_seed(seed)
    rows = torch.randn(*part.shape[:2], 5)
    slopes = torch.randn(*which.shape, 5)
    sums = torch.zeros_like(rows)
    for item in range(len(views)):
        for view in range(views.shape[1]):
            number = which[item, view]
            assert torch.equal(group.spread(rows)[item, view], rows[item, number])
            sums[item, number] += slopes[item, view]
    torch.testing.assert_close(group.gathered(slopes), sums)

    for count in range(1, views.shape[1] + 1):
        first = group.first(count)
        assert torch.equal(first.each()[0], views[:, :count])
        assert first.parts[0].shape[1] <= count


def test_views_of_several_sizes_count_through():
    parts = [torch.zeros(2, 2, 3, 4, 4), torch.ones(2, 3, 3, 2, 2)]
    group = ViewGroup(parts)
    assert (group.n, group.counts) == (2, [5, 5])
    assert [part.shape[1] for part in group.first(4).parts] == [2, 2]
    assert [part.shape[1] for part in group.first(2).parts] == [2]
    assert group.each() is parts


def test_the_network_sees_equal_views_of_a_text_once(tmp_path):
    """One word has one view, whatever is left out."""
    simclr = TextSimCLRObjective(n_views=12, n_negatives=0, deletion=0.5)
    fungi = of_sequences(
        TextBackbone(save_model(tmp_path)), simclr, objectives=(simclr,)
    ).fit(["river", "old river"])
    seen = []
    hook = fungi.backbone_.module.register_forward_pre_hook(
        lambda module, args, kwargs: seen.append(len(kwargs["input_ids"])),
        with_kwargs=True,
    )
    fungi.gradients(["river"], "simclr")
    hook.remove()
    assert sum(seen) == 1
    seen.clear()
    # Both words or one of them.
    hook = fungi.backbone_.module.register_forward_pre_hook(
        lambda module, args, kwargs: seen.append(len(kwargs["input_ids"])),
        with_kwargs=True,
    )
    distinct = {str(view) for view in fungi.views(["old river"], "simclr")[0]}
    fungi.gradients(["old river"], "simclr")
    hook.remove()
    assert sum(seen) == len(distinct) > 1
