"""Blocks of features -> the blocks that help neighbours vote, weighed."""

import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import check_consistent_length
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from ..datastore import Groups
from ..utils._labels import as_labels, check_labels_present
from ..utils._parameters import ParamsMixin
from ..utils._sklearn import (
    Interval,
    StrOptions,
    check_feature_names_in,
    fit_context,
)
from ..utils._warn import warn
from ._block_distances import block_distances
from ._block_rows import fit_pca, numbered, reduce_rows
from ._column_blocks import (
    Columns,
    as_slices,
    blocks_of_names,
    blocks_of_unit_rows,
    first_block,
    named_blocks,
)
from ._remedies import BLOCK_REMEDIES
from ._vote_grids import check_n_neighbors, check_tau, check_weights
from ._weighed_rows import checked_rows, mean_or_zero, unit_rows, weigh
from ._weight_search import LeaveOneOutVotes, Step, search_weights


class BlockWeights(ParamsMixin, TransformerMixin, BaseEstimator):
    """Weigh blocks of features by what they do for neighbours' votes.

    A row of several blocks (an embedding and gradients, several backbones or layers,
    image and text) is as good for neighbours as its blocks are, and some of them hurt.
    Squared distances add over blocks, so each training row can be left out and
    classified by the others under many weights at little cost. Starting from the
    embedding alone, the best single change of a weight is made as long as the
    leave-one-out loss falls by more than one standard error: a block comes in when the
    training rows are clear about it.

    Parameters
    ----------
    weights : sequence of float, default=(0, 0.25, 0.5, 1, 2)
        Values that a weight may take.
    blocks : "auto", dict, sequence of int or int, default="auto"
        Which columns belong together: a dict name -> slice or column numbers, such as
        ``feature_slices_`` of a :class:`FungiTransformer` (columns in no block are left
        out); the widths of all blocks; or a number of blocks of equal width. "auto"
        goes by the names of columns of a data frame ("kl0", "kl1", ..., "embedding0",
        ...; else what stands before "__"), and in an array by length: neighbouring
        columns in which every row has length 1 are a block, as in the rows of
        ``FungiTransformer(n_components=None)``.
    center : bool, default=True
        Whether each block loses its mean over the training rows before it is brought
        to unit length.
    n_neighbors : int or sequence of int, default=20
        Neighbours that vote while weights are compared: some numbers up to this, or
        those given. The best is taken anew for all weights.
    tau : "auto", float or sequence of float, default="auto"
        Temperature of these votes, as in :class:`SoftKNNClassifier` on unit rows;
        "auto" takes the best of eight between 0.01 times the mean squared distance of
        the farthest neighbour, and infinity, at which all votes count alike.
    scoring : {"neg_log_loss", "accuracy"}, default="neg_log_loss"
        Of the votes. The log loss counts one more vote, for the classes as often as
        they occur, so that it is finite.
    n_components : int or None, default=None
        Width after a PCA of the result; None leaves the PCA out.

    Attributes
    ----------
    weights_ : dict of str -> float
        Weight of every block, in the order of columns.
    path_ : list of dict
        What the search went through, from the first block alone to ``weights_``: for
        each step "weights", "loss" (mean of the rows, left out), "standard_error" (of
        the fall from the step before), "n_neighbors" and "tau".
    n_neighbors_ : int
    tau_ : float
        Of the best vote with ``weights_``. On the result a
        ``SoftKNNClassifier(n_neighbors_, tau=tau_, preprocessing=None)`` votes so.
    mean_ : ndarray of shape (`n_features_in_`,)
        Zero without ``center``.
    feature_slices_ : dict of str -> slice
        Block -> columns of the result before PCA; blocks of weight 0 are left out.
    pca_ : sklearn.decomposition.PCA or None
        Fitted in float64; its ``components_`` are float32.
    classes_ : ndarray of shape (n_classes,)
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        Only when columns had names.

    See Also
    --------
    FungiTransformer : Its ``include_view_embeddings`` gives two blocks more for free.
    skknn.inspection.BlockWeightsDisplay : Weights and path as a picture.

    Notes
    -----
    The search starts from the block called "embedding" (behind any "__", else before
    one), else from the last.

    Up to 2,000 rows, all are compared with all: 4 bytes a pair and block. Of more,
    4,000 rows are drawn with a fixed seed, and of their distances to all rows those to
    the nearest ``3 * n_neighbors`` are kept, by each block, by the first with each and
    by all together: memory then grows with the rows themselves.

    Photos taken in bursts, or of one object, find each other, whatever the features:
    without ``groups`` in :meth:`fit` leaving one out then says little.

    Rows of the result have unit length; a row that equals the mean in all its blocks
    is zero. Classifiers downstream see training rows whose labels helped to choose a
    few weights; inside a Pipeline cross-validation repeats the choice in each fold, so
    its scores are honest.

    References
    ----------
    W. Simoncini, S. Gidaris, A. Bursuc, Y. M. Asano, "No Train, all Gain:
    Self-Supervised Gradients Improve Deep Frozen Representations", NeurIPS 2024,
    https://arxiv.org/abs/2407.10964 (F; its blocks have equal weights).

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skknn import BlockWeights
    >>> X, y = load_iris(return_X_y=True)
    >>> noise = np.random.default_rng(0).standard_normal((150, 3))
    >>> X = np.hstack([noise, StandardScaler().fit_transform(X)])
    >>> blocks = {"noise": slice(0, 3), "petal": slice(5, 7), "sepal": slice(3, 5)}
    >>> search = BlockWeights(blocks=blocks).fit(X, y)
    >>> search.weights_
    {'noise': 0.0, 'petal': 2.0, 'sepal': 1.0}
    >>> [round(step["loss"], 2) for step in search.path_]  # sepals alone, with petals
    [0.51, 0.38]
    >>> search.transform(X).shape
    (150, 4)
    """

    _param_remedies = BLOCK_REMEDIES
    _parameter_constraints = {
        "weights": ["array-like"],
        "blocks": [
            StrOptions({"auto"}),
            dict,
            "array-like",
            Interval(numbers.Integral, 1, None, closed="left"),
        ],
        "center": ["boolean"],
        "n_neighbors": [
            Interval(numbers.Integral, 1, None, closed="left"),
            "array-like",
        ],
        "tau": [
            StrOptions({"auto"}),
            Interval(numbers.Real, 0, None, closed="right"),
            "array-like",
        ],
        "scoring": [StrOptions({"neg_log_loss", "accuracy"})],
        "n_components": [Interval(numbers.Integral, 1, None, closed="left"), None],
    }

    def __init__(
        self,
        weights: Sequence[float] = (0, 0.25, 0.5, 1, 2),
        *,
        blocks: Any = "auto",
        center: bool = True,
        n_neighbors: int | Sequence[int] = 20,
        tau: float | str | Sequence[float] = "auto",
        scoring: str = "neg_log_loss",
        n_components: int | None = None,
    ) -> None:
        self.weights = weights
        self.blocks = blocks
        self.center = center
        self.n_neighbors = n_neighbors
        self.tau = tau
        self.scoring = scoring
        self.n_components = n_components

    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: ArrayLike, y: ArrayLike, groups: ArrayLike | None = None
    ) -> "BlockWeights":
        """Find the weights.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Blocks beside each other.
        y : array-like of shape (n_samples,)
            Classes.
        groups : array-like of shape (n_samples,), default=None
            Rows of one group, such as the photos of one burst, are no neighbours of
            each other.

        Returns
        -------
        self : BlockWeights

        Raises
        ------
        ValueError
            If a parameter will not do, a label is missing, or no row has another to be
            compared with.

        Warns
        -----
        UserWarning
            If there is but one block, so that there is nothing to weigh.
        """
        # It notes columns on what it is given; self stays as it is until all is found.
        checker = type(self)(**self.get_params(deep=False))
        rows = checked_rows(checker, X, reset=True)
        if y is None:
            raise ValueError(
                "BlockWeights requires y to be passed, but the target y is None. "
                "Pass one class label a row."
            )
        labels = as_labels(y, warn=True)
        check_consistent_length(rows, labels)
        check_labels_present(labels)
        check_classification_targets(labels)
        classes, codes = np.unique(labels, return_inverse=True)
        members = None if groups is None else Groups.of(groups, rows).numbers
        columns = self._find_blocks(rows, getattr(checker, "feature_names_in_", None))
        mean = mean_or_zero(rows, self.center)
        path = self._search(rows - mean, columns, codes, members)
        last = path[-1]
        weights = dict(zip(columns, last.weights))
        pca = None
        if self.n_components is not None:
            weighed = weigh(rows - mean, columns, weights)
            pca = fit_pca(weighed, self.n_components, weighed.shape[1])
        found = {
            "classes_": classes,
            "mean_": mean,
            "pca_": pca,
            "weights_": weights,
            "_columns": columns,
            "n_neighbors_": last.vote.n_neighbors,
            "tau_": last.vote.tau,
            "path_": [
                {
                    "weights": dict(zip(columns, step.weights)),
                    "loss": step.vote.mean,
                    "standard_error": step.standard_error,
                    "n_neighbors": step.vote.n_neighbors,
                    "tau": step.vote.tau,
                }
                for step in path
            ],
        }
        # One step, which cannot be interrupted half-way. Names of columns of an earlier
        # fit are gone if these columns have none.
        kept = {n: v for n, v in vars(self).items() if n != "feature_names_in_"}
        noted = {
            name: value
            for name, value in vars(checker).items()
            if name in ("n_features_in_", "feature_names_in_")
        }
        self.__dict__ = {**kept, **noted, **found}
        return self

    def transform(self, X: ArrayLike) -> NDArray[np.float32]:
        """Centre blocks, bring them to unit length and weigh them.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        weighed : ndarray of shape (n_samples, n_features_out), float32
            Each block times the root of its share of the weights; then PCA, if asked.
            Or what ``set_output`` says.
        """
        check_is_fitted(self)
        rows = checked_rows(self, X, reset=False)
        weighed = weigh(rows - self.mean_, self._columns, self.weights_)
        return reduce_rows(weighed, self.pca_)

    @property
    def feature_slices_(self) -> dict[str, slice]:
        """Block -> columns of the result before PCA, without blocks of weight 0."""
        if not hasattr(self, "_columns"):
            raise AttributeError("feature_slices_ is there after fit only")
        weights = self.weights_
        return as_slices({n: c for n, c in self._columns.items() if weights[n]})

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return the names of the columns.

        Parameters
        ----------
        input_features : array-like of str, default=None
            If given, the names that ``X`` had in ``fit``; they are compared with them.

        Returns
        -------
        names : ndarray of str
            Block and number within it ("embedding0", ...), with "_" between them behind
            a digit or "_" ("block1_0", ...); with PCA "blockweights0", ...
        """
        check_is_fitted(self)
        check_feature_names_in(self, input_features, generate_names=False)
        if self.pca_ is not None:
            names = [f"blockweights{i}" for i in range(self.pca_.n_components_)]
        else:
            names = numbered(self.feature_slices_)
        return np.asarray(names, dtype=object)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.transformer_tags.preserves_dtype = []
        return tags

    def _find_blocks(self, rows: NDArray, names: NDArray | None) -> Columns:
        n_features = rows.shape[1]
        if not (isinstance(self.blocks, str) and self.blocks == "auto"):
            return named_blocks(self.blocks, n_features)
        found = None if names is None else blocks_of_names(names.tolist())
        if found is None or len(found) < 2:
            found = blocks_of_unit_rows(rows) or found
        if found is None:
            found = {"block0": np.arange(n_features)}
        if len(found) < 2:
            warn(
                f"blocks='auto' finds one block only in X, which has {n_features} "
                "columns, so there is nothing to weigh. FungiTransformer's PCA mixes "
                "its blocks: use FungiTransformer(n_components=None) and, if wanted, "
                "n_components here. For other features pass blocks=, such as a dict "
                "name -> slice or the widths of the blocks, or let a ColumnTransformer "
                "name them by set_output(transform='pandas')."
            )
        return found

    def _search(
        self,
        centred: NDArray,
        columns: Columns,
        codes: NDArray[np.intp],
        groups: NDArray[np.intp] | None,
    ) -> list[Step]:
        weights = check_weights(self.weights)
        n_neighbors = check_n_neighbors(self.n_neighbors)
        blocks = [
            unit_rows(centred[:, part]).astype(np.float32) for part in columns.values()
        ]
        first = list(columns).index(first_block(list(columns)))
        votes = LeaveOneOutVotes(
            block_distances(blocks, max(n_neighbors), groups, first=first),
            codes,
            n_neighbors=n_neighbors,
            tau=check_tau(self.tau),
            scoring=self.scoring,
            groups=groups,
        )
        return search_weights(votes, weights, len(columns), first)
