"""Aliases of parameters, and errors that end with a remedy."""

from collections.abc import Mapping
from numbers import Integral
from typing import Any, ClassVar, Self

from ._sklearn import Interval, InvalidParameterError

#: Threads, or all cores but so many; 0 would be none.
N_JOBS = [
    Interval(Integral, 1, None, closed="left"),
    Interval(Integral, None, -1, closed="right"),
    None,
]
# Of parameters that mean the same everywhere.
_COMMON_REMEDIES = {
    "n_jobs": "Use None, a positive number of threads, or -1 for all cores.",
    "random_state": "Use an int, which draws the same at every fit, a RandomState, or "
    "None.",
    "verbose": "Use 0 for silence, 1 to be told how far it is.",
}


class ParamsMixin:
    """Aliases in ``set_params`` and errors that end with a remedy.

    Subclasses may define

    ``_param_aliases``
        dict alias -> canonical name. Aliases are understood by
        :meth:`set_params` only, hence in every search over parameters;
        ``get_params``, ``repr`` and ``clone`` know canonical names alone.
    ``_param_remedies``
        dict canonical name -> sentence added to the error raised when that
        parameter is outside its constraints; needed for every parameter that has
        constraints but ``n_jobs``, ``random_state`` and ``verbose``.
    """

    _param_aliases: ClassVar[Mapping[str, str]] = {}
    _param_remedies: ClassVar[Mapping[str, str]] = {}

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        # Before __init__, whose own message would not know what was meant.
        for name in kwargs.keys() & cls._param_aliases.keys():
            raise TypeError(
                f"{cls.__name__} has no constructor argument {name!r}: it is called "
                f"{cls._param_aliases[name]!r} there. set_params and parameter grids "
                "understand both."
            )
        return super().__new__(cls)

    def set_params(self, **params: Any) -> Self:
        """Set parameters, under their own names or an alias.

        Parameters
        ----------
        **params : dict
            Estimator parameters. ``nested__name`` reaches into estimators held
            by this one.

        Returns
        -------
        self : object
            This estimator.

        Raises
        ------
        ValueError
            If a parameter is unknown, or is given under two of its names.
        """
        canonical: dict[str, Any] = {}
        given_as: dict[str, str] = {}
        for name, value in params.items():
            head, sep, tail = name.partition("__")
            key = canonical_name(self, head) + sep + tail
            if key in canonical:
                raise ValueError(
                    f"{type(self).__name__}: parameter {key!r} was given twice, as "
                    f"{given_as[key]!r} and as {name!r}. Keep one of them."
                )
            canonical[key], given_as[key] = value, name
        # A mixin of BaseEstimator's subclasses, which has this method.
        return super().set_params(**canonical)  # type: ignore[misc]

    def _validate_params(self) -> None:
        try:
            super()._validate_params()  # type: ignore[misc]
        except InvalidParameterError as error:
            message = str(error)
            for name, remedy in {**_COMMON_REMEDIES, **self._param_remedies}.items():
                if message.startswith(f"The {name!r} parameter"):
                    raise InvalidParameterError(f"{message} {remedy}") from None
            raise


def canonical_name(estimator: Any, name: str) -> str:
    """The constructor's name of a parameter that may be given by an alias.

    Parameters
    ----------
    estimator : object
        Any estimator; those of others have no aliases.
    name : str
    """
    return getattr(estimator, "_param_aliases", {}).get(name, name)


def canonical_params(estimator: Any, params: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters under the names that constructors know.

    Parameters
    ----------
    estimator : object
    params : dict
        As ``estimator.set_params`` takes them: aliases, ``nested__name``.
    """
    own = {**getattr(estimator, "get_params", dict)(), **params}

    def canonical(name: str) -> str:
        head, sep, tail = name.partition("__")
        head = canonical_name(estimator, head)
        if not sep:
            return head
        (inner,) = canonical_params(own.get(head), {tail: None})
        return head + sep + inner

    return {canonical(name): value for name, value in params.items()}


def check_parameters(estimator: Any) -> None:
    """Raise an error if a parameter of an estimator has a value that is not allowed."""
    estimator._validate_params()
