"""LabelAudit: wrong labels, copies, strangers and classes that overlap."""

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from ..classifiers import SoftKNNClassifier, check_inputs, check_rows, refitted
from ..datastore import PREPROCESSINGS, NeighborIndex, soft_votes, vote_weights
from ..neighbors import ALGORITHMS
from ..utils._parameters import N_JOBS, ParamsMixin
from ..utils._sklearn import HasMethods, Interval, StrOptions, fit_context
from ._audit_tables import (
    AuditedRows,
    class_overlap_table,
    duplicates_table,
    import_pandas,
    outliers_table,
    suspects_table,
)
from ._label_quality import judge_labels, pool_opinions
from ._linear_opinion import linear_opinion
from ._near_duplicates import near_duplicates
from ._pictures import check_one_a_row
from ._strangeness import Strangeness


class LabelAudit(ParamsMixin, BaseEstimator):
    """Find wrong labels, copies, strangers and overlapping classes in labelled rows.

    Each row is asked about without itself: by the soft votes of its nearest rows (R,
    Eq. 1 and 2) and by a linear classifier of all other rows. How probable they find
    its label tells wrong labels from right ones; how near its neighbours are tells
    copies and strangers.

    Parameters
    ----------
    n_neighbors : int, default=20
        Rows k that vote, and among which copies are looked for. Clipped, with a
        warning, to the rows there are.
    tau : float or "scale", default="scale"
        Temperature of the votes; see :class:`~skknn.SoftKNNClassifier`.
    linear_share : float or "auto", default="auto"
        Weight of the linear classifier in the probability of a label, its exponent
        beside the votes' ``1 - linear_share``: from 0 (votes alone, the fastest) to 1.
        ``"auto"`` takes the one, of 0, 0.25, 0.5, 0.75, 0.9 and 1, that agrees with
        most labels.
    duplicate_ratio : float, default=0.4
        Two rows are copies of each other if they are nearer than this share of the
        squared distance to the tenth nearest row, of both. 0 finds equal rows alone.
    outlier_share : float, default=0.01
        Share of the rows that are taken for strangers; :meth:`unlike` compares new
        rows with the nearest of them.
    preprocessing : {"center-l2", "l2-center", "l2"} or None, default="center-l2"
        Of rows before distances are taken; see :class:`~skknn.SoftKNNClassifier`.
    algorithm : str or object, default="auto"
        Search engine; see :class:`~skknn.SoftKNNClassifier`. Not ``"precomputed"``,
        which has no rows.
    device : None, str or torch.device, default=None
        Device of ``"torch"`` and ``"auto"``: None takes CUDA if there is one.
    n_jobs : int or None, default=None
        Threads of the search. None takes as many as BLAS may use, as a rule all cores.

    Attributes
    ----------
    suspect_labels_ : DataFrame
        Rows with another class over ten times likelier than theirs, most suspect
        first: ``row``, ``file``, ``label``, ``suggested``, ``label_probability``,
        ``suggested_probability``, and of the five nearest rows that voted
        ``nearest_rows``, ``nearest_labels``, ``nearest_shares`` (of all votes) and
        ``nearest_files``, lists. Files only where ``fit`` was given them.
    label_quality_ : ndarray of shape (n_samples,), float64
        Probability of each row's label, 0 to 1: the lowest are the most suspect.
    suggested_labels_ : ndarray of shape (n_samples,)
        The most probable other class of each row.
    duplicates_ : DataFrame
        Pairs of copies, most alike first: ``row_a``, ``row_b``, ``file_a``, ``file_b``,
        ``label_a``, ``label_b``, ``similarity``, ``same_picture`` (by ``images``, False
        without), ``same_class``, and with parts ``part_a``, ``part_b``, ``same_part``.
        ``similarity`` is 1 minus their squared distance over that of two rows drawn at
        random, for centred rows of length 1 their cosine. Rows of one group are no
        pairs.
    outliers_ : DataFrame
        Rows that are like no other, strangest first: ``row``, ``file``, ``label``,
        ``distance`` (mean squared one to the five nearest rows, which are not centred
        for it; 1 for the median row), ``nearest_row``,
        ``nearest_file``, ``nearest_label``.
    class_overlap_ : DataFrame
        Pairs of classes, largest overlap first: ``class_a``, ``class_b``, ``share``
        (of the votes about rows of a, those that go to b), ``share_back``,
        ``n_rows`` (of a) and ``n_taken`` (of these most of the votes go to b).
    linear_share_ : float
        ``linear_share``, or what ``"auto"`` came to.
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted.
    knn_ : SoftKNNClassifier
        What votes.
    strangeness_ : Strangeness
        What is usual among distances, for :meth:`unlike`.
    n_features_in_ : int
        Number of columns seen in ``fit``.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, when ``fit`` saw string names.

    See Also
    --------
    HardExamplesDisplay : The most suspect rows as pictures.

    References
    ----------
    .. [1] M. Jia, B.-C. Chen, Z. Wu, C. Cardie, S. Belongie, S.-N. Lim, "Rethinking
       Nearest Neighbors for Visual Classification", 2021,
       https://arxiv.org/abs/2112.08459, cited as R.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skknn.inspection import LabelAudit
    >>> X, y = load_digits(return_X_y=True)
    >>> X, y = X[:600], y[:600]
    >>> y[7] = 3  # was a 7
    >>> audit = LabelAudit().fit(X, y)
    >>> audit.suspect_labels_.loc[0, ["row", "label", "suggested"]].tolist()
    [7, 3, 7]
    """

    _parameter_constraints = {
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "tau": [Interval(Real, 0, None, closed="right"), StrOptions({"scale"})],
        "linear_share": [Interval(Real, 0, 1, closed="both"), StrOptions({"auto"})],
        "duplicate_ratio": [Interval(Real, 0, 1, closed="left")],
        "outlier_share": [Interval(Real, 0, 0.5, closed="both")],
        "preprocessing": [StrOptions(set(PREPROCESSINGS)), None],
        "algorithm": [
            StrOptions(set(ALGORITHMS) - {"precomputed"}),
            HasMethods(["fit", "kneighbors"]),
        ],
        "device": "no_validation",
        "n_jobs": N_JOBS,
    }
    _param_remedies = {
        "n_neighbors": "Use a positive int, for example 20.",
        "tau": "Use 'scale', or a positive temperature.",
        "linear_share": "0 is the votes alone, 1 the linear classifier alone, and "
        "'auto' what agrees with most labels.",
        "duplicate_ratio": "0 finds equal rows alone; 0.4 is right for most copies of "
        "photos, more finds smaller ones and more pairs that are none.",
        "outlier_share": "0.01 takes one row of a hundred for a stranger.",
        "preprocessing": "Use 'center-l2' unless rows are prepared already (None).",
        "algorithm": "Use 'auto' unless you need one engine by name; a graph of "
        "neighbours has no rows.",
    }

    def __init__(
        self,
        n_neighbors: int = 20,
        *,
        tau: float | str = "scale",
        linear_share: float | str = "auto",
        duplicate_ratio: float = 0.4,
        outlier_share: float = 0.01,
        preprocessing: str | None = "center-l2",
        algorithm: Any = "auto",
        device: Any = None,
        n_jobs: int | None = None,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.tau = tau
        self.linear_share = linear_share
        self.duplicate_ratio = duplicate_ratio
        self.outlier_share = outlier_share
        self.preprocessing = preprocessing
        self.algorithm = algorithm
        self.device = device
        self.n_jobs = n_jobs

    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        *,
        groups: ArrayLike | None = None,
        files: ArrayLike | None = None,
        parts: ArrayLike | None = None,
        images: Sequence[Any] | None = None,
    ) -> Self:
        """Ask about each row without itself.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of features, such as embeddings of photos.
        y : array-like of shape (n_samples,)
            Labels to be judged.
        groups : array-like of shape (n_samples,), default=None
            What each row comes from, such as a burst. Rows of its own group say
            nothing about a row, and are no copies of it.
        files : array-like of shape (n_samples,), default=None
            File of each row, or any other name, for the tables.
        parts : array-like of shape (n_samples,), default=None
            Part of each row, such as "train" and "test": tells in ``duplicates_``
            what leaks from one to another.
        images : sequence of path, PIL image or array, default=None
            Photo of each row. Small grey pictures of neighbours are then compared:
            the same ones are copies however far their rows are, and other rows than
            nearly equal ones are no copies unless their pictures, or parts of them,
            are alike. Photos that cannot be read confirm nothing, and a warning counts
            them.

        Returns
        -------
        self : LabelAudit

        Raises
        ------
        ValueError
            As in :meth:`SoftKNNClassifier.fit`; for files, parts or images of another
            length.
        ImportError
            Without pandas (extra ``frames``).
        """
        import_pandas()
        inputs = check_inputs(self, X, y)
        codes, n_classes = inputs.codes, len(inputs.classes)
        check_one_a_row("images", images, len(codes))
        knn = SoftKNNClassifier(
            self.n_neighbors,
            tau=self.tau,
            preprocessing=self.preprocessing,
            algorithm=self.algorithm,
            device=self.device,
            n_jobs=self.n_jobs,
        ).fit(inputs.neighbors, inputs.y, groups)
        distances, ids = knn.kneighbors()
        votes = soft_votes(distances, codes[ids], knn.tau_, n_classes)
        weights = vote_weights(distances, knn.tau_)
        rows = AuditedRows(
            labels=inputs.y,
            classes=inputs.classes,
            codes=codes,
            files=_column(files, "files", len(codes)),
            parts=_column(parts, "parts", len(codes)),
            ids=ids,
            shares=weights / weights.sum(axis=1, keepdims=True),
        )
        index = knn.index_.rows
        prepared = index.rows_.values
        linear = votes
        if self.linear_share != 0:
            apart = None if index.groups_ is None else index.groups_.numbers
            linear = linear_opinion(prepared, codes, n_classes, apart)
        proba, share = pool_opinions(linear, votes, codes, self.linear_share)
        found = judge_labels(proba, codes)
        typical = 2 * float(prepared.var(axis=0, dtype=np.float64).sum())
        pairs = near_duplicates(
            distances, ids, typical, self.duplicate_ratio, images, self.n_jobs
        )
        strangeness = self._strangeness(inputs.neighbors, groups)
        self.__dict__ = refitted(
            self,
            inputs,
            linear_share_=share,
            suspect_labels_=suspects_table(rows, found),
            label_quality_=found.quality,
            suggested_labels_=inputs.classes[found.suggested],
            duplicates_=duplicates_table(rows, pairs),
            outliers_=outliers_table(rows, strangeness.scores, strangeness.strange()),
            class_overlap_=class_overlap_table(rows, votes),
            knn_=knn,
            strangeness_=strangeness,
        )
        return self

    def unlike(self, X: ArrayLike) -> NDArray[np.bool_]:
        """Whether new rows are unlike anything that ``fit`` saw.

        Their labels are then not to be trusted, however probable.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features)

        Returns
        -------
        ndarray of shape (n_queries,), bool
            True where a row is farther from the rows of ``fit`` than is usual among
            these.
        """
        check_is_fitted(self)
        return self.strangeness_.strange(check_rows(self, X))

    def _strangeness(self, rows: Any, groups: Any) -> Strangeness:
        index = NeighborIndex(
            preprocessing=None if self.preprocessing is None else "l2",
            algorithm=self.algorithm,
            device=self.device,
            n_jobs=self.n_jobs,
        ).fit(rows, groups)
        return Strangeness.learn(index, self.outlier_share)


def _column(values: Any, name: str, n_samples: int) -> NDArray[Any] | None:
    """One entry a row."""
    if values is None:
        return None
    values = np.asarray(values, dtype=object)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        raise ValueError(
            f"{name} is an array of shape {values.shape}. Pass one entry a row of X, "
            f"{n_samples} in all, or {name}=None."
        )
    if len(values) != n_samples:
        raise ValueError(
            f"{name} has {len(values)} entries for {n_samples} rows of X. Pass one a "
            f"row, or {name}=None."
        )
    return values
