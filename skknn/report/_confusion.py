"""Which classes are taken for which: a coloured table, or the most confused pairs."""

from typing import Any

from ._answer import Findings
from ._text import counted, escaped, name, percent, shortened

#: More classes make a table that nobody can read.
MAX_CLASSES, MAX_PAIRS = 20, 20


def confusion(found: Findings) -> str:
    """Section on confused classes."""
    table, classes = found.confusion, found.classes
    if not table:
        return ""
    small = len(classes) <= MAX_CLASSES
    drawn = _matrix(table, classes) if small else _pairs(table, classes)
    return f"""<section id="confusion" aria-labelledby="confusion-h">
<h2 id="confusion-h">What is taken for what</h2>
{drawn}
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
    return f"""<p>Rows are the classes given, columns the classes predicted. Blue cells
are right, orange ones wrong, stronger where they are a larger share of their row.</p>
<div class="scroll" role="region" tabindex="0" aria-labelledby="confusion-c">
<table class="confusion"><caption id="confusion-c">Photos of each class (rows) by
predicted class (columns)</caption>
<thead><tr><td></td>{head}</tr></thead>
<tbody>
{lines}
</tbody></table></div>"""


def _cell(n: int, share: float, right: bool, true: Any, predicted: Any) -> str:
    if not n:
        return '<td class="none">0</td>'
    kind = "right" if right else "wrong"
    said = escaped(
        f"{shortened(true, 40)}, predicted as {shortened(predicted, 40)}: "
        f"{percent(share)} of the row"
    )
    return f'<td class="{kind}" style="--s:{share:.3f}" title="{said}">{n:,}</td>'


def _pairs(table: list[list[int]], classes: list[Any]) -> str:
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
        for n, i, j in wrong[:MAX_PAIRS]
    )
    said = (
        f"The {min(MAX_PAIRS, len(wrong))} most confused of "
        f"{counted(len(wrong), 'confused pair')}: a matrix of {len(classes):,} classes "
        "would be too large to read."
    )
    return f"""<p class="left-out">{said}</p>
<div class="scroll" role="region" tabindex="0" aria-labelledby="confusion-c">
<table><caption id="confusion-c">Most confused pairs of classes</caption>
<thead><tr><th scope="col">Class given</th><th scope="col">Predicted</th>
<th scope="col" class="n">Photos</th><th scope="col" class="n">Of the class</th></tr>
</thead>
<tbody>
{lines}
</tbody></table></div>"""
