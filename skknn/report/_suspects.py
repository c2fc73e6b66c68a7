"""Training photos whose label may be wrong."""

from typing import Any

from ._bars import bar
from ._pictures import LARGE, Pictures
from ._shown import Shown
from ._text import counted, file_name, first_of, name, percent, photo_text
from ._voters import voting_photos


def suspects(shown: Shown, pictures: Pictures) -> str:
    """Section on labels to look at."""
    total = len(shown.found.suspect_labels)
    if total:
        cards = "\n".join(_card(row, pictures) for row in shown.suspects)
        left_out = first_of(
            len(shown.suspects),
            total,
            "the most suspect first",
            "The others are in suspect_labels.csv.",
        )
        body = (
            f"<p>{counted(total, 'labelled photo')} would get another class from all "
            "other photos; the bars say how likely each class is to them. Some labels "
            f"are wrong, other photos just hard: look before you change them.</p>"
            f"{left_out}"
            f'<ul class="cards">\n{cards}\n</ul>'
        )
    else:
        body = "<p>No label stands out.</p>"
    return f"""<section id="suspects" aria-labelledby="suspects-h">
<h2 id="suspects-h">Labels to look at</h2>
{body}
</section>"""


def _card(row: dict[str, Any], pictures: Pictures) -> str:
    alt = photo_text(row["file"], row["label"], "labelled")
    return f"""<li class="card wide-card"><div class="photo">{
        pictures.html(row["file"], LARGE, alt)
    }</div>
<div class="said"><p class="soft">labelled {name(row["label"], 28)}</p>
<p class="answer">rather <b>{name(row["suggested"], 28)}</b></p>
<p>{file_name(row["file"])}</p></div>
<table class="bars">
<caption class="unseen">Probability by the other photos</caption><tbody>
<tr><th scope="row">{name(row["label"], 28)}</th>
<td class="wide">{bar(row["label_probability"], "quiet")}</td>
<td class="n">{percent(row["label_probability"], 0)}</td></tr>
<tr><th scope="row">{name(row["suggested"], 28)}</th>
<td class="wide">{bar(row["suggested_probability"], "votes")}</td>
<td class="n">{percent(row["suggested_probability"], 0)}</td></tr>
</tbody></table>
{voting_photos(row, pictures)}</li>"""
