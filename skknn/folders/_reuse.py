"""Whether the answer that lies in a folder still is the answer."""

import os

from ..datasets import check_images
from ._contents import FolderContents
from ._findings import Findings
from ._labelled_rows import SINGLE
from ._say import Say
from ._written import read_answer, written_fingerprint


def answer_that_holds(
    output: str | os.PathLike, fingerprint: str, contents: FolderContents, say: Say
) -> Findings | None:
    """Read an answer back if it follows from the same files and settings.

    Photos that could not be read are tried again: they may be allowed to be read by
    now, or their format known, which changes nothing about the files.

    Parameters
    ----------
    output : str or Path
        The folder of results.
    fingerprint : str
        Of what an answer would follow from now.
    contents : FolderContents
    say : Say

    Returns
    -------
    Findings or None
        None if all is to be done again.
    """
    if written_fingerprint(output) != fingerprint:
        return None
    try:
        answer = read_answer(output)
    except (ValueError, OSError) as error:
        say(f"{error} It is made again.")
        return None
    used = {*answer.training["file"], *answer.predictions["file"]}
    photos = {*contents.labelled, *contents.waiting}
    left_out = [name for name in answer.skipped["file"] if name in photos - used]
    paths = contents.paths(left_out)
    still = {bad.row for bad in check_images(paths)} if paths else set()
    reasons = dict(zip(answer.skipped["file"], answer.skipped["reason"]))
    for row, name in enumerate(left_out):
        if row not in still and reasons[name] != SINGLE:
            say(f"{name!r} can be read by now.")
            return None
    return answer
