"""An answer in a few lines of text."""

from ..utils._similarity import are_nearly_same
from ._findings import Findings

# Pairs within a class, of labelled photos, from which on they deserve a word.
_MANY = 0.02


def counted(n: int, one: str) -> str:
    """A number and what is counted: "1 photo", "2 photos"."""
    return f"{n} {one if n == 1 else one + 's'}"


def uncertain_below(sure: float) -> str:
    """Say which predictions are uncertain: "uncertain (below 0.71)"."""
    return "uncertain" if sure > 1 else f"uncertain (below {_digits(sure)})"


def _digits(probability: float) -> str:
    """Two digits; four where two would be 1."""
    return f"{probability:.{2 if probability < 0.995 else 4}f}"


def why_uncertain(sure: float, n_labelled: int) -> str:
    """Say why most predictions are uncertain.

    Parameters
    ----------
    sure : float
        Probability below which they are; above 1 if none was high enough.
    n_labelled : int
    """
    if sure > 1:
        reason = "no probability was high enough for 95 % of predictions to be right"
    else:
        reason = f"95 % of predictions are right only from {_digits(sure)} on"
    return (
        f"Most are uncertain: in cross-validation on {counted(n_labelled, 'photo')} "
        f"{reason}. More labelled photos help, above all of classes that are confused."
    )


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
        sure = answer.settings["uncertain_below"]
        lines.append(
            f"{counted(n, 'photo')} predicted; {uncertain} {uncertain_below(sure)}, "
            f"{unlike} unlike anything labelled."
        )
        if 2 * uncertain > n:
            lines.append(why_uncertain(sure, found["n"]))
    else:
        lines.append("No photos to predict.")
    same = are_nearly_same(answer.duplicates)
    for frame, text in (
        (answer.suspect_labels, "Labels that look wrong"),
        (answer.duplicates[same], "Pairs of near-duplicates"),
        (answer.duplicates[~same], "Pairs of very similar photos"),
        (answer.outliers, "Labelled photos unlike all others"),
        (answer.skipped, "Files or folders skipped"),
    ):
        if len(frame):
            lines.append(f"{text}: {len(frame)}.")
    within = answer.duplicates["label_a"] == answer.duplicates["label_b"]
    if within.sum() > _MANY * found["n"] and answer.settings["groups"] is None:
        lines.append(
            "Near-duplicates within a class, such as photos of one burst, make "
            "cross-validation look better than it is: put each burst into a folder of "
            "its own inside its class folder, and ask for groups 'subfolders'."
        )
    between = int((same & ~within).sum())
    if between:
        lines.append(
            f"Of the near-duplicates {counted(between, 'pair')} "
            f"{'is' if between == 1 else 'are'} of two classes (duplicates.csv): "
            "remove one of the two photos."
        )
    return "\n".join(lines)
