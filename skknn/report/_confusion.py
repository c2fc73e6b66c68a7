"""Which classes are taken for which: a coloured table, or the most confused pairs."""

from typing import Any

from ._answer import PlainAnswer
from ._text import counted, escaped, name, percent, shortened

#: More classes make a table that nobody can read.
MAX_CLASSES = 20
#: Pairs that are listed, alone and beside such a table.
MAX_PAIRS, MAX_PAIRS_BESIDE = 20, 8

_COLOURS = (
    "Rows are the classes given, columns the classes predicted. Blue cells are right, "
    "orange ones wrong, stronger where they are a larger share of their row."
)
_TOO_MANY = (
    "A matrix of {:,} classes would be too large to read: here are the pairs that are "
    "confused most."
)


def confusion(found: PlainAnswer) -> str:
    """Section on confused classes."""
    table, classes = found.confusion, found.classes
    if not table:
        return ""
    small = len(classes) <= MAX_CLASSES
    drawn = _matrix(table, classes) if small else ""
    said = _COLOURS if small else _TOO_MANY.format(len(classes))
    drawn += _pairs(table, classes, MAX_PAIRS_BESIDE if small else MAX_PAIRS)
    return f"""<section id="confusion" aria-labelledby="confusion-h">
<h2 id="confusion-h">What is taken for what</h2>
<p>{said}</p>
<div class="side-by-side">{drawn}</div>
</section>"""


def _matrix(table: list[list[int]], classes: list[Any]) -> str:
    head = "".join(
        f'<th scope="col"><span class="down">{name(c, 24)}</span></th>' for c in classes
    )
    body = []
    for i, row in enumerate(table):
        total = sum(row) or 1
        cells = "".join(
            _cell(n, n / total, i == j, classes[i], classes[j])
            for j, n in enumerate(row)
        )
        body.append(f'<tr><th scope="row">{name(classes[i], 24)}</th>{cells}</tr>')
    lines = "\n".join(body)
    return f"""<div>
<div class="scroll" role="region" tabindex="0" aria-labelledby="confusion-c">
<table class="confusion">
<caption id="confusion-c">Class given and class predicted</caption>
<thead><tr><td></td>{head}</tr></thead>
<tbody>
{lines}
</tbody></table></div></div>
"""


def _cell(n: int, share: float, right: bool, true: Any, predicted: Any) -> str:
    if not n:
        return '<td class="none">0</td>'
    kind = "right" if right else "wrong"
    said = escaped(
        f"{shortened(true, 40)}, predicted as {shortened(predicted, 40)}: "
        f"{percent(share)} of the row"
    )
    return f'<td class="{kind}" style="--s:{share:.3f}" title="{said}">{n:,}</td>'


def _pairs(table: list[list[int]], classes: list[Any], most: int) -> str:
    wrong = sorted(
        (
            (-n, i, j)
            for i, row in enumerate(table)
            for j, n in enumerate(row)
            if n and i != j
        )
    )
    if not wrong:
        return "<p>No photo is given a wrong class.</p>"
    lines = "\n".join(
        f'<tr><th scope="row">{name(classes[i], 40)}</th>'
        f'<td>{name(classes[j], 40)}</td><td class="n">{-n:,}</td>'
        f'<td class="n">{percent(-n / sum(table[i]))}</td></tr>'
        for n, i, j in wrong[:most]
    )
    shown = min(most, len(wrong))
    said = f"{counted(len(wrong), 'pair')} of classes, by the number of photos"
    if shown < len(wrong):
        said = f"The {shown:,} most confused of {said}"
    return f"""<div>
<div class="scroll" role="region" tabindex="0" aria-labelledby="pairs-c">
<table><caption id="pairs-c">{said}</caption>
<thead><tr><th scope="col">Class given</th><th scope="col">Predicted</th>
<th scope="col" class="n">Photos</th><th scope="col" class="n">Of the class</th></tr>
</thead>
<tbody>
{lines}
</tbody></table></div></div>"""
