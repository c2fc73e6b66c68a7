"""float32 that keeps all its bits, whatever torch may do elsewhere."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import Any

from ._shared_setting import SharedSetting

# (path below torch.backends, of the settings by operation that torch has from 2.9 on)
_OPERATIONS = (
    "cuda.matmul",
    "cudnn.conv",
    "cudnn.rnn",
    "mkldnn.matmul",
    "mkldnn.conv",
    "mkldnn.rnn",
)


@contextmanager
def exact_float32() -> Iterator[None]:
    """Let products and convolutions of float32 numbers use all their bits.

    Elsewhere torch may round the inputs to TF32 (on CUDA it does so for convolutions
    unless told otherwise) or, where the user allows it, to bfloat16. The settings are
    those of the process: the first to enter changes them and the last one to leave
    sets back what was found, also after an error.
    """
    with _SETTINGS.held():
        yield


@contextmanager
def exact_products() -> Iterator[None]:
    """:func:`exact_float32` for products alone, which are exact unless a user says no.

    To ask costs a thousandth of what it costs to set all settings.
    """
    import torch

    exact = False
    with suppress(RuntimeError):  # older settings, and newer ones mixed in
        exact = torch.get_float32_matmul_precision() == "highest"
        exact = exact and not torch.backends.cuda.matmul.allow_tf32
    with nullcontext() if exact else exact_float32():
        yield


def _forbid_rounded_inputs() -> list[Callable[[], Any]]:
    """Return the functions that undo it, in their order."""
    import torch

    backends, restore = torch.backends, []

    def change(get: Callable[[], Any], put: Callable[[Any], Any], value: Any) -> None:
        # torch refuses to read the older settings where the newer were mixed in.
        with suppress(RuntimeError):
            before = get()
            put(value)
            restore.append(lambda: put(before))

    def attribute(owner: Any, name: str) -> tuple[Callable[[], Any], Callable]:
        return lambda: getattr(owner, name), lambda value: setattr(owner, name, value)

    newer = [
        operation
        for path in _OPERATIONS
        if hasattr(operation := _find(backends, path), "fp32_precision")
    ]
    found = [(operation, operation.fp32_precision) for operation in newer]
    # The older settings change the newer ones too, so these come last, both ways.
    change(
        torch.get_float32_matmul_precision,
        torch.set_float32_matmul_precision,
        "highest",
    )
    change(*attribute(backends.cuda.matmul, "allow_tf32"), False)
    change(*attribute(backends.cudnn, "allow_tf32"), False)
    for operation in newer:
        operation.fp32_precision = "ieee"

    def restore_newer() -> None:
        for operation, value in found:
            operation.fp32_precision = value

    return [*reversed(restore), restore_newer]


def _call_all(functions: list[Callable[[], Any]]) -> None:
    for function in functions:
        function()


_SETTINGS = SharedSetting(_forbid_rounded_inputs, _call_all)


def _find(owner: Any, path: str) -> Any:
    for name in path.split("."):
        owner = getattr(owner, name, None)
    return owner
