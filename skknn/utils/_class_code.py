"""Code of classes and functions as text that is the same in every process."""

import functools
import types
from collections.abc import Iterator
from typing import Any

_PLAIN = (bool, int, float, complex, str, bytes, type(None))


def class_code(kind: type) -> str:
    """Return the code of a class's own functions and properties.

    With plain defaults and enclosed values. Not complete: what a function calls
    elsewhere is not followed, and attributes of the class, which may count something,
    are left out. Source text is not needed, so classes typed at a prompt have code.
    """
    parts = [f"{kind.__module__}.{kind.__qualname__}"]
    for name, value in sorted(vars(kind).items()):
        parts += [f"{name}{_function(each)}" for each in _functions(value)]
    return "\n".join(parts)


def function_code(value: Any) -> str:
    """Return the code of a function kept somewhere, or what it is called.

    Of a ``functools.partial`` also its plain arguments; "" for other callables, which
    have no code of their own.

    Parameters
    ----------
    value : callable
    """
    if isinstance(value, functools.partial):
        given = [*value.args, *sorted(value.keywords.items())]
        plain = [repr(each) for each in given if is_plain(each)]
        return f"{function_code(value.func)}{plain}"
    if isinstance(value, types.MethodType):
        return function_code(value.__func__)
    if isinstance(value, types.FunctionType):
        return f"{value.__module__}.{value.__qualname__}{_function(value)}"
    if isinstance(value, type | types.BuiltinFunctionType):
        return f"{value.__module__}.{value.__qualname__}"
    return ""


def is_plain(value: Any) -> bool:
    """Tell whether a value is a number, text, or a list or tuple of such."""
    if isinstance(value, (tuple, list)):
        return all(is_plain(item) for item in value)
    return isinstance(value, _PLAIN)


def _functions(value: Any) -> Iterator[types.FunctionType]:
    if isinstance(value, types.FunctionType):
        yield value
        # What a decorator has wrapped.
        yield from _functions(getattr(value, "__wrapped__", None))
    elif isinstance(value, property):
        for each in (value.fget, value.fset):
            yield from _functions(each)
    elif isinstance(value, staticmethod | classmethod):
        yield from _functions(value.__func__)
    elif isinstance(value, functools.partialmethod | functools.cached_property):
        yield from _functions(getattr(value, "func", None))


def _function(function: types.FunctionType) -> str:
    values = [*(function.__defaults__ or ())]
    values += [v for _, v in sorted((function.__kwdefaults__ or {}).items())]
    for cell in function.__closure__ or ():
        try:
            values.append(cell.cell_contents)
        except ValueError:  # not filled yet
            pass
    plain = [repr(value) for value in values if is_plain(value)]
    return f"{_code(function.__code__)}{plain}"


def _code(code: types.CodeType) -> str:
    constants = []
    for value in code.co_consts:
        if isinstance(value, types.CodeType):
            constants.append(_code(value))
        elif isinstance(value, frozenset):
            constants.append(repr(sorted(map(repr, value))))
        else:
            constants.append(repr(value))
    return f"({code.co_code.hex()} {constants} {code.co_names})"
