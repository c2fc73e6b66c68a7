"""Estimators that may change while a thread asks them."""

from typing import Self

from sklearn.utils.validation import check_is_fitted


class SnapshotMixin:
    """For estimators whose ``__dict__`` is replaced whole when rows come or go."""

    def _as_it_is(self) -> Self:
        """Return the same as fitted now, whatever another thread does meanwhile.

        Its parameters are those of the estimator, its attributes stay.
        """
        check_is_fitted(self)
        now = object.__new__(type(self))
        now.__dict__ = self.__dict__
        return now
