"""Packages of an extra: used if there, named with their extra if not."""

import subprocess
import sys

import pytest

from skknn.utils._optional import import_optional


def test_what_is_installed_is_returned():
    import xml.dom.minidom as expected

    found = import_optional("xml.dom.minidom", extra="none", needed_for="this")
    assert found is expected


@pytest.mark.parametrize("name", ["not_there_at_all", "not_there_at_all.part"])
def test_what_is_missing_is_named_with_its_extra(name):
    with pytest.raises(
        ImportError,
        match=r"A thing needs not_there_at_all, .*pip install 'skknn\[some\]'",
    ) as error:
        import_optional(name, extra="some", needed_for="A thing")
    assert error.value.name == "not_there_at_all"


def test_errors_inside_an_installed_package_go_through(tmp_path, monkeypatch):
    (tmp_path / "half_there.py").write_text("import what_it_needs_itself\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ImportError, match="what_it_needs_itself"):
        import_optional("half_there", extra="some", needed_for="A thing")


DISPLAYS = {
    "CKADisplay": {"similarity": [[1.0]], "names": ["a"]},
    "TuningDisplay": dict.fromkeys(
        ("scores", "x_values", "y_values", "x_name", "y_name", "score_name")
    ),
    "PerClassDisplay": dict.fromkeys(("precision", "recall", "support", "class_names")),
    "BlockWeightsDisplay": {
        "weights": [[1]],
        "losses": [1],
        "standard_errors": [0],
        "block_names": ["a"],
        "scoring": "accuracy",
    },
    "LearningCurveDisplay": {
        "loss": [1],
        "knn_proba": [1],
        "validation_loss": None,
        "validation_accuracy": None,
        "n_epochs": 1,
    },
}


@pytest.mark.parametrize("name", DISPLAYS)
def test_displays_without_matplotlib_name_the_extra(name):
    code = (
        "import sys\n"
        "sys.modules['matplotlib'] = None\n"
        "from skknn import inspection\n"
        f"display = inspection.{name}(**{DISPLAYS[name]})\n"
        "try:\n"
        "    display.plot()\n"
        "except ImportError as error:\n"
        "    print(error)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    expected = f"{name}.plot needs matplotlib"
    assert expected in run.stdout and "skknn[plot]" in run.stdout, run.stderr
