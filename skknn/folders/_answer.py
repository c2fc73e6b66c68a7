"""FolderAnswer: all that is known of a folder of photos."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from ._findings import Findings
from ._predict import predict_photos
from ._summary import summary_of
from ._written import read_answer, write_answer


@dataclass(frozen=True, eq=False, repr=False)
class FolderAnswer(Findings):
    """What :func:`skknn.classify_folder` found.

    Names of files are relative to ``folder``. Frames are pandas DataFrames.

    Parameters
    ----------
    folder : str
        The folder, as an absolute path.
    settings : dict
        Settings and chosen parameters, as plain JSON: among them ``parameters`` (k,
        tau, alpha, C and lam), ``uncertain_below`` (the probability below which a
        prediction is called uncertain) and ``versions``.
    classes : ndarray of shape (n_classes,)
        Sorted.
    training : DataFrame [file, label, predicted, probability, runner_up, \
runner_up_probability, label_quality]
        What cross-validation says of each labelled photo; never by a model that saw it.
        ``label_quality`` is the probability of its label to all other photos, by the
        audit: the lowest are the most likely to be wrong.
    evaluation : dict
        ``accuracy``, ``low`` and ``high`` (95 %), ``baseline`` (share of the largest
        class), ``votes_accuracy`` and ``base_accuracy`` (each side alone), ``n``,
        ``n_classes`` and ``protocol`` (a sentence).
    per_class : DataFrame [class, n, precision, recall, low, high]
        ``low`` to ``high`` is the 95 % interval of the recall.
    confusion : DataFrame of shape (n_classes, n_classes)
        Counts; rows are true classes.
    predictions : DataFrame [file, label, probability, runner_up, \
runner_up_probability, nearest_files, nearest_labels, nearest_shares, \
votes_probability, base_probability, uncertain, unlike]
        The photos without a label. ``nearest_*`` hold a list of up to 5 training
        photos and their shares of the votes (which decide nothing where ``lam`` is 0);
        ``votes_probability`` and ``base_probability`` are of ``label``; ``unlike``
        photos are unlike anything that was labelled.
    suspect_labels, duplicates, outliers, class_overlap : DataFrame
        Those of a :class:`skknn.inspection.LabelAudit` of the labelled photos.
    skipped : DataFrame [file, reason]
        Whatever was left out, with the reason.
    pipeline : Pipeline
        Fitted on all labelled photos; it takes paths of photos.
    audit : LabelAudit
        Fitted on the rows of the labelled photos.

    Examples
    --------
    >>> import tempfile
    >>> from skknn.folders import FolderAnswer
    >>> try:
    ...     FolderAnswer.load(tempfile.mkdtemp())  # the folder of results
    ... except FileNotFoundError as error:
    ...     print(str(error).partition(": ")[2].partition(". ")[0])
    there is no model.joblib
    """

    def predict(
        self,
        photos: str | os.PathLike | Sequence[str],
        *,
        output: str | os.PathLike | None = None,
        verbose: int = 0,
    ) -> tuple[Any, Any]:
        """Predict other photos.

        Parameters
        ----------
        photos : str, Path or sequence of them
            A folder, of which all photos at any depth are taken, or files.
        output : str or Path, default=None
            CSV file to write the predictions to; it appears at the end. If files were
            skipped, they and the reasons are in ``more_skipped.csv`` beside
            ``more.csv``.
        verbose : int, default=0
            Above 0, progress.

        Returns
        -------
        predictions : DataFrame
            As the attribute ``predictions``; files relative to the folder, or as given.
        skipped : DataFrame [file, reason]
        """
        return predict_photos(self, photos, output=output, verbose=verbose)

    def save(self, output: str | os.PathLike) -> None:
        """Write all files of results; they appear together, at the end.

        Parameters
        ----------
        output : str or Path
            A folder, made if there is none.
        """
        write_answer(self, output)

    @classmethod
    def load(cls, output: str | os.PathLike) -> Self:
        """Read an answer back.

        Its files can run any code while they are loaded: read only what you trust.

        Parameters
        ----------
        output : str or Path
            The folder of results.

        Returns
        -------
        FolderAnswer

        Raises
        ------
        FileNotFoundError
            If it holds no answer.
        """
        return cls(**vars(read_answer(output)))

    def __repr__(self) -> str:
        """A few lines with the accuracy and what to look at."""
        return summary_of(self)
