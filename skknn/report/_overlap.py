"""Classes that look alike to the neighbours."""

from ._answer import PlainAnswer
from ._bars import bar
from ._text import first_of, name, percent

_MAX_PAIRS = 12


def overlap(found: PlainAnswer) -> str:
    """Section on classes whose photos vote for each other, if there are any."""
    rows = found.class_overlap[:_MAX_PAIRS]
    if not rows:
        return ""
    lines = "\n".join(
        f'<tr><th scope="row">{name(row["class_a"], 40)}</th>'
        f"<td>{name(row['class_b'], 40)}</td>"
        f'<td class="wide">{bar(row["share"], "votes")}</td>'
        f'<td class="n">{percent(row["share"])}</td></tr>'
        for row in rows
    )
    left_out = first_of(len(rows), len(found.class_overlap), "largest shares first", "")
    return f"""<section id="overlap" aria-labelledby="overlap-h">
<h2 id="overlap-h">Classes that look alike</h2>
<p>How much of the votes on the photos of one class goes to another one.</p>{left_out}
<div class="scroll" role="region" tabindex="0" aria-labelledby="overlap-c">
<table><caption id="overlap-c">Overlap of classes</caption>
<thead><tr><th scope="col">Photos of</th><th scope="col">get votes for</th>
<th scope="col" class="wide"><span class="unseen">bar of the share</span></th>
<th scope="col" class="n">Share</th></tr></thead>
<tbody>
{lines}
</tbody></table></div>
</section>"""
