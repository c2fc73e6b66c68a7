"""What is loaded when."""

import subprocess
import sys

import pytest

HEAVY = (
    "torch",
    "torchvision",
    "timm",
    "transformers",
    "faiss",
    "matplotlib",
    "numba",
    "PIL",
)


def loaded_after(code, names):
    """Which of the modules are loaded once ``code`` has run in a new process."""
    code += f"\nimport sys\nprint([m for m in {tuple(names)!r} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert out.returncode == 0, out.stderr
    return out.stdout.strip()


def test_importing_the_package_loads_almost_nothing():
    names = (*HEAVY, "sklearn", "scipy", "numpy", "joblib")
    assert loaded_after("import skknn; skknn.__version__; dir(skknn)", names) == "[]"


def test_every_public_class_is_built_cloned_and_printed_without_torch():
    code = (
        "import inspect, skknn\n"
        "from sklearn.base import clone\n"
        "classes = [getattr(skknn, n) for n in skknn.__all__]\n"
        "classes = [c for c in classes if inspect.isclass(c)]\n"
        "assert len(classes) >= 4\n"
        "for c in classes:\n"
        "    if c.__name__ == 'NeighborSearchCV':\n"
        "        e = c(skknn.SoftKNNClassifier(), {'k': [1]})\n"
        "    else:\n"
        "        e = c()\n"
        "    repr(clone(e)), e._repr_html_() if hasattr(e, '_repr_html_') else ''\n"
    )
    assert loaded_after(code, HEAVY) == "[]"


def test_small_fits_load_no_torch():
    code = (
        "from sklearn.datasets import load_iris\n"
        "from skknn import JointKNNClassifier\n"
        "X, y = load_iris(return_X_y=True)\n"
        "JointKNNClassifier(5).fit(X, y).predict(X)\n"
    )
    assert loaded_after(code, HEAVY) == "[]"


def test_unknown_names_are_attribute_errors():
    import skknn

    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        skknn.nothing  # noqa: B018
    assert set(skknn.__all__) <= set(dir(skknn))
