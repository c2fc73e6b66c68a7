"""The code of a class as text: equal in every process, other when it is edited."""

import functools
import subprocess
import sys

import pytest
import torch

from skknn.utils._class_code import class_code, function_code

HEAD = "import functools\n"
BODY = """class Kind:
    scale = 3
    names = ("a", {"not": "plain"})
    def plain(self, x): return x + 1
    def default(self, x=2, *, y=5): return x * y
    @staticmethod
    def static(x): return x in {"p", "q", "r"}
    @classmethod
    def of(cls): return [i + 1 for i in range(3)]
    @property
    def size(self): return 4
"""


def kind(source):
    namespace = {"__name__": "typed"}
    exec(HEAD + source, namespace)
    return namespace["Kind"]


@pytest.mark.parametrize(
    "old, new",
    [
        ("x + 1", "x + 2"),
        ("x + 1", "x - 1"),
        ("x=2", "x=3"),
        ("y=5", "y=6"),
        ('"q"', '"s"'),
        ("i + 1", "i + 2"),
        ("return 4", "return 5"),
    ],
)
def test_an_edited_class_has_other_code(old, new):
    assert class_code(kind(BODY.replace(old, new))) != class_code(kind(BODY))
    assert class_code(kind(BODY)) == class_code(kind(BODY))


def test_attributes_that_count_are_no_code():
    counting = kind(BODY)
    counting.scale += 1
    assert class_code(counting) == class_code(kind(BODY))


def test_what_a_decorator_wraps_and_closes_over():
    source = """def times(n):
    def decorate(function):
        @functools.wraps(function)
        def wrapped(self, x): return n * function(self, x)
        return wrapped
    return decorate
class Kind:
    @times(2)
    def call(self, x): return x + 1
"""
    codes = {
        class_code(kind(source)),
        class_code(kind(source.replace("times(2)", "times(3)"))),
        class_code(kind(source.replace("x + 1", "x + 2"))),
    }
    assert len(codes) == 3


def test_the_code_is_the_same_in_another_process():
    script = (
        "from skknn.utils._class_code import class_code\n"
        "namespace = {'__name__': 'typed'}\n"
        f"exec({HEAD + BODY!r}, namespace)\n"
        "print(class_code(namespace['Kind']), end='')\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert found.stdout == class_code(kind(BODY))


def test_functions_that_are_kept():
    def times(n):
        return lambda x: n * x

    different = [
        torch.relu,
        torch.tanh,
        torch.nn.functional.gelu,
        functools.partial(torch.nn.functional.gelu, approximate="tanh"),
        functools.partial(torch.nn.functional.gelu, approximate="none"),
        times(2),
        times(3),
        lambda x: x + 1,
        lambda x: x + 2,
        torch.nn.ReLU,
    ]
    codes = [function_code(each) for each in different]
    assert len(set(codes)) == len(codes)
    # Addresses would differ in the next process.
    assert not any(" at 0x" in code for code in codes)
    assert function_code(times(2)) == codes[5]
    assert function_code(torch.nn.ReLU()) == ""
