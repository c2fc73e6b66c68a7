"""Inside exact_float32 nothing is rounded; outside all is as it was found."""

import threading

import pytest
import torch

from skknn.utils._precision import exact_float32, exact_products

BACKENDS = torch.backends
NEWER = [
    operation
    for operation in (
        BACKENDS.cuda.matmul,
        getattr(BACKENDS.cudnn, "conv", None),
        getattr(BACKENDS.mkldnn, "matmul", None),
        getattr(BACKENDS.mkldnn, "conv", None),
    )
    if hasattr(operation, "fp32_precision")
]


def settings():
    """Older and newer settings; None where torch refuses to say."""

    def ask(function):
        try:
            return function()
        except RuntimeError:
            return None

    return [
        ask(lambda: BACKENDS.cuda.matmul.allow_tf32),
        ask(lambda: BACKENDS.cudnn.allow_tf32),
        ask(torch.get_float32_matmul_precision),
        *(operation.fp32_precision for operation in NEWER),
    ]


def exact():
    return [False, False, "highest", *["ieee"] * len(NEWER)]


@pytest.fixture(autouse=True)
def as_found():
    """Leave torch's defaults behind, in the older settings and then the newer."""
    found = [operation.fp32_precision for operation in NEWER]
    yield
    torch.set_float32_matmul_precision("highest")
    BACKENDS.cudnn.allow_tf32 = True
    for operation, value in zip(NEWER, found):
        operation.fp32_precision = value


@pytest.mark.parametrize("precision", ["highest", "high", "medium"])
@pytest.mark.parametrize("convolutions", [True, False])
def test_settings_are_changed_and_set_back(precision, convolutions):
    torch.set_float32_matmul_precision(precision)
    BACKENDS.cudnn.allow_tf32 = convolutions
    before = settings()
    with exact_float32():
        assert settings() == exact()
        with exact_float32():
            assert settings() == exact()
        assert settings() == exact()
    assert settings() == before


@pytest.mark.skipif(not NEWER, reason="this torch has the older settings alone")
def test_newer_settings_of_the_user_are_set_back():
    for operation in NEWER[:2]:
        operation.fp32_precision = "tf32"
    before = settings()
    with exact_float32():
        assert settings()[3:] == exact()[3:]
    assert settings() == before


def test_an_error_sets_them_back():
    BACKENDS.cudnn.allow_tf32 = True
    before = settings()
    with pytest.raises(KeyError), exact_float32():
        raise KeyError
    assert settings() == before


def test_the_last_thread_sets_them_back():
    torch.set_float32_matmul_precision("high")
    before = settings()
    inside, leave = threading.Event(), threading.Event()

    def other():
        with exact_float32():
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=other)
    with exact_float32():
        thread.start()
        assert inside.wait(10)
    assert settings() == exact()
    leave.set()
    thread.join()
    assert settings() == before


@pytest.mark.gpu
def test_products_and_convolutions_on_cuda_are_exact():
    generator = torch.Generator().manual_seed(0)
    a = torch.randn(256, 256, generator=generator)
    x = torch.randn(2, 64, 32, 32, generator=generator)
    weight = torch.randn(64, 64, 3, 3, generator=generator)
    torch.set_float32_matmul_precision("high")
    with exact_float32():
        product = (a.cuda() @ a.cuda()).cpu()
        image = torch.nn.functional.conv2d(x.cuda(), weight.cuda()).cpu()
    expected = torch.nn.functional.conv2d(x.double(), weight.double())
    for found, want in [(product, a.double() @ a.double()), (image, expected)]:
        assert (found - want).abs().max() < 1e-5 * want.abs().max()


def test_products_are_exact_also_where_a_user_allows_less():
    before = settings()
    with exact_products():
        assert settings() == before  # nothing had to be set
    torch.set_float32_matmul_precision("high")
    with exact_products():
        assert settings() == exact()
    if hasattr(BACKENDS.cuda.matmul, "fp32_precision"):
        torch.set_float32_matmul_precision("highest")
        BACKENDS.cuda.matmul.fp32_precision = "tf32"
        with exact_products():
            assert BACKENDS.cuda.matmul.fp32_precision == "ieee"
