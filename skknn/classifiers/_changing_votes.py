"""JointKNNClassifier with rows that come and go after ``fit``."""

from typing import Self

from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from ..utils._sklearn import fit_context
from ..utils._snapshot import SnapshotMixin
from ._guided_base import fit_guided
from ._inputs import check_inputs
from ._joint_store import (
    base_rows,
    guided_state,
    votes_now,
    with_more_votes,
    without_votes,
)
from ._soft_knn import SoftKNNClassifier, make_knn


class ChangingVotesMixin(SnapshotMixin):
    """Rows are added to the votes or taken away; the base changes when asked to.

    Each method makes a new state from the old one, which replaces it in one step.
    """

    knn_: SoftKNNClassifier

    @fit_context(prefer_skip_nested_validation=False)
    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Add training rows to the votes; the base stays as it is (R, Fig. 8b, 9c).

        The first call is one of :meth:`fit`. Classes that the base does not know have
        the votes' share alone.

        Parameters
        ----------
        X : array-like of shape (n_more, n_features)
        y : array-like of shape (n_more,)
            Class labels, known or new.
        classes : array-like of shape (n_classes,), default=None
            Labels that are going to come.
        groups : array-like of shape (n_more,), default=None
            As in :meth:`SoftKNNClassifier.partial_fit`.

        Returns
        -------
        self : JointKNNClassifier

        Raises
        ------
        ValueError
            As in :meth:`SoftKNNClassifier.partial_fit`. All stays as it was.
        """
        if not hasattr(self, "knn_"):
            inputs = check_inputs(self, X, y, classes, groups)
            knn = make_knn(self)
            knn.partial_fit(inputs.neighbors, inputs.y, inputs.classes, groups)
            guided = fit_guided(self, knn, inputs.base)
            self.__dict__ = guided_state(self, inputs, knn, guided)
        else:
            self.__dict__ = with_more_votes(self, X, y, classes, groups)
        return self

    @fit_context(prefer_skip_nested_validation=False)
    def remove(self, ids: ArrayLike) -> Self:
        """Take training rows away from the votes; the base stays as it is.

        Parameters
        ----------
        ids : int or array-like of int
            Of ``knn_.ids_``.

        Returns
        -------
        self : JointKNNClassifier

        Raises
        ------
        ValueError
            As in :meth:`SoftKNNClassifier.remove`.
        """
        check_is_fitted(self)
        self.__dict__ = without_votes(self, ids)
        return self

    @fit_context(prefer_skip_nested_validation=False)
    def refit_base(self) -> Self:
        """Fit the base anew to all rows that vote now, with their weights.

        The rows are restored, to rounding, from what the kNN side keeps of them,
        unless they are ``base_rows_``. ``n_neighbors`` and ``tau`` count as they are
        now, as in :meth:`partial_fit` and :meth:`remove`.

        Returns
        -------
        self : JointKNNClassifier

        Raises
        ------
        ValueError
            As in :meth:`fit`, and if the rows are of one class. All stays as it was.
        """
        check_is_fitted(self)
        knn = votes_now(self)
        if knn is not self.knn_:
            knn.remove([])
        guided = fit_guided(self, knn, base_rows(self))
        self.__dict__ = {**vars(self), "knn_": knn, **guided.attributes}
        return self
