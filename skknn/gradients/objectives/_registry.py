"""The names that objectives go by."""

from collections.abc import Iterable
from typing import Any

from sklearn.base import clone

from ...utils._parameters import check_parameters
from ._audio_simclr import AudioSimCLRObjective
from ._dino import DINOObjective
from ._kl import KLObjective
from ._objective import Objective
from ._patch_simclr import PatchSimCLRObjective
from ._simclr import SimCLRObjective
from ._text_simclr import TextSimCLRObjective

#: Objectives that each modality defines, in the order of their blocks.
_KNOWN: dict[str, dict[str, type[Objective]]] = {
    modality: {cls.name: cls for cls in classes}
    for modality, classes in {
        "image": (KLObjective, DINOObjective, SimCLRObjective),
        "text": (KLObjective, TextSimCLRObjective),
        "sound": (KLObjective, AudioSimCLRObjective),
    }.items()
}
#: What stands for all objectives of a modality.
DEFAULT_OBJECTIVES = ("kl", "dino", "simclr")


def resolve_objectives(
    objectives: str | Objective | Iterable[str | Objective], modality: str = "image"
) -> dict[str, Objective]:
    """Return a dict unique name -> validated copy of each objective.

    Parameters
    ----------
    objectives : str, Objective, or sequence of them
        :data:`DEFAULT_OBJECTIVES` is every objective that the modality defines.
    modality : str
        What the items are; names stand for its objectives.

    Raises
    ------
    ValueError, TypeError
        For names that the modality does not define, objectives of another one, and
        anything that is no objective.
    """
    known = _KNOWN[modality]
    if isinstance(objectives, (str, Objective)):
        objectives = (objectives,)
    objectives = tuple(objectives)
    if objectives == DEFAULT_OBJECTIVES:
        objectives = tuple(known)
    resolved: dict[str, Objective] = {}
    for item in objectives:
        if isinstance(item, str):
            if item not in known:
                elsewhere = any(item in others for others in _KNOWN.values())
                raise ValueError(
                    f"objectives={objectives!r}: {item!r} is not "
                    + (f"defined for {modality}s" if elsewhere else "known")
                    + f". Allowed are {', '.join(map(repr, known))} and Objective "
                    "instances such as KLObjective(temperature=10)."
                )
            objective = known[item]()
        elif isinstance(item, Objective):
            if item.modalities is not None and modality not in item.modalities:
                raise ValueError(
                    f"objectives: {item!r} cuts views of {' or '.join(item.modalities)}"
                    f"s, and the backbone takes {modality}s. For these there are "
                    f"{', '.join(map(repr, known))}, of the classes "
                    f"{', '.join(cls.__name__ for cls in known.values())}."
                )
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
