"""A release says the same version and date everywhere."""

import re
import tomllib
from pathlib import Path

import pytest
from check_dist import SOURCES, check_source, check_wheel

import skknn

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.skipif(
    not (ROOT / "Makefile").is_file(), reason="the project is not part of the wheel"
)


def test_version_and_date_agree():
    citation = (ROOT / "CITATION.cff").read_text()
    heading = re.search(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    if "dev" in skknn.__version__:
        assert heading[1] == "Unreleased"
        return
    assert f"\nversion: {skknn.__version__}\n" in citation
    date = re.search(r'^date-released: "(\d{4}-\d\d-\d\d)"$', citation, re.MULTILINE)
    assert heading[1] == f"{skknn.__version__} ({date[1]})"


def test_the_oldest_python_is_the_first_of_the_classifiers():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = re.findall(r":: Python :: (3\.\d+)", "\n".join(project["classifiers"]))
    assert project["requires-python"] == f">={named[0]}"
    assert "Typing :: Typed" in project["classifiers"]
    assert (ROOT / "skknn" / "py.typed").is_file()


FOLDERS = ("benchmarks", "docs", "examples", "skknn", "tests")
SOURCE = [*SOURCES.difference(FOLDERS), *(f"{name}/a.py" for name in FOLDERS)]
SOURCE += ["skknn/py.typed", "docs/index.rst", "tests/conftest.py"]
WHEEL = ["skknn/a.py", "skknn/py.typed", "skknn-0.1.0.dist-info/METADATA"]


def test_archives_that_are_right_pass():
    package = check_source(SOURCE)
    assert package == {"skknn/a.py", "skknn/py.typed"}
    check_wheel(WHEEL, package)


@pytest.mark.parametrize(
    "extra", ["notes.txt", "docs/generated/a.rst", "skknn/a.pyc", "tests/run.log"]
)
def test_what_does_not_belong_into_the_source_archive_is_found(extra):
    with pytest.raises(AssertionError, match=extra.split("/")[-1].split(".")[0]):
        check_source([*SOURCE, extra])


@pytest.mark.parametrize("change", ["tests/a.py", "skknn/b.py", "-skknn/py.typed"])
def test_a_wheel_with_more_or_less_is_found(change):
    names = [name for name in WHEEL if f"-{name}" != change]
    names += [] if change.startswith("-") else [change]
    with pytest.raises(AssertionError):
        check_wheel(names, {"skknn/a.py", "skknn/py.typed"})
