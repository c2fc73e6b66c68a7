"""An answer in a few lines of text."""

from ._findings import Findings

# Pairs of near-duplicates, of labelled photos, from which on they deserve a word.
_MANY = 0.02


def summary_of(answer: Findings) -> str:
    """Say how good it is, what was predicted and what to look at.

    Parameters
    ----------
    answer : Findings

    Returns
    -------
    str
        Several lines.
    """
    found = answer.evaluation
    lines = [
        f"{found['n']} labelled photos of {found['n_classes']} classes: accuracy "
        f"{found['accuracy']:.1%} (95 % interval {found['low']:.1%} to "
        f"{found['high']:.1%}) in cross-validation; always naming the largest class "
        f"would give {found['baseline']:.1%}."
    ]
    n = len(answer.predictions)
    if n:
        uncertain = int(answer.predictions["uncertain"].sum())
        unlike = int(answer.predictions["unlike"].sum())
        lines.append(
            f"{n} photos predicted; {uncertain} uncertain, {unlike} unlike anything "
            "labelled."
        )
    else:
        lines.append("No photos to predict.")
    for frame, text in (
        (answer.suspect_labels, "Labels that look wrong"),
        (answer.duplicates, "Pairs of near-duplicates"),
        (answer.outliers, "Labelled photos unlike all others"),
        (answer.skipped, "Files or folders skipped"),
    ):
        if len(frame):
            lines.append(f"{text}: {len(frame)}.")
    many = len(answer.duplicates) > _MANY * found["n"]
    if many and answer.settings["groups"] is None:
        lines.append(
            "Near-duplicates, such as photos of one burst, make cross-validation look "
            "better than it is: put each burst into a folder of its own inside its "
            "class folder, and ask for groups 'subfolders'."
        )
    return "\n".join(lines)
