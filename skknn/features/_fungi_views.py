"""What a researcher can look at in a fitted FungiTransformer."""

from sklearn.utils.validation import check_is_fitted

from . import _fungi_state as state


class GradientViews:
    """Views, gradients, heads and negatives behind the rows."""

    def views(self, X, objective):
        """Return the views that an objective's network passes see.

        Parameters
        ----------
        X : as in :meth:`transform`
        objective : str
            Key of ``objectives_``.

        Returns
        -------
        views : ndarray of shape (n, V, 3, S, S), float32
            Normalised for the model. A list of such arrays where ``view_size``
            makes the sizes of an objective's views differ.

        Raises
        ------
        MemoryError
            If they will not fit into memory.
        """
        return state.views(self, self._images_for(X, objective), objective)

    def gradients(self, X, objective):
        """Return an objective's gradients before projection.

        Parameters
        ----------
        X : as in :meth:`transform`
        objective : str
            Key of ``objectives_``.

        Returns
        -------
        gradients : ndarray of shape (n, m), float32
            dL/dW of the layer ``layer_``, with dL/db as last column where it has a
            bias, row by row; m = out * (in + 1) or out * in.

        Raises
        ------
        MemoryError
            If they will not fit into memory.
        """
        return state.gradients(self, self._images_for(X, objective), objective)

    def project(self, G):
        """Project gradients with the fitted matrix of signs, R G / sqrt(d).

        Parameters
        ----------
        G : array of shape (n, m)

        Returns
        -------
        projected : ndarray of shape (n, d), float32
        """
        check_is_fitted(self)
        return state.project(self, G)

    @property
    def heads_(self):
        if not hasattr(self, "_heads"):
            raise AttributeError("heads_ is there after fit only")
        return {
            name: heads if len(heads) > 1 else next(iter(heads.values()))
            for name, heads in self._heads.items()
        }

    @property
    def negatives_(self):
        if not hasattr(self, "_banks"):
            raise AttributeError("negatives_ is there after fit only")
        if len(self._banks) > 1:
            return self._banks
        return next(iter(self._banks.values()), None)

    def _images_for(self, X, objective):
        check_is_fitted(self)
        if objective not in self.objectives_:
            raise ValueError(
                f"objective={objective!r} is not fitted; there are "
                f"{', '.join(map(repr, self.objectives_)) or 'none'}."
            )
        return self._images(X)
