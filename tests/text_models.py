"""Tiny encoders of texts with random weights, in folders."""

import numpy as np
import pytest
import torch

transformers = pytest.importorskip("transformers")
tokenizers = pytest.importorskip("tokenizers")

WORDS = "the a old new river sea man dog goes to what is where not red blue ? .".split()
SIZES = {
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 40,
    "max_position_embeddings": 40,
}
# Name -> (configuration, model, settings): the families that differ in bias, pooler,
# positions and the layer that "auto" means.
FAMILIES = {
    "bert": ("BertConfig", "BertModel", SIZES),
    "roberta": ("RobertaConfig", "RobertaModel", SIZES),
    "mpnet": ("MPNetConfig", "MPNetModel", SIZES),
    "albert": ("AlbertConfig", "AlbertModel", SIZES | {"embedding_size": 16}),
    "distilbert": (
        "DistilBertConfig",
        "DistilBertModel",
        {
            "dim": 24,
            "n_layers": 3,
            "n_heads": 2,
            "hidden_dim": 40,
            "max_position_embeddings": 40,
        },
    ),
    "t5": (
        "T5Config",
        "T5ForConditionalGeneration",
        {
            "d_model": 24,
            "num_layers": 3,
            "num_heads": 2,
            "d_kv": 12,
            "d_ff": 40,
            "decoder_start_token_id": 0,
        },
    ),
}
#: The layer that layer="auto" has to mean.
LAYERS = {
    "bert": "encoder.layer.2.attention.output.dense",
    "roberta": "encoder.layer.2.attention.output.dense",
    "mpnet": "encoder.layer.2.attention.attn.o",
    "albert": "encoder.albert_layer_groups.0.albert_layers.0.attention.dense",
    "distilbert": "transformer.layer.2.attention.out_lin",
    "t5": "encoder.block.2.layer.0.SelfAttention.o",
}


def texts(n, seed=0):
    """Sentences of 1 to 14 words, all different."""
    rng, found = np.random.default_rng(seed), []
    while len(found) < n:
        text = " ".join(rng.choice(WORDS, rng.integers(1, 15)))
        found += [text] if text not in found else []
    return found


def tokenizer(max_length=None):
    """A tokenizer of whole words, as a folder holds it."""
    special = ["[PAD]", "[CLS]", "[SEP]", "[UNK]"]
    vocabulary = {word: i for i, word in enumerate([*special, *WORDS])}
    model = tokenizers.models.WordLevel(vocabulary, unk_token="[UNK]")
    fast = tokenizers.Tokenizer(model)
    fast.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    fast.post_processor = tokenizers.processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    settings = {} if max_length is None else {"model_max_length": max_length}
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=fast,
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        unk_token="[UNK]",
        **settings,
    )


def save_model(folder, family="bert", seed=0, max_length=None, **settings):
    """Write a model with random weights and its tokenizer; return the folder."""
    config, model, sizes = FAMILIES[family]
    words = tokenizer(max_length)
    sizes = {"vocab_size": 4 + len(WORDS), "pad_token_id": 0, **sizes, **settings}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = getattr(transformers, model)(getattr(transformers, config)(**sizes))
        for parameter in module.parameters():
            # Fresh weights are so small that all texts look alike.
            parameter.data += 0.15 * torch.randn(parameter.shape)
    module.save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


def hidden_states(module, words, text):
    """What a module makes of the tokens of one text alone, without padding."""
    tokens = torch.tensor([words.encode(text)])
    with torch.no_grad():
        return module(input_ids=tokens).last_hidden_state[0]
