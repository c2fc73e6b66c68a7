import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from references import prepare

from skknn.datastore._preprocessing import Preprocessor

KINDS = ["center-l2", "l2-center", "l2", None]


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=40, deadline=None)
@given(
    data=st.data(),
    shape=st.tuples(st.integers(1, 12), st.integers(1, 5)),
)
def test_matches_row_by_row_arithmetic(kind, data, shape):
    values = st.floats(-1e3, 1e3).filter(lambda v: v == 0 or abs(v) > 1e-3)
    train = data.draw(arrays(np.float64, shape, elements=values))
    queries = data.draw(arrays(np.float64, (3, shape[1]), elements=values))
    pre = Preprocessor(kind).fit(train)
    want_train, want_queries = prepare(train, queries, kind)
    # A row within rounding of the mean has no direction: leave it out.
    for got, want, raw in [
        (pre.transform(train), want_train, train),
        (pre.transform(queries), want_queries, queries),
    ]:
        clear = np.ones(len(raw), dtype=bool)
        if kind == "center-l2":
            clear = np.linalg.norm(raw - train.mean(axis=0), axis=1) > 1e-6
        np.testing.assert_allclose(got[clear], want[clear], atol=1e-8)


@pytest.mark.parametrize("kind", KINDS)
def test_float32_stays_float32_and_is_as_good_as_float64(kind):
    X = np.random.default_rng(0).normal(3, 1, (50, 7)).astype(np.float32)
    got = Preprocessor(kind).fit(X).transform(X)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, prepare(X, X, kind)[0], rtol=2e-7, atol=2e-7)


@pytest.mark.parametrize("kind", ["l2", "l2-center"])
def test_zero_rows_stay_zero_under_normalisation(kind):
    X = np.array([[3.0, 4.0], [0.0, 0.0]])
    got = Preprocessor(kind).fit(X).transform(X)
    want = np.array([[0.6, 0.8], [0.0, 0.0]])
    if kind == "l2-center":
        want = want - want.mean(axis=0)
    np.testing.assert_allclose(got, want, atol=1e-15)


@pytest.mark.parametrize("value", [0.1, 1 / 3, 1e9 + 0.1])
def test_constant_columns_centre_to_exact_zeros(value):
    X = np.full((37, 4), value)
    assert not Preprocessor("center-l2").fit(X).transform(X).any()


@pytest.mark.parametrize("scale", [1e-200, 1e-160, 1e160, 1e200])
def test_norms_beyond_the_square_root_of_the_range(scale):
    X = np.array([[3.0, 4.0], [0.0, 0.0], [-3.0, 4.0]]) * scale
    got = Preprocessor("l2").fit(X).transform(X)
    np.testing.assert_allclose(got, [[0.6, 0.8], [0, 0], [-0.6, 0.8]], rtol=1e-14)


def test_queries_use_the_training_mean():
    train = np.array([[0.0, 2.0], [2.0, 0.0]])
    pre = Preprocessor("center-l2").fit(train)
    np.testing.assert_array_equal(pre.mean_, [1.0, 1.0])
    np.testing.assert_allclose(pre.transform(np.array([[1.0, 5.0]])), [[0.0, 1.0]])
