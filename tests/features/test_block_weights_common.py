"""BlockWeights through scikit-learn's full check suite, and inside its tools."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import Normalizer
from sklearn.utils.estimator_checks import parametrize_with_checks

from skknn import BlockWeights, SoftKNNClassifier


@pytest.mark.filterwarnings("ignore:blocks='auto' finds one block only")
@parametrize_with_checks(
    [
        BlockWeights(),
        BlockWeights(n_components=1, scoring="accuracy"),
        BlockWeights(blocks=1, center=False),
    ]
)
def test_scikit_learn(estimator, check):
    check(estimator)
