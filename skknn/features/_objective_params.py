"""Parameters of objectives as parameters of the transformer that holds them."""

from typing import Any

from sklearn.base import BaseEstimator

from ..gradients.objectives import resolve_objectives


class ObjectiveParams(BaseEstimator):
    """``objectives__NAME__PARAMETER`` in ``get_params`` and ``set_params``."""

    objectives: Any
    _modality_name: str

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Get parameters; with ``deep`` those of the objectives as well.

        Parameters
        ----------
        deep : bool, default=True

        Returns
        -------
        params : dict
        """
        params = super().get_params(deep=deep)
        if deep:
            try:
                objectives = resolve_objectives(self.objectives, self._modality_name)
            except (TypeError, ValueError):
                return params  # fit will say what is wrong
            for name, objective in objectives.items():
                for key, value in objective.get_params().items():
                    params[f"objectives__{name}__{key}"] = value
        return params

    def set_params(self, **params: Any) -> "ObjectiveParams":
        """Set parameters, also of objectives as ``objectives__kl__temperature``.

        Parameters
        ----------
        **params : dict

        Returns
        -------
        self : FungiTransformer
        """
        nested = {k: v for k, v in params.items() if k.startswith("objectives__")}
        super().set_params(**{k: v for k, v in params.items() if k not in nested})
        if nested:
            objectives = resolve_objectives(self.objectives, self._modality_name)
            for key, value in nested.items():
                _, name, *parameter = key.split("__", 2)
                if name not in objectives or not parameter:
                    raise ValueError(
                        f"Invalid parameter {key!r} for FungiTransformer: objectives "
                        f"are {', '.join(map(repr, objectives))}, written as "
                        "objectives__NAME__PARAMETER."
                    )
                objectives[name].set_params(**{parameter[0]: value})
            self.objectives = tuple(objectives.values())
        return self
