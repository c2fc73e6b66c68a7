"""Fixtures of the tests of FungiTransformer."""

import pytest
from fungi_examples import tiny
from fungi_references import noise_images


@pytest.fixture(scope="module")
def X():
    return noise_images(9)


@pytest.fixture(scope="module")
def fitted(X):
    return tiny().fit(X)


@pytest.fixture(scope="module")
def rows(fitted, X):
    return fitted.transform(X)
