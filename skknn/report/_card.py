"""The model card: data, classes, accuracy, licence, limits, settings, versions."""

import json
from typing import Any

from ..utils._licence import licence_of_weights
from ..utils._versions import installed_versions
from ._answer import PlainAnswer
from ._own_paths import OwnPaths
from ._text import counted, escaped, listed, name, percent

# Settings that say nothing to people.
_HIDDEN = ("date", "fingerprint", "reproducible")
_MAX_CLASSES = 60


def model_card(found: PlainAnswer, own: OwnPaths) -> str:
    """Section on what the model is made of."""
    settings = own.value(found.settings)
    licence = settings.pop("weights_licence", None)
    versions = installed_versions() | (settings.pop("versions", None) or {})
    settings = {k: v for k, v in settings.items() if k not in _HIDDEN}
    facts = [
        ("Data", _data(found, own)),
        ("Classes", _classes(found)),
        ("Accuracy", _accuracy(found)),
        (
            "Licence of the weights",
            escaped(licence or licence_of_weights(found.settings)),
        ),
        ("Limits", _LIMITS),
    ]
    rows = "".join(f"<dt>{title}</dt><dd>{text}</dd>" for title, text in facts)
    return f"""<section id="model" aria-labelledby="model-h">
<h2 id="model-h">Model card</h2>
<dl class="facts">{rows}</dl>
<h3>Settings</h3>
{_table(settings, "Setting")}
<h3>Versions</h3>
{_table(versions, "Package")}
</section>"""


_LIMITS = (
    "Accuracy holds for photos that are taken like the labelled ones. Photos of other "
    "places, cameras or seasons, and of classes that were not there, get a class all "
    "the same: check those that are uncertain or unlike anything seen."
)


def _data(found: PlainAnswer, own: OwnPaths) -> str:
    folder = own.value(found.folder)
    parts = [counted(len(found.training), "labelled photo")]
    if found.predictions:
        parts.append(f"{len(found.predictions):,} predicted")
    if found.skipped:
        skipped = counted(len(found.skipped), "file or folder", "files or folders")
        parts.append(f"{skipped} skipped")
    return f"{name(folder, 80)}: {listed(parts)}."


def _classes(found: PlainAnswer) -> str:
    sizes = {row["class"]: int(row["n"]) for row in found.per_class}
    shown = [
        f"{name(c, 40)} ({sizes[c]:,})" if c in sizes else name(c, 40)
        for c in found.classes[:_MAX_CLASSES]
    ]
    more = len(found.classes) - len(shown)
    text = f"{len(found.classes):,}: {', '.join(shown)}"
    return f"{text} and {more:,} more." if more else f"{text}."


def _accuracy(found: PlainAnswer) -> str:
    e = found.evaluation
    return (
        f"{percent(e['accuracy'])} ({percent(e['low'])} to {percent(e['high'])}). "
        f"{escaped(e['protocol'])}"
    )


def _table(entries: dict[str, Any], head: str) -> str:
    rows = "".join(
        f'<tr><th scope="row">{escaped(key)}</th><td>{_value(value)}</td></tr>'
        for key, value in _flat(entries)
    )
    return (
        f'<table class="texts"><thead><tr><th scope="col">{head}</th>'
        f'<th scope="col">Value</th></tr></thead><tbody>{rows}</tbody></table>'
    )


def _flat(entries: dict[str, Any], above: str = "") -> list[tuple[str, Any]]:
    """Dicts within dicts as one, with dotted keys."""
    rows: list[tuple[str, Any]] = []
    for key, value in entries.items():
        if isinstance(value, dict) and value:
            rows += _flat(value, f"{above}{key}.")
        elif value is not None:
            rows.append((f"{above}{key}", value))
    return rows


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        value = ", ".join(value)
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return escaped(text if len(text) <= 500 else f"{text[:500]} ...")
