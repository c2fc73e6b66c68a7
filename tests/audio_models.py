"""Tiny networks of sounds with random weights, in folders."""

import json

import numpy as np
import pytest
import torch

transformers = pytest.importorskip("transformers")

RATE = 16_000
BANDS, FRAMES = 32, 64
AST_SIZES = {
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 40,
    "num_mel_bins": BANDS,
    "max_length": FRAMES,
    "frequency_stride": 16,
    "time_stride": 16,
}
WAVE_SIZES = {
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 40,
    "conv_dim": (16, 16, 16),
    "conv_stride": (5, 4, 4),
    "conv_kernel": (10, 8, 4),
    "num_feat_extract_layers": 3,
    "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 2,
}
# Name -> (configuration, model, settings).
FAMILIES = {
    "ast": ("ASTConfig", "ASTModel", AST_SIZES),
    "wav2vec2": ("Wav2Vec2Config", "Wav2Vec2Model", WAVE_SIZES),
    "wav2vec2-layer": (
        "Wav2Vec2Config",
        "Wav2Vec2Model",
        WAVE_SIZES | {"feat_extract_norm": "layer", "do_stable_layer_norm": True},
    ),
    "hubert": ("HubertConfig", "HubertModel", WAVE_SIZES),
    "wavlm": ("WavLMConfig", "WavLMModel", WAVE_SIZES),
    "unispeech": ("UniSpeechConfig", "UniSpeechModel", WAVE_SIZES),
    "data2vec": ("Data2VecAudioConfig", "Data2VecAudioModel", WAVE_SIZES),
}
#: What the layer that layer="auto" has to mean ends with, in any transformers.
LAYERS = {
    "ast": ("layers.2.attention.o_proj", "layer.2.attention.output.dense"),
    "wav2vec2": ("encoder.layers.2.attention.out_proj",),
    "wav2vec2-layer": ("encoder.layers.2.attention.out_proj",),
    "hubert": ("encoder.layers.2.attention.out_proj",),
    # Its attention reads the weights of that layer and never calls it.
    "wavlm": ("encoder.layers.2.feed_forward.output_dense",),
    "unispeech": ("encoder.layers.2.attention.out_proj",),
    "data2vec": ("encoder.layers.2.attention.out_proj",),
}


def sounds(n, seed=0, low=0.1, high=0.6):
    """Notes with noise, of different lengths (in seconds), as (samples, rate)."""
    rng, found = np.random.default_rng(seed), []
    for _ in range(n):
        time = np.arange(int(rng.uniform(low, high) * RATE)) / RATE
        first, second = rng.uniform(100, 3000, 2)
        samples = 0.3 * np.sin(2 * np.pi * first * time)
        samples += 0.1 * np.sign(np.sin(2 * np.pi * second * time))
        samples += rng.uniform(0.001, 0.1) * rng.standard_normal(len(time))
        found.append((samples.astype(np.float32), RATE))
    return found


def save_model(folder, family="ast", seed=0, preprocessor=None, **settings):
    """Write a model with random weights; return the folder."""
    config, model, sizes = FAMILIES[family]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = getattr(transformers, model)(
            getattr(transformers, config)(**sizes | settings)
        )
        for parameter in module.parameters():
            # Fresh weights are so small that all sounds look alike.
            parameter.data += 0.15 * torch.randn(parameter.shape)
    module.save_pretrained(folder)
    if preprocessor is not None:
        (folder / "preprocessor_config.json").write_text(json.dumps(preprocessor))
    return folder
