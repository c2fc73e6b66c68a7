"""From a folder of photos to an answer, in one call."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from ..datasets._folder_names import UNLABELLED
from ..inspection._asked_rows import AskedRows
from ._answer import FolderAnswer
from ._audit import audit_labels, is_suspect
from ._classifier import make_classifier
from ._contents import look_into
from ._cross_validation import (
    fit_classifier,
    folds_of,
    held_out_proba,
    held_out_sides,
    quiet_about_small_classes,
)
from ._evaluation import confusion_of, evaluation_of, per_class_of, sure_from
from ._features import make_embedder, to_be_saved
from ._frames import check_pandas, data_frame
from ._groups import Groups, check_groups, groups_of
from ._labelled_rows import FolderRows, embed_contents
from ._output import check_can_write
from ._predictions import predictions_frame, training_frame
from ._reuse import answer_that_holds
from ._say import Say
from ._settings import circumstances, settings_of
from ._stamps import fingerprint_of
from ._written import check_answer_output, write_answer


def classify_folder(
    folder: str | os.PathLike,
    *,
    new: str | os.PathLike | None = None,
    output: str | os.PathLike | None = None,
    fungi: bool = False,
    backbone: Any = "tf_efficientnet_lite0",
    weights: Any = "auto",
    unlabelled: Sequence[str] = UNLABELLED,
    groups: Groups = None,
    device: Any = None,
    n_jobs: int | None = None,
    random_state: int = 0,
    verbose: int = 1,
) -> FolderAnswer:
    """Learn from class folders, say how good it is, and predict the other photos.

    One sub-folder a class. Loose photos and those in folders called "unlabelled",
    "unknown" or "_..." are predicted. Nothing is dropped silently: what is no photo,
    cannot be read or is alone in its class is listed with the reason.

    Parameters
    ----------
    folder : str or Path
        The folder of class folders. Photos in folders inside a class folder belong to
        that class.
    new : str or Path, default=None
        Another folder of photos to predict, at any depth.
    output : str or Path, default=None
        Folder for the results: tables, a report, the model and features. The features
        let a run that was killed go on; when nothing has changed, the answer that lies
        there is returned. None writes nothing.
    fungi : bool, default=False
        Whether gradient features are joined (:class:`FungiTransformer`), whose blocks
        are weighed for the votes (:class:`BlockWeights`): often, not always, more
        accurate, and some 60 times slower: three objectives take 62 passes through the
        network a photo, 2 to 3 s on a laptop's CPU.
    backbone : str, Module, callable or transformer, default="tf_efficientnet_lite0"
        Backbone of the features, as in :class:`BackboneEmbedder`; or an unfitted
        :class:`BackboneEmbedder` or :class:`FungiTransformer` with settings of its
        own, of which ``memory``, ``on_error`` and ``verbose`` are set here.
    weights : "auto", None or path, default="auto"
        As in :class:`BackboneEmbedder`.
    unlabelled : sequence of str, default=("unlabelled", "unlabeled", "unknown", "_*")
        Names of folders, at any depth, whose photos are to be predicted; ``*`` stands
        for anything.
    groups : None, "subfolders" or callable, default=None
        Which photos belong together, such as a burst: they are in one fold and do not
        vote for each other. ``"subfolders"``: those of one folder inside a class
        folder; a function gets the file as in ``"cat/burst7/3.jpg"``.
    device : str or torch.device, default=None
        As in :class:`BackboneEmbedder`.
    n_jobs : int or None, default=None
        Threads that compute features (None: as many as torch uses), and processes of
        the search for parameters (None: 1).
    random_state : int, default=0
        Draws folds and all that features draw.
    verbose : int, default=1
        Above 0, progress on the error stream.

    Returns
    -------
    answer : FolderAnswer
        Frames, and the fitted Pipeline.

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        If there is no such folder.
    PermissionError
        If the folder cannot be listed, or nothing be written in ``output``.
    FileExistsError
        If ``output`` holds files of these names that are not of skknn.
    ValueError
        If there are not two classes of three photos that can be read, or the
        sub-folders are parts of a data set (train, test), or ``output`` holds photos
        of the folder.
    ImportError
        Without pandas (extra ``frames``).

    See Also
    --------
    JointKNNClassifierCV : The classifier.
    skknn.inspection.LabelAudit : Finds wrong labels, copies and outliers.

    Notes
    -----
    A prediction is ``uncertain`` where its probability is below the least one from
    which on predictions of held-out photos were right in 95 % of cases, or below one
    half. For this the photos of each fold are predicted with the parameters that were
    chosen in the end, so that these probabilities are like those of the predictions;
    photos whose label looks wrong do not count.

    Examples
    --------
    Pictures of noise around two colours, and random weights, so that it runs anywhere.

    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from PIL import Image
    >>> from skknn import classify_folder
    >>> folder, rng = Path(tempfile.mkdtemp()), np.random.default_rng(0)
    >>> for i in range(16):
    ...     place = folder / ("dark" if i % 2 else "light")
    ...     place.mkdir(exist_ok=True)
    ...     pixels = rng.integers(0, 99, (32, 32, 3)) + (0 if i % 2 else 150)
    ...     Image.fromarray(pixels.astype("uint8")).save(place / f"{i}.png")
    >>> _ = (folder / "dark" / "1.png").rename(folder / "1.png")  # to be predicted
    >>> answer = classify_folder(
    ...     folder, backbone="test_resnet", weights=None, verbose=0
    ... )
    >>> answer.evaluation["accuracy"]
    1.0
    >>> answer.predictions[["file", "label"]].values.tolist()
    [['1.png', 'dark']]
    """
    check_pandas()
    say = Say(verbose)
    contents = look_into(folder, new=new, unlabelled=unlabelled, output=output)
    members = groups_of(contents.labelled, groups)
    settings = settings_of(
        contents,
        new=new,
        fungi=fungi,
        backbone=backbone,
        weights=weights,
        unlabelled=unlabelled,
        groups=groups,
        device=device,
        random_state=random_state,
    )
    if output is not None:
        check_answer_output(output)
    check_groups(contents.labels, members)
    fingerprint = fingerprint_of(
        contents, members, settings, backbone=backbone, weights=weights
    )
    if output is not None and fingerprint is not None:
        there = answer_that_holds(output, fingerprint, contents, say)
        if there is not None:
            say(f"Nothing has changed since {str(output)!r} was written: read there.")
            return FolderAnswer(**{**vars(there), "folder": settings["folder"]})
    if output is not None:
        check_can_write(output)
    say(
        f"{len(contents.labelled)} labelled photos in {len(set(contents.labels))} "
        f"class folders, {len(contents.waiting)} to predict, "
        f"{len(contents.skipped)} files or folders skipped."
    )
    embedder = make_embedder(
        backbone,
        weights=weights,
        fungi=fungi,
        device=device,
        memory=None if output is None else Path(output) / "cache",
        n_jobs=n_jobs,
        random_state=random_state,
        verbose=verbose,
    )
    found = embed_contents(embedder, contents, members)
    n_unread = len(found.skipped) - len(contents.skipped)
    if n_unread:
        say(f"{n_unread} more skipped: they cannot be read, or are alone in a class.")
    check_groups(found.labels.tolist(), found.groups)
    photos = contents.paths(found.files)
    with threadpool_limits(1, user_api="blas"):  # many small fits: more threads crawl
        answer = _learn(found, photos, embedder, settings, n_jobs, random_state, say)
    answer.settings["fingerprint"] = fingerprint
    if output is not None:
        write_answer(answer, output)
        say(f"Written: {str(output)!r}.")
    return answer


def _learn(
    found: FolderRows,
    photos: list[str],
    embedder: Any,
    settings: dict[str, Any],
    n_jobs: int | None,
    random_state: int,
    say: Say,
) -> FolderAnswer:
    """Evaluate, fit on all labelled rows, predict the others, audit the labels."""
    labels, groups = found.labels, found.groups

    def make(rows: NDArray[np.intp]) -> Any:
        inner = None if groups is None else groups[rows]
        return make_classifier(
            embedder,
            cv=folds_of(labels[rows], inner, None),
            n_jobs=n_jobs,
            random_state=random_state,
        )

    say("Cross-validation, to see how good it is ...")
    sides = held_out_sides(
        make,
        found.rows,
        labels,
        groups,
        random_state=random_state,
        progress=lambda done, n: say(f"fold {done} of {n}"),
    )
    say("Learning from all labelled photos ...")
    with quiet_about_small_classes():
        classifier = fit_classifier(
            make(np.arange(len(labels))), found.rows, labels, groups
        )
    say("Looking for wrong labels and near-duplicates ...")
    audit = audit_labels(
        AskedRows(classifier, found.rows).rows_that_vote,
        labels,
        found.files,
        groups,
        photos,
    )
    # Each fold of the evaluation has parameters of its own, and so probabilities that
    # those of the model at hand cannot be compared with.
    as_chosen = held_out_proba(
        lambda rows: clone(classifier.best_estimator_),
        found.rows,
        labels,
        groups,
        random_state=random_state,
    )
    sure = sure_from(as_chosen, labels, counted=~is_suspect(audit))
    settings = {
        **settings,
        **circumstances(settings, embedder),
        "parameters": {n: _plain(v) for n, v in classifier.best_params_.items()},
        "block_weights": getattr(
            getattr(classifier, "knn_transformer_", None), "weights_", None
        ),
        "uncertain_below": sure,
    }
    return FolderAnswer(
        folder=settings["folder"],
        settings=settings,
        classes=classifier.classes_,
        training=training_frame(found.files, labels, sides, audit.label_quality_),
        evaluation=evaluation_of(sides, labels, groups, random_state),
        per_class=per_class_of(sides, labels),
        confusion=confusion_of(sides, labels),
        predictions=predictions_frame(
            found.waiting,
            found.waiting_rows,
            classifier=classifier,
            audit=audit,
            training_files=found.files,
            training_labels=labels.tolist(),
            sure=sure,
        ),
        suspect_labels=audit.suspect_labels_,
        duplicates=audit.duplicates_,
        outliers=audit.outliers_,
        class_overlap=audit.class_overlap_,
        skipped=data_frame(found.skipped, columns=["file", "reason"]),
        pipeline=Pipeline(
            [("features", to_be_saved(embedder)), ("classifier", classifier)]
        ),
        audit=audit,
    )


def _plain(value: Any) -> Any:
    """A number of numpy as one of Python."""
    return value.item() if isinstance(value, np.generic) else value
