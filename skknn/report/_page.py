"""The page around the sections."""

from importlib.resources import files

from ._accuracy import accuracy, per_class
from ._card import model_card
from ._confusion import confusion
from ._copies import duplicates, outliers
from ._overlap import overlap
from ._own_paths import OwnPaths
from ._pictures import Pictures
from ._predictions import predictions
from ._shown import Shown, is_unsure
from ._skipped import skipped
from ._suspects import suspects
from ._text import counted, escaped, percent

# Nothing is loaded and nothing runs, even if a name slipped through as markup.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def page(
    shown: Shown,
    pictures: Pictures,
    *,
    title: str,
    date: str,
    lam: float | None,
    own: OwnPaths,
) -> str:
    """The whole report, as one HTML document.

    Parameters
    ----------
    shown : Shown
    pictures : Pictures
    title : str
    date : str
    lam : float or None
        Share of the votes in the mixture.
    own : OwnPaths
        Takes the folders of this machine out of texts.
    """
    found = shown.found
    sections = [
        ("Accuracy", "accuracy", None, accuracy(found)),
        ("Classes", "classes", None, per_class(found)),
        ("Confusion", "confusion", None, confusion(found)),
        (
            "Predicted",
            "predictions",
            len(found.predictions),
            predictions(shown, pictures, lam),
        ),
        ("Labels", "suspects", len(found.suspect_labels), suspects(shown, pictures)),
        (
            "Duplicates",
            "duplicates",
            len(found.duplicates),
            duplicates(shown, pictures),
        ),
        ("Unlike", "outliers", len(found.outliers), outliers(shown, pictures)),
        ("Overlap", "overlap", None, overlap(found)),
        ("Skipped", "skipped", len(found.skipped), skipped(shown, own)),
        ("Model card", "model", None, model_card(found, own)),
    ]
    links = "".join(
        f'<li><a href="#{place}">{label}{_count(n)}</a></li>'
        for label, place, n, body in sections
        if body
    )
    main = "\n".join(body for _, _, _, body in sections if body)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="skknn">
<meta name="robots" content="noindex">
<title>{escaped(title)}</title>
<link rel="icon" href="data:,">
<style>
{style()}</style>
</head>
<body>
<header>
<h1>{escaped(title)}</h1>
<p class="soft">{escaped(date)}</p>
<p>{_summary(shown)}</p>
</header>
<nav aria-label="Sections"><ul>{links}</ul></nav>
<main>
{_no_room(pictures)}{main}
</main>
<footer><p>Made by skknn. Percentages of votes and probabilities are those of the
model, not of a person who looked.</p></footer>
</body>
</html>
"""


def style() -> str:
    """The style sheet, which is a file of its own."""
    return files(__package__).joinpath("style.css").read_text("utf8")


def _summary(shown: Shown) -> str:
    found = shown.found
    text = (
        f"{counted(len(found.training), 'labelled photo')} of "
        f"{counted(len(found.classes), 'class', 'classes')}, "
        f"<b>{percent(found.evaluation['accuracy'])}</b> of them predicted rightly"
    )
    if found.predictions:
        n = counted(len(found.predictions), "photo")
        text += f"; {n} without a class predicted"
    unsure = sum(map(is_unsure, found.predictions))
    if unsure:
        text += f", {unsure:,} of them to look at"
    return f"{text}."


def _count(n: int | None) -> str:
    return "" if n is None else f' <span class="count">{n:,}</span>'


def _no_room(pictures: Pictures) -> str:
    n = pictures.n_left_out
    if not n:
        return ""
    return (
        f'<p class="left-out">{counted(n, "picture")} left out to keep this page '
        "small.</p>\n"
    )
