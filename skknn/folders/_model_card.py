"""What somebody who gets the model has to know of it, as Markdown."""

import os
from pathlib import Path

from ..utils._similarity import are_nearly_same
from ._findings import Findings


def write_model_card(answer: Findings, path: str | os.PathLike) -> None:
    """Write a model card.

    Parameters
    ----------
    answer : Findings
    path : str or Path
    """
    # Names of folders need not be UTF-8.
    text = model_card(answer).encode("utf8", "surrogateescape")
    Path(path).write_bytes(text)


def model_card(answer: Findings) -> str:
    """Data, classes, accuracy, settings and licences in plain words.

    Parameters
    ----------
    answer : Findings

    Returns
    -------
    str
        Markdown.
    """
    found, settings = answer.evaluation, answer.settings
    classes = "\n".join(
        f"| {_cell(row['class'])} | {row['n']} | {row['precision']:.3f} | "
        f"{row['recall']:.3f} ({row['low']:.3f} to {row['high']:.3f}) |"
        for _, row in answer.per_class.iterrows()
    )
    chosen = ", ".join(f"{n} = {v}" for n, v in settings["parameters"].items())
    versions = ", ".join(f"{n} {v}" for n, v in settings["versions"].items())
    interval = f"{found['low']:.1%} to {found['high']:.1%}"
    n_same = int(are_nearly_same(answer.duplicates).sum())
    kind = "embedding and gradient features" if settings["fungi"] else "embedding"
    return f"""# Model card

Made on {settings["date"]} by `skknn classify` or `skknn.classify_folder`.

## What it does

Names the class of a photo, one of {found["n_classes"]}: {kind} of the frozen backbone
`{settings["backbone"]}`, then {_classifier_in_words(settings["parameters"]["lam"])}
({chosen}).

It knows no other classes: whatever it is shown gets one of these. Photos unlike all
training photos are marked in the column `unlike` of predictions, which is no guarantee.

## How good it is

Accuracy {found["accuracy"]:.1%} (95 % interval {interval});
always naming the largest class would give {found["baseline"]:.1%}. {found["protocol"]}

| class | photos | precision | recall (95 %) |
| --- | --- | --- | --- |
{classes}

Photos of other cameras, places or seasons than those of the training photos can be
harder. {_of_groups(settings["groups"])}

## Training data

Photos in class folders: {found["n"]}. Labels that look wrong:
{len(answer.suspect_labels)}. Pairs of near-duplicates: {n_same}, of very similar
photos: {len(answer.duplicates) - n_same}. All were learnt as they are. Files or
folders skipped: {len(answer.skipped)}.

## Licences

- skknn: BSD-3-Clause.
- Weights of the backbone: {settings["weights_licence"]}
- Training photos: theirs.

## How to load it

    import joblib
    model = joblib.load("model.joblib")    # can run any code: load what you trust
    model.predict(["photo.jpg"])

With {versions}.
"""


def _classifier_in_words(lam: float) -> str:
    """What predicts, given the share of the votes."""
    votes, base = "votes of the nearest training photos", "a logistic regression"
    if lam == 0:
        return f"{base};\n{votes} were tried and have no share"
    if lam == 1:
        return f"{votes};\n{base} was tried and has no share"
    return f"a mixture of {votes} ({lam:.0%})\nand {base} ({1 - lam:.0%})"


def _of_groups(groups: str | None) -> str:
    if groups is None:
        return (
            "If training photos come in bursts, accuracy is overstated: no groups were "
            "given."
        )
    return f"Photos of one group (`groups`: {groups}) were kept in one fold."


def _cell(text: str) -> str:
    return str(text).replace("|", "\\|").replace("\n", " ")
