"""Photos that are nearly the same or very similar, and those like no other."""

from typing import Any

from ..utils._similarity import NEARLY_SAME
from ._pictures import LARGE, Pictures
from ._shown import Shown, labels_differ
from ._text import counted, file_name, first_of, is_missing, name, photo_text


def duplicates(shown: Shown, pictures: Pictures) -> str:
    """Section on near-duplicates."""
    rows = shown.found.duplicates
    same = [row for row in rows if _nearly_same(row)]
    between = sum(map(labels_differ, same))
    if rows:
        cards = "\n".join(_pair(row, pictures) for row in shown.duplicates)
        mixed = (
            f" <b>{counted(between, 'pair')}</b> of different classes: one of the two "
            "labels is likely wrong."
            if between
            else ""
        )
        left_out = first_of(
            len(shown.duplicates),
            len(rows),
            "pairs of different classes first",
            "The others are in duplicates.csv.",
        )
        body = (
            f"<p>{_are(len(same))} nearly the same.{mixed} A copy of a photo that is "
            "both learnt from and tested on makes accuracy look better than it is."
            f"</p>{_very_similar(len(rows) - len(same))}{left_out}"
            f'<ul class="cards pairs">\n{cards}\n</ul>'
        )
    else:
        body = "<p>No two photos are nearly the same.</p>"
    return f"""<section id="duplicates" aria-labelledby="duplicates-h">
<h2 id="duplicates-h">Near-duplicates</h2>
{body}
</section>"""


def _nearly_same(row: dict[str, Any]) -> bool:
    alike = is_missing(row["similarity"]) or row["similarity"] >= NEARLY_SAME
    return alike or row.get("same_picture", False)


def _are(n: int) -> str:
    """Subject and verb: "1 pair of photos is"."""
    return f"{counted(n, 'pair')} of photos {'is' if n == 1 else 'are'}"


def _very_similar(n: int) -> str:
    if not n:
        return ""
    return (
        f"<p>{_are(n)} very similar, with a similarity below {NEARLY_SAME} and other "
        "pictures: photos of one burst, or different things in one place.</p>"
    )


def _pair(row: dict[str, Any], pictures: Pictures) -> str:
    sides = "".join(_side(row, side, pictures) for side in "ab")
    badge = (
        '<span class="badge alarm">different classes</span>'
        if labels_differ(row)
        else ""
    )
    alike = "" if is_missing(row["similarity"]) else f"{row['similarity']:.3f}"
    same = " (the same picture)" if row.get("same_picture", False) else ""
    said = f"nearly the same{same}" if _nearly_same(row) else "very similar"
    return (
        f'<li class="card"><div class="two">{sides}</div>'
        f'<p class="soft">{said}, similarity {alike} {badge}</p></li>'
    )


def _side(row: dict[str, Any], side: str, pictures: Pictures) -> str:
    file, label = row[f"file_{side}"], row[f"label_{side}"]
    given = "no label" if is_missing(label) else name(label, 28)
    alt = photo_text(file, label, "labelled")
    return (
        f'<figure><div class="photo">{pictures.html(file, LARGE, alt)}</div>'
        f"<figcaption><b>{given}</b><br>{file_name(file, 30)}</figcaption></figure>"
    )


def outliers(shown: Shown, pictures: Pictures) -> str:
    """Section on labelled photos that are like no other."""
    rows = shown.found.outliers
    if rows:
        cards = "\n".join(_outlier(row, pictures) for row in shown.outliers)
        left_out = first_of(
            len(shown.outliers), len(rows), "the most unusual first", ""
        )
        body = (
            f"<p>{counted(len(rows), 'labelled photo')} far from all others: another "
            "kind of picture, a part of the scene, or a rare case worth more examples."
            f'</p>{left_out}<ul class="cards small">\n{cards}\n</ul>'
        )
    else:
        body = "<p>No labelled photo is far from all others.</p>"
    return f"""<section id="outliers" aria-labelledby="outliers-h">
<h2 id="outliers-h">Unlike the others</h2>
{body}
</section>"""


def _outlier(row: dict[str, Any], pictures: Pictures) -> str:
    alt = photo_text(row["file"], row["label"], "labelled")
    return (
        f'<li class="card"><div class="photo">{pictures.html(row["file"], LARGE, alt)}'
        f"</div><p><b>{name(row['label'], 28)}</b></p>"
        f"<p>{file_name(row['file'], 30)}</p></li>"
    )
