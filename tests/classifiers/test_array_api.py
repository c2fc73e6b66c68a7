"""Bases fitted on a device by scikit-learn's array API.

scipy asks the environment once whether it may take other arrays, so what needs that
runs in a process of its own.
"""

import os
import subprocess
import sys

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.utils import get_tags

from skknn.classifiers._array_api import array_api_device

pytest.importorskip("torch")

HAS_SUPPORT = getattr(get_tags(LogisticRegression()), "array_api_support", False)
needs_support = pytest.mark.skipif(
    not HAS_SUPPORT, reason="this scikit-learn fits no logistic regression on a device"
)


def run(code):
    environment = {**os.environ, "SCIPY_ARRAY_API": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", code],
        capture_output=True, text=True, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


SETUP = """
import pickle, sys
import numpy as np, sklearn
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from skknn import JointKNNClassifier, KNNWeightedLogisticRegression
from skknn.classifiers import _array_api

X, y = load_digits(return_X_y=True)
X, y, queries = X[:300] / 16, y[:300], X[300:400] / 16
names = np.array(list("abcdefghij"))[y]
"""


@needs_support
def test_tensors_give_what_arrays_give():
    """A processor stands in for the accelerator: the arithmetic is torch's."""
    run(
        SETUP
        + """
_array_api._WITHOUT_GAIN = ()
fits = []
inner = _array_api.LogisticRegression.fit

def fit(self, X, y, sample_weight=None):
    fits.append(type(X).__module__)
    return inner(self, X, y, sample_weight)

_array_api.LogisticRegression.fit = fit
settings = dict(alpha=0.1, C=0.1, device="cpu")
for labels in (names, y > 4):
    for dtype, tol, atol in ((np.float64, 1e-9, 1e-8), (np.float32, 1e-6, 1e-3)):
        for balance in (None, "balanced"):
            rows = X.astype(dtype)
            clf = KNNWeightedLogisticRegression(
                tol=tol, class_weight=balance, **settings
            )
            want = clf.fit(rows, labels).predict_proba(queries.astype(dtype))
            weights = clf.sample_weight_
            with sklearn.config_context(array_api_dispatch=True):
                clf.fit(rows, labels)
            found = clf.predict_proba(queries.astype(dtype))
            np.testing.assert_allclose(found, want, atol=atol, rtol=0)
            assert clf.coef_.dtype == clf.intercept_.dtype == dtype
            assert type(clf.coef_) is type(clf.n_iter_) is np.ndarray
            assert (clf.classes_ == np.unique(labels)).all()
            assert (clf.sample_weight_ == weights).all()
            copy = pickle.loads(pickle.dumps(clf))
            assert (copy.predict_proba(queries.astype(dtype)) == found).all()
            assert (copy.predict(queries) == clf.predict(queries)).all()
assert fits == ["numpy", "torch"] * 8, fits
"""
    )


@needs_support
def test_joint_classifiers_and_bases_of_others():
    run(
        SETUP
        + """
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

_array_api._WITHOUT_GAIN = ()
tight = LogisticRegression(C=0.1, tol=1e-9, max_iter=1000)
for base in (
    tight,
    make_pipeline(StandardScaler(), tight),
    LogisticRegression(C=0.1, solver="newton-cholesky"),
):
    clf = JointKNNClassifier(lam=0.3, estimator=base, device="cpu")
    want = clf.fit(X, names).predict_proba(queries)
    with sklearn.config_context(array_api_dispatch=True):
        found = clf.fit(X, names).predict_proba(queries)
        assert (clf.predict(queries) == clf.classes_[found.argmax(axis=1)]).all()
    atol = 1e-8 if base is tight else 0
    np.testing.assert_allclose(found, want, atol=atol, rtol=0)
"""
    )


@needs_support
def test_a_device_without_room_gives_way_to_the_processor():
    run(
        SETUP
        + """
import gc, warnings, weakref
import torch

_array_api._WITHOUT_GAIN = ()
inner, released = _array_api.LogisticRegression.fit, _array_api.release_memory
held, left = [], []

def fit(self, X, y, sample_weight=None):
    if isinstance(X, torch.Tensor):
        held.append(weakref.ref(X))
        raise torch.OutOfMemoryError("CUDA out of memory")
    return inner(self, X, y, sample_weight)

def release_memory():
    gc.collect()
    left.extend(what() for what in held)
    released()

_array_api.release_memory = release_memory

clf = JointKNNClassifier(lam=0, device="cpu")
want = clf.fit(X, y).predict_proba(queries)
_array_api.LogisticRegression.fit = fit
with sklearn.config_context(array_api_dispatch=True):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        clf.fit(X, y)
message = str(caught[0].message)
assert len(caught) == 1 and "300 rows" in message and "CPU" in message, message
assert left == [None], "rows were still on the device when its memory was given back"
assert (clf.predict_proba(queries) == want).all()
"""
    )


@needs_support
def test_a_processor_keeps_its_own_arithmetic():
    run(
        SETUP
        + """
clf = KNNWeightedLogisticRegression(device="cpu")
want = clf.fit(X, y).coef_
with sklearn.config_context(array_api_dispatch=True):
    assert (clf.fit(X, y).coef_ == want).all()
"""
    )


def test_nothing_changes_unless_it_is_switched_on():
    X = np.ones((4, 2))
    assert array_api_device(LogisticRegression(), X, "cuda:99") is None


@needs_support
def test_tensors_of_the_user_become_arrays():
    run(
        SETUP
        + """
import torch
clf = JointKNNClassifier(device="cpu")
want = clf.fit(X, y).predict_proba(queries)
with sklearn.config_context(array_api_dispatch=True):
    found = clf.fit(torch.tensor(X), y).predict_proba(torch.tensor(queries))
assert (found == want).all()
"""
    )


@pytest.mark.gpu
@needs_support
@pytest.mark.parametrize("dtype, atol", [(np.float64, 1e-8), (np.float32, 1e-3)])
def test_cuda(dtype, atol, tmp_path):
    """Fitted on a card, loaded where there is none."""
    run(
        SETUP
        + f"""
X, queries = (rows.astype("{np.dtype(dtype).name}") for rows in (X, queries))
clf = KNNWeightedLogisticRegression(C=0.1, tol=1e-9)
want = clf.fit(X, names).predict_proba(queries)
with sklearn.config_context(array_api_dispatch=True):
    found = clf.fit(X, names).predict_proba(queries)
    joint = JointKNNClassifier().fit(X, names)
np.testing.assert_allclose(found, want, atol={atol}, rtol=0)
np.savez(r"{tmp_path}/rows.npz", queries=queries, proba=joint.predict_proba(queries))
with open(r"{tmp_path}/joint.pickle", "wb") as file:
    pickle.dump(joint, file)
"""
    )
    code = f"""
import pickle
import numpy as np
rows = np.load(r"{tmp_path}/rows.npz")
with open(r"{tmp_path}/joint.pickle", "rb") as file:
    joint = pickle.load(file)
found = joint.predict_proba(rows["queries"])
np.testing.assert_allclose(found, rows["proba"], atol=1e-6, rtol=0)
"""
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
