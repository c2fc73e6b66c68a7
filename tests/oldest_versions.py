"""Print the oldest versions that ``pyproject.toml`` allows, as constraints of pip."""

import re
import sys
import tomllib
from pathlib import Path

PYPROJECT = Path(__file__).parent.parent / "pyproject.toml"


def oldest_versions(text: str) -> dict[str, str]:
    """Lower bound of each package in the dependencies and extras of a project.

    Parameters
    ----------
    text : str
        Content of a ``pyproject.toml``.

    Returns
    -------
    dict of str
        Name to version, sorted by name.

    Raises
    ------
    ValueError
        For a requirement that is not ``name>=version`` with or without an upper bound.
    """
    project = tomllib.loads(text)["project"]
    own, bounds = project["name"], {}
    extras = project["optional-dependencies"].values()
    for requirement in [*project["dependencies"], *sum(extras, [])]:
        if requirement.startswith(f"{own}["):
            continue
        match = re.fullmatch(r"([\w.-]+)>=([\d.]+)(,<[\d.]+)?", requirement)
        if match is None:
            raise ValueError(
                f"{requirement!r} has no lower bound that can be tested: write "
                "name>=version."
            )
        name, version, _ = match.groups()
        if bounds.setdefault(name, version) != version:
            raise ValueError(
                f"{name} has two lower bounds, {bounds[name]} and {version}: keep one."
            )
    return dict(sorted(bounds.items()))


if __name__ == "__main__":
    for name, version in oldest_versions(PYPROJECT.read_text()).items():
        sys.stdout.write(f"{name}=={version}\n")
