"""Files that were not used, and why."""

from ._own_paths import OwnPaths
from ._shown import Shown
from ._text import counted, escaped, file_name, first_of


def skipped(shown: Shown, own: OwnPaths) -> str:
    """Section on files that were left out."""
    total = len(shown.found.skipped)
    if total:
        lines = "\n".join(
            f'<tr><th scope="row">{file_name(str(row["file"]), 60)}</th>'
            f"<td>{escaped(own.text(' '.join(str(row['reason']).split())))}</td></tr>"
            for row in shown.skipped
        )
        left_out = first_of(
            len(shown.skipped), total, "by name", "The others are in skipped.csv."
        )
        body = f"""<p>{counted(total, "file or folder", "files or folders")} had
no part in this.</p>{left_out}
<div class="scroll" role="region" tabindex="0" aria-labelledby="skipped-c">
<table class="texts"><caption id="skipped-c">Files left out</caption>
<thead><tr><th scope="col">File</th><th scope="col">Why</th></tr></thead>
<tbody>
{lines}
</tbody></table></div>"""
    else:
        body = "<p>Nothing: every file was read.</p>"
    return f"""<section id="skipped" aria-labelledby="skipped-h">
<h2 id="skipped-h">What was skipped</h2>
{body}
</section>"""
