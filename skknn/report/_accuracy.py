"""How good the predictions are: overall, and class by class."""

from typing import Any

from ._answer import PlainAnswer, Rows
from ._bars import bar, bar_with_interval, scale
from ._text import counted, escaped, interval, is_missing, name, number, percent

#: Classes of which each has its row.
MAX_CLASSES = 200


def accuracy(found: PlainAnswer) -> str:
    """The number that readers look for first, and what it means."""
    e = found.evaluation
    return f"""<section id="accuracy" aria-labelledby="accuracy-h">
<h2 id="accuracy-h">How good is it?</h2>
<div class="headline"><p class="big">{percent(e["accuracy"])}</p>
<div class="beside"><p>of {counted(int(e["n"]), "labelled photo")} were given their own
class by a model that never saw them; the 95&nbsp;% interval that so many photos allow
is <b>{percent(e["low"])}</b> to <b>{percent(e["high"])}</b>. Always naming the most
frequent class would give <b>{percent(e["baseline"])}</b>.</p>
{scale(e["accuracy"], e["low"], e["high"], e["baseline"])}
<p class="legend"><span class="key value"></span>accuracy
<span class="key interval"></span>95&nbsp;% interval
<span class="key baseline"></span>most frequent class</p></div></div>
<p>{escaped(e["protocol"])}{_sides(e)}</p>
</section>"""


def _sides(evaluation: dict[str, Any]) -> str:
    """What votes and base would get without each other, where that is known."""
    votes, base = (evaluation.get(f"{side}_accuracy") for side in ("votes", "base"))
    if is_missing(votes) or is_missing(base):
        return ""
    return (
        f" The votes of neighbours alone get {percent(votes)}, the base classifier "
        f"alone {percent(base)}."
    )


def per_class(found: PlainAnswer) -> str:
    """Table of classes: how many photos, precision, recall with its interval."""
    rows, order = _class_rows(found.per_class)
    body = "\n".join(_class_row(row) for row in rows)
    left_out = ""
    if len(rows) < len(found.per_class):
        left_out = (
            f'<p class="left-out">The {len(rows):,} classes of lowest recall, of '
            f"{len(found.per_class):,}.</p>"
        )
    return f"""<section id="classes" aria-labelledby="classes-h">
<h2 id="classes-h">Class by class</h2>
<p>Recall: of the photos of a class, how many are found. Precision: of the photos that
are given a class, how many belong to it. The 95&nbsp;%
interval of the recall is wide where there are few photos.</p>
{left_out}<div class="scroll" role="region" tabindex="0" aria-labelledby="classes-c">
<table class="classes"><caption id="classes-c">All classes{order}</caption>
<thead><tr><th scope="col">Class</th><th scope="col" class="n">Photos</th>
<th scope="col" class="n">Precision</th><th scope="col" class="wide"><span
class="unseen">bar of precision</span></th><th scope="col" class="n">Recall</th>
<th scope="col" class="wide"><span class="unseen">bar of recall</span></th>
<th scope="col" class="n">Interval</th></tr></thead>
<tbody>
{body}
</tbody></table></div>
</section>"""


def _class_rows(rows: Rows) -> tuple[Rows, str]:
    if len(rows) <= MAX_CLASSES:
        return rows, ""
    worst = sorted(rows, key=lambda row: row["recall"])[:MAX_CLASSES]
    return worst, ", lowest recall first"


def _class_row(row: dict[str, Any]) -> str:
    return (
        f'<tr><th scope="row">{name(row["class"], 40)}</th>'
        f'<td class="n">{number(row["n"])}</td>'
        f'<td class="n">{percent(row["precision"])}</td>'
        f'<td class="wide">{bar(row["precision"], "second")}</td>'
        f'<td class="n">{percent(row["recall"])}</td>'
        f'<td class="wide">'
        f"{bar_with_interval(row['recall'], row['low'], row['high'], 'value')}</td>"
        f'<td class="n soft">{interval(row["low"], row["high"])}</td>'
        "</tr>"
    )
