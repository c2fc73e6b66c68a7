"""The kinds of items there are, by name: how ``X`` becomes items of each."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ._containers import as_images
from ._item_source import ItemSource
from ._sounds import as_sounds
from ._texts import as_texts


@dataclass(frozen=True)
class Modality:
    """A kind of items.

    Attributes
    ----------
    unit : str
        What one item is called in messages.
    as_items : callable
        ``X`` -> :class:`ItemSource`.
    leave_out : str
        A sentence that says how rows that cannot be used are left out.
    shortened : str
        What happened to items of which the backbone takes a part alone, and what to do
        about it.
    """

    unit: str
    as_items: Callable[[Any], ItemSource]
    leave_out: str
    shortened: str = ""


#: What a backbone's ``modality`` may be.
MODALITIES = {
    "image": Modality(
        "image",
        as_images,
        "skknn.datasets.drop_unreadable(X, y) leaves such images out, with their "
        "labels.",
    ),
    "text": Modality(
        "text",
        as_texts,
        "Leave such texts out, with their labels, or put a text in their place.",
        "their ends were cut off. Use a backbone, or a limit of it, that takes more, "
        "if what is behind matters.",
    ),
    "sound": Modality(
        "sound",
        as_sounds,
        "Leave such sounds out, with their labels, or mend them.",
        "parts between their windows were left out. Raise max_windows of the backbone, "
        "or cut them into clips, if what is there matters.",
    ),
}
