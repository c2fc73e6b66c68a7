"""What a run says while it works, on the error stream."""

import sys


class Say:
    """Print lines, if anything is to be said.

    Parameters
    ----------
    verbose : int
        0 says nothing.
    who : str
        Stands before each line.
    """

    def __init__(self, verbose: int, who: str = "skknn") -> None:
        self.verbose, self._who = verbose, who

    def __call__(self, text: str) -> None:
        """Print a line."""
        if self.verbose:
            print(f"[{self._who}] {text}", file=sys.stderr, flush=True)
