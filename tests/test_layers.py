"""The stages of the package: who imports whom, and that each says what it is."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import skknn

ROOT = Path(skknn.__file__).parent
FILES = {
    ".".join(("skknn", *file.relative_to(ROOT).with_suffix("").parts)): file
    for file in sorted(ROOT.rglob("*.py"))
}
TREES = {name: ast.parse(file.read_text("utf8")) for name, file in FILES.items()}

TO_ROWS = ["utils", "modalities", "backbones", "gradients", "extraction", "features"]
FROM_ROWS = ["utils", "neighbors", "datastore", "classifiers", "model_selection"]
FROM_ROWS += ["inspection"]
#: Package -> packages that it may import.
BELOW = {
    name: set(chain[:i])
    for chain in (TO_ROWS, FROM_ROWS)
    for i, name in enumerate(chain)
} | {
    # Weights of blocks are found by votes.
    "features": {*TO_ROWS, "neighbors", "datastore"} - {"features"},
    "segmentation": {*TO_ROWS, "neighbors", "datastore", "metrics"},
    "finetuning": {*TO_ROWS, "neighbors", "datastore", "classifiers"},
    "metrics": {"utils"},
    "datasets": {"utils", "modalities"},
    "report": {"utils", "modalities"},
    "inspection": {*TO_ROWS, *FROM_ROWS, "segmentation", "finetuning", "report"},
    "folders": {*TO_ROWS, *FROM_ROWS, "datasets"},
}


def own_imports(name):
    """Modules of this package that a module imports, wherever in its text.

    Also what only type checkers read: things that know each other's types are one.
    """
    tree = TREES[name]
    package = name.split(".")[:-1]
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom):
            continue
        if node.level:
            start = package[: len(package) - node.level + 1]
            module = ".".join([*start, *filter(None, [node.module])])
        else:
            module = node.module
        for alias in node.names:
            for found in (f"{module}.{alias.name}", module, f"{module}.__init__"):
                if found in FILES:
                    yield found
                    break


def stage(name):
    """Name of the package below skknn that a module is in."""
    return name.split(".")[1]


@pytest.mark.parametrize("name", [n for n in FILES if n.count(".") > 1])
def test_imports_point_down_the_stages(name):
    upward = {
        other
        for other in own_imports(name)
        if stage(other) != stage(name) and stage(other) not in BELOW[stage(name)]
    }
    assert not upward


def test_no_imports_go_in_a_circle():
    graph = {name: set(own_imports(name)) - {name} for name in FILES}
    assert sum(map(len, graph.values())) > 300
    TopologicalSorter(graph).prepare()  # raises CycleError


@pytest.mark.parametrize("name", [n for n in FILES if n.endswith("__init__")])
def test_every_package_says_what_it_is(name):
    assert ast.get_docstring(TREES[name])


@pytest.mark.parametrize("name", FILES)
def test_files_are_short_and_typed(name):
    assert FILES[name].stat().st_size <= 16_000
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.FunctionDef):
            given = node.args
            typed = [*given.posonlyargs, *given.args, *given.kwonlyargs]
            typed += [a for a in (given.vararg, given.kwarg) if a]
            bare = [a.arg for a in typed if a.annotation is None]
            assert set(bare) <= {"self", "cls"}, node.name
            assert node.returns is not None, node.name
