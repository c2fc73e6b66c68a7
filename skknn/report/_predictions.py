"""Photos without a class: what they are likely to be, and who said so."""

from typing import Any

from ._answer import Rows
from ._bars import bar
from ._pictures import LARGE, Pictures
from ._shown import Shown, is_unsure
from ._text import counted, file_name, first_of, is_missing, name, percent, photo_text
from ._voters import voting_photos


def predictions(shown: Shown, pictures: Pictures, lam: float | None) -> str:
    """Section on predicted photos, the uncertain ones first.

    Parameters
    ----------
    lam : float or None
        Share of the votes in the mixture.
    """
    total = len(shown.found.predictions)
    if total:
        body = _all(shown, pictures, lam, total)
    else:
        body = "<p>There was no photo without a class.</p>"
    return f"""<section id="predictions" aria-labelledby="predictions-h">
<h2 id="predictions-h">Predicted photos</h2>
{body}
</section>"""


def _all(shown: Shown, pictures: Pictures, lam: float | None, total: int) -> str:
    unlike = sum(bool(row["unlike"]) for row in shown.found.predictions)
    uncertain = sum(bool(row["uncertain"]) for row in shown.found.predictions)
    n_unsure = sum(map(is_unsure, shown.found.predictions))
    left_out = first_of(
        len(shown.uncertain) + len(shown.certain),
        total,
        "the least certain first",
        "All are in predictions.csv.",
    )
    return (
        f"<p>{counted(total, 'photo')}: {uncertain:,} uncertain, {unlike:,} unlike "
        "anything in the training photos. </p>"
        f"{_how(lam)}{left_out}"
        + _group("Look at these", n_unsure, shown.uncertain, pictures, lam)
        + _group("The others", total - n_unsure, shown.certain, pictures, lam)
    )


def _how(lam: float | None) -> str:
    """What the three bars of a photo mean."""
    mixture = "a mixture of both"
    if lam in (0, 1):
        mixture = (
            f"the {'votes' if lam else 'base'} alone, as cross-validation chose; the "
            f"{'base' if lam else 'votes'} had no share"
        )
    elif lam is not None:
        mixture = (
            f"{percent(lam, 0)} of the first and {percent(1 - lam, 0)} of the second"
        )
    return (
        '<p class="legend"><span class="key votes"></span><b>Votes</b>: the share of '
        "the most similar training photos that are of this class. "
        '<span class="key base"></span><b>Base</b>: the probability by logistic '
        f'regression. <span class="key mixture"></span><b>Mixture</b>: {mixture}; it '
        "decides.</p>"
    )


def _group(
    title: str, n: int, rows: Rows, pictures: Pictures, lam: float | None
) -> str:
    if not rows:
        return ""
    cards = "\n".join(_card(row, pictures, lam) for row in rows)
    return f'<h3>{title} ({n:,})</h3>\n<ul class="cards">\n{cards}\n</ul>'


def _card(row: dict[str, Any], pictures: Pictures, lam: float | None) -> str:
    badges = ""
    if row["uncertain"]:
        badges += '<span class="badge">uncertain</span> '
    if row["unlike"]:
        badges += '<span class="badge alarm">unlike anything seen</span>'
    second = ""
    if not is_missing(row["runner_up"]):
        second = (
            f'<p class="soft">or {name(row["runner_up"], 28)}, '
            f"{percent(row['runner_up_probability'], 0)}</p>"
        )
    alt = photo_text(row["file"], row["label"], "predicted as")
    return f"""<li class="card wide-card"><div class="photo">{
        pictures.html(row["file"], LARGE, alt)
    }</div>
<div class="said"><p class="answer"><b>{name(row["label"], 28)}</b> {
        percent(row["probability"], 0)
    }</p>{second}
{badges}<p>{file_name(row["file"])}</p></div>
{_split(row, lam)}
{voting_photos(row, pictures, counted=lam != 0)}</li>"""


def _split(row: dict[str, Any], lam: float | None) -> str:
    """Three bars: what votes and base gave the class, and what came of it."""
    parts = [
        ("votes", "Votes", row["votes_probability"], lam),
        ("base", "Base", row["base_probability"], None if lam is None else 1 - lam),
        ("mixture", "Mixture", row["probability"], None),
    ]
    lines = "".join(
        f'<tr><th scope="row">{title}{_times(weight)}</th>'
        f'<td class="wide">{bar(share, kind)}</td>'
        f'<td class="n">{percent(share, 0)}</td></tr>'
        for kind, title, share, weight in parts
        if not is_missing(share)
    )
    return (
        '<table class="bars"><caption class="unseen">Probability of '
        f"{name(row['label'], 28)} by each part</caption><tbody>{lines}</tbody></table>"
    )


def _times(weight: float | None) -> str:
    return "" if weight is None else f' <span class="soft">× {weight:.2f}</span>'
