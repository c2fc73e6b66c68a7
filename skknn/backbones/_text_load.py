"""Load the encoder and the tokenizer of a transformers folder."""

from inspect import signature
from pathlib import Path
from typing import Any

from torch import nn

from ..utils._optional import import_optional
from ._layers import block_names
from ._padding import reads_padding
from ._transformers_load import frozen, load_kept, loading

# Tokens of a text where nothing says how many a model takes; settings above the
# second number stand for no limit.
_USUAL_LENGTH, _UNLIMITED = 512, 10**6


def load_text_model(folder: Path) -> tuple[nn.Module, Any]:
    """Return the encoder, frozen, on the CPU in float32, and its tokenizer.

    A layer that pools by itself ("pooler") is left out, and of models with a decoder
    all but the encoder.

    Parameters
    ----------
    folder : Path

    Raises
    ------
    ModuleNotFoundError
        Without transformers, naming the extra.
    ValueError
        If the folder lacks weights or a tokenizer, or holds another kind of model or
        one that heeds padding.
    """
    import_optional("transformers", extra="text", needed_for="TextBackbone")
    return load_kept(folder, _load)


def keep_blocks(module: nn.Module, n: int) -> None:
    """Cut a model off behind its first blocks.

    Raises
    ------
    ValueError
        If it has fewer.
    """
    names = block_names(module)
    if n > len(names):
        raise ValueError(
            f"n_blocks={n}: the model has {len(names)} blocks. Use None for all."
        )
    blocks: Any = module.get_submodule(names[0].rpartition(".")[0])
    del blocks[n:]


def length_limit(
    module: nn.Module, tokenizer: Any, written: int | None, wanted: int | None
) -> int:
    """Return how many tokens of a text the model gets.

    Parameters
    ----------
    module : torch.nn.Module
    tokenizer : transformers tokenizer
    written : int or None
        What the folder says besides.
    wanted : int or None
        ``max_length`` of the user.

    Raises
    ------
    ValueError
        If the model does not take what is wanted.
    """
    positions = _n_positions(module)
    least = 1 + tokenizer.num_special_tokens_to_add()
    if wanted is not None:
        if not least <= wanted <= (positions or wanted):
            most = "" if positions is None else f" and takes at most {positions}"
            raise ValueError(
                f"max_length={wanted}: the model needs at least {least} tokens"
                f"{most}. Use None for its own limit."
            )
        return wanted
    limits = [positions, written, getattr(tokenizer, "model_max_length", None)]
    known = [int(n) for n in limits if n is not None and n < _UNLIMITED]
    return min(known, default=_USUAL_LENGTH)


def _n_positions(module: nn.Module) -> int | None:
    """Return how many tokens a model has positions for, if that is bounded."""
    for name, part in module.named_modules():
        if name.endswith("position_embeddings") and isinstance(part, nn.Embedding):
            # Models with a number for padding count from behind it.
            first = 0 if part.padding_idx is None else part.padding_idx + 1
            return part.num_embeddings - first
    config = getattr(module, "config", None)
    bound = getattr(config, "max_position_embeddings", None)
    # Models without a bound write -1.
    return bound if bound is not None and bound > 0 else None


def _load(folder: Path) -> tuple[nn.Module, Any]:
    from transformers import AutoConfig, AutoTokenizer

    with loading():
        try:
            config = AutoConfig.from_pretrained(folder)
            tokenizer = AutoTokenizer.from_pretrained(folder)
            module = _encoder(folder, config)
        except (OSError, KeyError, RuntimeError, ImportError, ValueError) as error:
            raise ValueError(
                f"model={str(folder)!r} cannot be loaded as a transformers encoder "
                f"with its tokenizer ({type(error).__name__}: {error}). The folder "
                "needs config.json, model.safetensors and tokenizer.json, as "
                "save_pretrained() of model and tokenizer writes them."
            ) from error
    module = frozen(module)
    limit = length_limit(module, tokenizer, None, None)
    if reads_padding(module, tokenizer("no")["input_ids"], limit):
        raise ValueError(
            f"model={str(folder)!r}: {type(module).__name__} heeds what fills a batch "
            "up behind shorter texts, so that a row would depend on the texts beside "
            "it. Use a model whose attention mask leaves padding out, such as BERT, "
            "RoBERTa, MPNet, DistilBERT, DeBERTa or T5."
        )
    return module, tokenizer


def _encoder(folder: Path, config: Any) -> Any:
    import transformers

    kind: Any = transformers.AutoModel
    encoders = transformers.AutoModelForTextEncoding
    if getattr(config, "is_encoder_decoder", False):
        kind = encoders if type(config) in encoders._model_mapping else kind
    module, report = kind.from_pretrained(folder, output_loading_info=True)
    module = module.float()
    if getattr(module, "pooler", None) is not None:
        # Models that can be built without one can run without one.
        optional = "add_pooling_layer" in signature(type(module).__init__).parameters
        module.pooler = None if optional else nn.Identity()
    if getattr(config, "is_encoder_decoder", False) and hasattr(module, "decoder"):
        module = module.get_encoder()
    missing = [key for key in report["missing_keys"] if "pooler" not in key]
    names = dict(module.named_parameters())
    missing = [key for key in missing if key in names or kind is encoders]
    if missing or report.get("mismatched_keys"):
        raise ValueError(f"the weights lack {', '.join(sorted(missing)[:5])}")
    return module
