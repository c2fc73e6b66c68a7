"""One page that shows people what a model does with their photos.

An answer (``_answer``: frames become plain rows) goes through functions: what of it is
shown (``_shown``), thumbnails of the photos in it (``_pictures``), and sections of
HTML, one a file, which ``_page`` puts together and ``_write`` writes. Texts pass
through ``_text``, which escapes them, and ``_own_paths``, which drops folders of the
machine; shares are drawn by ``_bars``. All colours and sizes are in ``style.css``.
There is no script, and nothing is loaded from elsewhere.
"""

from ._write import write_report

__all__ = ["write_report"]
