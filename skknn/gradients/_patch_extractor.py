"""Gradients of one layer, position by position, for one backbone and one state."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn

from ..backbones import DenseExtractor
from ..backbones._hooks import GraphHook
from ..backbones._pooling import to_feature_map
from ..backbones._preprocess import noise
from ..utils._precision import exact_float32
from ..utils._slices import blocks_of
from ._outer_products import gradient_size, input_rows, output_rows
from ._patch_blocks import PatchBlocks
from ._patch_pairs import PatchPairs
from ._patch_state import PatchState
from ._random import generator
from ._tasks import Task

# Bytes of similarities with the support at a time.
_BYTES = 2**26


class PatchExtractor:
    """A state at work on one backbone; holds no state of a run, see :meth:`open`.

    Parameters
    ----------
    extractor : DenseExtractor
        One that gives tokens.
    state : PatchState
        With its support.

    Attributes
    ----------
    extractor, state
    blocks : PatchBlocks
    """

    def __init__(self, extractor: DenseExtractor, state: PatchState) -> None:
        self.extractor, self.state = extractor, state
        self._network = extractor.network(keep=(state.layer,))
        self._layer: Any = self._network.module.get_submodule(state.layer)
        rows, columns = gradient_size(self._layer)
        self.blocks = PatchBlocks(rows, columns, state.projection_dim, state.seed)
        self._task = Task(
            state.objective,
            {"head": state.head},
            None,
            self._generator("bank"),
            extractor.device,
        )
        self._support = torch.from_numpy(state.support).to(extractor.device)
        norms = self._support.norm(dim=1)
        self._inverse_norms = torch.where(norms > 0, 1 / norms, 0)

    @contextmanager
    def open(self) -> Iterator["PatchRun"]:
        """Hook the module; unhook it at the end, also after an error.

        Yields
        ------
        PatchRun
            To be used from any number of threads.
        """
        hook = GraphHook(self.state.layer)
        with ExitStack() as stack:
            stack.enter_context(hook.on(self._layer))
            record = stack.enter_context(self._network.hooked())
            yield PatchRun(self, hook, record)

    def try_noise(self) -> None:
        """Take a picture of noise through; say what is wrong with the layer."""
        pixels = noise(self._network.size)[None]
        with exact_float32(), self.open() as run:
            run.pairs(pixels)

    def forward(
        self, x: torch.Tensor, record: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return maps and the last feature map's vectors of normalised pixels."""
        with self._network.autocast():
            pooled: Any = self._network.pooled
            return pooled.with_tokens(self._network.module, x, record)

    def normalize(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return uint8 pixels as the module takes them."""
        return self._network.normalize(pixels)

    def slopes(self, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return an image's dL/dtokens (N, D) over a power of two, and its exponent."""
        with torch.no_grad():
            objective = self.state.objective
            chosen = objective.choose(self._nearest(tokens), self._generator("keep"))
            latents = self._task.latents(chosen)
            bank = objective.make_bank(latents, self._generator("bank"))
        slopes, exponents = self._task.slopes(tokens[None], bank)
        return slopes[0], exponents[0]

    def located(
        self, a: torch.Tensor, b: torch.Tensor, size: tuple[int, ...]
    ) -> tuple[torch.Tensor, torch.Tensor, int, tuple[int, int]]:
        """Bring a layer's inputs and slopes into rows, one a position.

        Parameters
        ----------
        a, b : tensors of shape (n, ...)
            As the layer got and gave them.
        size : (height, width)
            Of the images.

        Returns
        -------
        inputs : tensor of shape (n, N, columns)
        slopes : tensor of shape (n, N, rows)
        n_prefix : int
        grid : (height, width)
        """
        layer = self._layer
        last = b.ndim == 4 and isinstance(layer, nn.Linear)
        try:
            found = to_feature_map(b, self._network.module, last, size)
        except ValueError as error:
            raise self._no_positions(f"gives {tuple(b.shape)}") from error
        inputs = input_rows(layer, a.float()).mT
        if layer.bias is not None:
            inputs = torch.cat([inputs, inputs.new_ones(*inputs.shape[:2], 1)], 2)
        slopes, n_prefix = output_rows(layer, b.float()), found.prefix.shape[1]
        grid = int(found.spatial.shape[2]), int(found.spatial.shape[3])
        return inputs, slopes, n_prefix, grid

    def check_calls(self, calls: list[torch.Tensor], n: int, maps: torch.Size) -> None:
        """Refuse a layer that does not see every image's positions in one call."""
        if len(calls) != 1:
            raise self._no_positions(f"is called {len(calls)} times an image")
        shape = calls[0].shape
        if shape[0] != n:
            raise self._no_positions(f"sees {shape[0]} windows of {n} image(s)")
        pooled = len(shape) == 2 or shape[1:].numel() in shape[1:]
        if pooled and maps[1:3].numel() > 1:
            raise self._no_positions("sees one pooled vector an image")

    def _no_positions(self, what: str) -> ValueError:
        allowed = (
            "a linear layer that is applied to all tokens, or a convolution of a "
            "feature map"
        )
        return ValueError(
            f"gradient_layer={self.state.layer!r} {what}, so positions have no "
            f"gradient of their own. Name {allowed}, such as the last block's "
            "mlp.fc2."
        )

    def _nearest(self, tokens: torch.Tensor) -> torch.Tensor:
        """Each vector's nearest patches of the support by cosine, (N, r, D)."""
        count = min(self.state.objective.n_retrieved, len(self._support))
        found = []
        for part in blocks_of(len(tokens), 4 * len(self._support), _BYTES):
            scores = (tokens[part] @ self._support.mT) * self._inverse_norms
            found.append(scores.topk(count, dim=1).indices)
        return self._support[torch.cat(found)]

    def _generator(self, purpose: str) -> Any:
        return generator(self.state.seed, "patches", purpose, self.state.objective.name)


class PatchRun:
    """An extractor with its hooks in place.

    Parameters
    ----------
    patches : PatchExtractor
    hook : GraphHook
    record : RecordHook
    """

    def __init__(self, patches: PatchExtractor, hook: GraphHook, record: Any) -> None:
        self._patches, self._hook, self._record = patches, hook, record

    def pairs(self, pixels: torch.Tensor) -> tuple[torch.Tensor, list[PatchPairs]]:
        """Return maps (n, h, w, d) and every image's gradients.

        Parameters
        ----------
        pixels : uint8 tensor of shape (n, 3, H, W)
        """
        patches, n = self._patches, len(pixels)
        with torch.enable_grad():
            (maps, tokens), inputs, outputs = self._hook.run(
                lambda x: patches.forward(x, self._record), patches.normalize(pixels)
            )
        if tokens.shape[1] < 2:
            raise ValueError(
                "gradients: the last feature map has one position only, which is "
                "compared with nothing. Use a larger image_size."
            )
        patches.check_calls(outputs, n, maps.shape)
        # Each image has a graph of its own in the loss: no other has a part in it.
        slopes, exponents = zip(*(patches.slopes(t) for t in tokens.detach()))
        (b,) = torch.autograd.grad(tokens, outputs, torch.stack(slopes))
        a_rows, b_rows, n_prefix, grid = patches.located(
            inputs[0], b, tuple(pixels.shape[2:])
        )
        pairs = [
            PatchPairs(a, b, exponent, n_prefix, grid)
            for a, b, exponent in zip(a_rows, b_rows, exponents)
        ]
        return maps.detach(), pairs

    def maps(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return maps (n, h, w, d') with gradients behind the features."""
        maps, pairs = self.pairs(pixels)
        with torch.no_grad():
            return torch.stack(
                [self._patches.blocks(*each) for each in zip(maps, pairs)]
            )
