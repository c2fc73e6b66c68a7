"""Token numbers of texts, whatever kind of tokenizer there is."""

import numpy as np
from text_models import tokenizer

from skknn.backbones._tokens import NO_TOKEN, Tokens, pad


class InPython:
    """A tokenizer without a fast backend: a number a letter between 1 and 2."""

    def __call__(self, text, truncation=False, max_length=None):
        tokens = [ord(letter) for letter in text]
        if truncation:
            tokens = tokens[: max_length - 2]
        return {"input_ids": [1, *tokens, 2]}

    def get_vocab(self):
        return {"a": 97}


def test_a_tokenizer_in_python():
    tokens = Tokens(InPython(), 5)
    found, cut = tokens("abc")
    assert found.tolist() == [1, 97, 98, 99, 2] and not cut
    found, cut = tokens("abcd")
    assert found.tolist() == [1, 97, 98, 99, 2] and cut
    assert "'a', 97" in tokens.identity()


def test_a_fast_tokenizer_is_cut_between_begin_and_end():
    # Another object: calls of transformers' set the limit of the one they are of.
    fast, tokens = tokenizer(), Tokens(tokenizer(), 4)
    assert tokens("the sea")[0].tolist() == fast.encode("the sea")
    assert not tokens("the sea")[1]
    found, cut = tokens("the sea the sea")
    assert found.tolist() == fast.encode("the sea") and cut
    assert Tokens(tokenizer(), 5).identity() != tokens.identity()


def test_padding_stands_behind_the_end():
    a, b, c = (np.arange(1, n, dtype=np.int32) for n in (3, 2, 4))
    padded = pad([[a, b], [c, a]])
    assert padded.shape == (2, 2, 3)
    n = NO_TOKEN
    expected = [[[1, 2, n], [1, n, n]], [[1, 2, 3], [1, 2, n]]]
    assert padded.tolist() == expected
