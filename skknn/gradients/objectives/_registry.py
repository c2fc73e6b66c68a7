"""The names that objectives go by."""

from collections.abc import Iterable
from typing import Any

from sklearn.base import clone

from ...utils._parameters import check_parameters
from ._dino import DINOObjective
from ._kl import KLObjective
from ._objective import Objective
from ._patch_simclr import PatchSimCLRObjective
from ._simclr import SimCLRObjective

_KNOWN = {cls.name: cls for cls in (KLObjective, DINOObjective, SimCLRObjective)}


def resolve_objectives(
    objectives: str | Objective | Iterable[str | Objective],
) -> dict[str, Objective]:
    """Return a dict unique name -> validated copy of each objective.

    Parameters
    ----------
    objectives : str, Objective, or sequence of them

    Raises
    ------
    ValueError, TypeError
        For names that are not known and for anything that is no objective.
    """
    if isinstance(objectives, (str, Objective)):
        objectives = (objectives,)
    resolved: dict[str, Objective] = {}
    for item in objectives:
        if isinstance(item, str):
            if item not in _KNOWN:
                raise ValueError(
                    f"objectives={objectives!r}: {item!r} is not known. Allowed are "
                    f"{', '.join(map(repr, _KNOWN))} and Objective instances such as "
                    "KLObjective(temperature=10)."
                )
            objective = _KNOWN[item]()
        elif isinstance(item, Objective):
            objective = clone(item)
        else:
            raise TypeError(
                f"objectives={objectives!r}: {item!r} is neither a name nor an "
                "Objective instance. Pass e.g. ('kl', DINOObjective(n_local=4)); "
                "classes must be instantiated."
            )
        check_parameters(objective)
        count, name = 1, objective.name
        while name in resolved:
            count += 1
            name = f"{objective.name}_{count}"
        resolved[name] = objective
    return resolved


def resolve_patch_objective(gradients: str | PatchSimCLRObjective) -> Any:
    """Return a validated copy of the objective whose gradients patches get.

    Parameters
    ----------
    gradients : "simclr" or PatchSimCLRObjective

    Raises
    ------
    ValueError, TypeError
        For anything else, and for parameters that will not do.
    """
    if isinstance(gradients, str):
        if gradients != PatchSimCLRObjective.name:
            raise ValueError(
                f"gradients={gradients!r} is not known. Allowed are 'simclr', a "
                "PatchSimCLRObjective(...), and None."
            )
        return PatchSimCLRObjective()
    if not isinstance(gradients, PatchSimCLRObjective):
        raise TypeError(
            f"gradients={gradients!r} is no objective of patches. Pass 'simclr', a "
            "PatchSimCLRObjective(...), or None."
        )
    objective = clone(gradients)
    check_parameters(objective)
    return objective
