"""What a backbone and the objectives answer to fixed items and latents."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from ..backbones._probe import ROUNDING
from ..utils._behaviour import Answer
from ..utils._precision import exact_float32
from ..utils._threads import single_threaded_torch
from ._engine import GradientRun
from ._state import EMBEDDING
from ._unit_rows import unit

if TYPE_CHECKING:
    from ._blocks import BlockExtractor

# Gradients round more than embeddings do; losses are computed in float64.
_GRADIENT_ROUNDING = {name: 3 * value for name, value in ROUNDING.items()}
_LOSS_ROUNDING = 1e-5
# Numbers that stand for a longer row, and their period.
_SKETCHED, _PERIOD = 8, 4096
# Items whose embeddings are made up for a loss.
N_LATENTS = 2


def network_answers(blocks: "BlockExtractor", n: int) -> dict[str, list[Answer]]:
    """Return what a network makes of ``n`` items, alone.

    Parameters
    ----------
    blocks : BlockExtractor
    n : int
        Items.

    Returns
    -------
    dict
        "embedding": embeddings; "gradient": those and, where there is an objective,
        projected gradients of a fixed linear loss of them.
    """
    with _running(blocks) as run:
        embeddings, gradients = _network(blocks, run, n, bool(blocks.state.objectives))
    return {EMBEDDING: [embeddings], "gradient": [embeddings, gradients]}


def objective_answers(blocks: "BlockExtractor", name: str) -> list[Answer]:
    """Return an objective's views of an item, and losses of fixed embeddings.

    With the latents that it compares with, and gradients, where these latents are
    there or none are needed.

    Parameters
    ----------
    blocks : BlockExtractor
    name : str
        Of the objective.
    """
    with exact_float32(), single_threaded_torch(blocks.device.type == "cpu"):
        answers = _views(blocks, name)
        if blocks.state.objectives[name].n_bank_images:
            if name not in blocks.state.banks:
                return answers
        return answers + _losses(blocks, name)


def view_answers(blocks: "BlockExtractor", name: str) -> list[Answer]:
    """Return what tells an objective's views of an item from others.

    Parameters
    ----------
    blocks : BlockExtractor
    name : str
        Of the objective.
    """
    with exact_float32(), single_threaded_torch(blocks.device.type == "cpu"):
        return _views(blocks, name)


class _LinearTask:
    """A loss that is linear in the embedding, as the engine takes it."""

    def __init__(self, width: int) -> None:
        self._slope = torch.from_numpy(_normal(width)).float()

    def slopes(self, embeddings: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        slopes = self._slope.to(embeddings.device).expand(embeddings.shape)
        exponents = torch.zeros(
            len(embeddings), dtype=torch.int32, device=embeddings.device
        )
        return slopes, exponents


@contextmanager
def _running(blocks: "BlockExtractor") -> Iterator[GradientRun]:
    with (
        exact_float32(),
        blocks.engine.open() as run,
        single_threaded_torch(blocks.device.type == "cpu"),
    ):
        yield run


def _network(
    blocks: "BlockExtractor", run: GradientRun, n: int, differentiated: bool
) -> tuple[Answer, Answer]:
    cutter, engine = blocks.cutter, blocks.engine
    items = [cutter.cut(item, [EMBEDDING]) for item in blocks.extractor.questions(n)]
    alone = blocks.device.type == "cpu"
    parts = [[item] for item in items] if alone else [items]
    task = _LinearTask(blocks.state.n_features)
    embeddings, gradients = [], []
    for part in parts:
        for views in cutter.groups(EMBEDDING, cutter.load(part), engine.n_views):
            if differentiated:
                (g,), _, e = run.gradients(views, [task])  # type: ignore[list-item]
                gradients.append(g)
            else:
                e = run.embed(views)
            embeddings.append(e[:, 0])
    precision = blocks.extractor.precision
    rows = np.zeros((0, 0), np.float32)
    if gradients:
        with torch.no_grad():
            projected = unit(blocks.projection(torch.cat(gradients)))
        rows = projected.cpu().numpy()
    return (
        Answer(torch.cat(embeddings).cpu().numpy(), ROUNDING[precision]),
        Answer(rows, _GRADIENT_ROUNDING[precision]),
    )


def _views(blocks: "BlockExtractor", name: str) -> list[Answer]:
    """What tells the views of the first item from others, as the network sees them."""
    cutter = blocks.cutter
    if blocks.state.objectives[name].plain_view:
        return []
    (item,) = blocks.extractor.questions(1)
    with torch.inference_mode():
        loaded = cutter.load([cutter.cut(item, [name])])
        (views,) = cutter.groups(name, loaded, 1)
        return cutter.answers(views.each())


def _losses(blocks: "BlockExtractor", name: str) -> list[Answer]:
    """The loss of fixed embeddings, its gradient, and the latents it compares with."""
    task, n_views = blocks.tasks[name], blocks.cutter.n_views(name)
    shape = (N_LATENTS, n_views, blocks.state.n_features)
    embeddings = torch.from_numpy(_normal(*shape)).float().to(task.device)
    slopes, _ = task.slopes(embeddings)
    with torch.no_grad():
        losses = task.objective.loss(task.latents(embeddings), task.bank)
    found: list[torch.Tensor] = [losses[:, None], slopes.flatten(1)]
    if isinstance(task.bank, torch.Tensor):
        found.append(task.bank.reshape(1, -1))
    return [Answer(_sketch(rows), _LOSS_ROUNDING) for rows in found]


def _sketch(rows: torch.Tensor) -> NDArray[np.float32]:
    """Some sums of each row that tell it from others, and its scale."""
    values = rows.detach().cpu().to(torch.float64).numpy()
    n, width = values.shape
    if width > _SKETCHED:
        # Weights that repeat, with other signs and sizes, for rows of millions.
        period = min(width, _PERIOD)
        n_periods = -(-width // period)
        padded = np.zeros((n, n_periods * period))
        padded[:, :width] = values
        parts = padded.reshape(n, n_periods, period)
        values = np.cos(np.arange(n_periods)) @ (parts @ _normal(period, _SKETCHED))
    return values.astype(np.float32)


def _normal(*shape: int) -> NDArray[np.float64]:
    return np.random.default_rng(0).standard_normal(shape)
