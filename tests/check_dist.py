"""What the wheel and the source archive of a release hold: ``check_dist.py FOLDER``."""

import re
import sys
import tarfile
import zipfile
from pathlib import Path

#: In the source archive beside ``PKG-INFO``; tests run from it.
SOURCES = {
    ".gitignore",
    "CHANGELOG.md",
    "CITATION.cff",
    "CONTRIBUTING.md",
    "LICENSE",
    "Makefile",
    "PKG-INFO",
    "README.md",
    "benchmarks",
    "docs",
    "examples",
    "pyproject.toml",
    "skknn",
    "tests",
}
#: Made by builds and runs; a release has none of it.
LEFTOVERS = re.compile(
    r"(^|/)(__pycache__|_build|auto_examples|generated|skknn_cache|skknn_output)/"
    r"|\.(py[co]|npz|joblib|pt|pth|safetensors|log)$"
)


def check_wheel(names: list[str], sources: set[str]) -> None:
    """Raise AssertionError unless a wheel holds the package, all of it, and no more.

    Parameters
    ----------
    names : list of str
        Paths in the wheel.
    sources : set of str
        Paths of the package's files in the source archive.
    """
    tops = {name.split("/")[0] for name in names}
    extra = {top for top in tops if not re.fullmatch(r"skknn-[\w.]+\.dist-info", top)}
    assert extra == {"skknn"}, extra
    assert "skknn/py.typed" in names
    package = {name for name in names if name.startswith("skknn/")}
    assert package == sources, package ^ sources


def check_source(names: list[str]) -> set[str]:
    """Raise AssertionError unless a source archive holds what it should; its package.

    Parameters
    ----------
    names : list of str
        Paths in the archive, without its folder.

    Returns
    -------
    set of str
        Paths of the package's files.
    """
    tops = {name.split("/")[0] for name in names}
    assert tops == SOURCES, tops ^ SOURCES
    left = [name for name in names if LEFTOVERS.search(name)]
    assert not left, left
    for wanted in ("skknn/py.typed", "docs/index.rst", "tests/conftest.py"):
        assert wanted in names, wanted
    return {name for name in names if name.startswith("skknn/")}


def main(folder: Path) -> None:
    """Check the one wheel and the one source archive of a folder.

    Parameters
    ----------
    folder : Path
        Where ``python -m build`` wrote them.
    """
    (archive,) = folder.glob("skknn-*.tar.gz")
    (wheel,) = folder.glob("skknn-*.whl")
    with tarfile.open(archive) as file:
        members = [member.name for member in file.getmembers() if member.isfile()]
    package = check_source([name.partition("/")[2] for name in members])
    check_wheel(zipfile.ZipFile(wheel).namelist(), package)
    for path in (archive, wheel):
        sys.stdout.write(f"{path.name}: {path.stat().st_size / 1024:.0f} kB\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
