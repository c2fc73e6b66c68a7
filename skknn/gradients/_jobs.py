"""What the extraction loop runs for FUNGI: blocks, latents or gradients of images."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray

from ..backbones._passes import LaunchedPasses, PassRunner
from ..backbones._transfer import Download
from ..utils._precision import exact_float32
from ..utils._threads import single_threaded_torch
from ._blocks import BlockExtractor
from ._cutter import LoadedViews
from ._engine import GradientRun
from ._state import EMBEDDING
from ._unit_rows import join, put, scaled, unit, unit_mean
from ._view_group import ViewGroup

# Gradients of so many images cost half as much to project as one by one
# (benchmarks/fungi.py --projection).
_PROJECTED = 64


class ViewJob:
    """One run of a block extractor: a :class:`~skknn.extraction._job.Job`.

    On a CPU an image's network passes are computed in the thread that cut its views;
    on other devices those of many images together, and CUDA devices cut them, too.
    Items of different lengths are sorted and computed in parts (``Cutter.passes``).

    Parameters
    ----------
    blocks : BlockExtractor
    names : collection of str
        Blocks that are computed.
    batch_size, width : int

    Attributes
    ----------
    width, batch_size, computes_in_workers
        As the extraction loop needs them.
    """

    def __init__(
        self,
        blocks: BlockExtractor,
        names: Collection[str],
        *,
        batch_size: int,
        width: int,
    ) -> None:
        self._blocks, self._names = blocks, frozenset(names)
        self.batch_size, self.width = batch_size, width
        self._in_passes = blocks.cutter.in_passes
        self.computes_in_workers = blocks.device.type == "cpu" and not self._in_passes
        self._run: GradientRun | None = None
        self._passes: PassRunner | None = None

    @contextmanager
    def running(self, n_threads: int = 1) -> Iterator[Callable[[], None]]:
        """Set up many calls; everything is undone at the end, also after an error.

        Parameters
        ----------
        n_threads : int
            That compute parts of sorted items, on a CPU.

        Yields
        ------
        callable
            To be called once in every thread that will call :meth:`prepare`.
        """
        with (
            exact_float32(),
            self._blocks.engine.open() as run,
            # On an accelerator, too, the threads that cut views are many.
            single_threaded_torch() as start_thread,
            PassRunner(self._blocks.device, n_threads, start_thread) as passes,
        ):
            self._run, self._passes = run, passes
            try:
                yield start_thread
            finally:
                self._run = self._passes = None

    def prepare(self, item: Any, missing: frozenset[str] | None = None) -> Any:
        """Cut an item's views; of images on a CPU also run the network."""
        wanted = self._names if missing is None else self._names & missing
        cutter = self._blocks.cutter
        if self.computes_in_workers:
            return self._compute(cutter.load([cutter.cut(item, wanted)]))
        # Apple's devices have no float64, which resizing needs.
        on_device = self._blocks.device.type != "mps"
        return cutter.cut(item, wanted, on_device=on_device)

    def launch(self, prepared: list) -> Download | LaunchedPasses:
        """Start to compute the rows of prepared items."""
        if self.computes_in_workers:
            return Download(self._rows(prepared))
        if self._in_passes:
            return self._launch_passes(prepared)
        return self.launch_loaded(self._blocks.cutter.load(prepared))

    def launch_loaded(self, loaded: LoadedViews) -> Download:
        """Start to compute the rows of images whose views are on the device."""
        return Download(self._rows([self._compute(loaded)]))

    def collect(self, launched: Download | LaunchedPasses) -> NDArray:
        """Wait for rows (n, width), float32."""
        return launched.wait()

    @property
    def run(self) -> GradientRun:
        """The engine with its hook in place."""
        if self._run is None:
            raise RuntimeError("Items are prepared within `with job.running():`.")
        return self._run

    def _launch_passes(self, prepared: list) -> LaunchedPasses:
        cutter = self._blocks.cutter
        if self._passes is None:
            raise RuntimeError("Items are prepared within `with job.running():`.")

        def compute(chosen: list[int]) -> torch.Tensor:
            loaded = cutter.load([prepared[i] for i in chosen])
            return self._rows([self._compute(loaded)])

        passes = cutter.passes(prepared, self._blocks.gradient_size)
        return self._passes.launch(len(prepared), passes, compute)

    def _groups(self, name: str, loaded: LoadedViews) -> Iterator[ViewGroup]:
        return self._blocks.cutter.groups(name, loaded, self._blocks.engine.n_views)

    def _compute(self, loaded: LoadedViews) -> Any:
        """Compute some images together."""
        raise NotImplementedError

    def _rows(self, parts: list) -> torch.Tensor:
        """Make rows (n, width) of what :meth:`_compute` gave."""
        raise NotImplementedError


class LatentsJob(ViewJob):
    """Latents (V * head_dim) of an objective's one head, before normalisation.

    Parameters
    ----------
    blocks : BlockExtractor
    name : str
        The objective.
    """

    def __init__(self, blocks: BlockExtractor, name: str) -> None:
        objective = blocks.state.objectives[name]
        head_dim = next(iter(objective.head_dims().values()))
        n_views = blocks.cutter.n_views(name)
        if objective.n_bank_views is not None:
            n_views = min(n_views, objective.n_bank_views)
        super().__init__(
            blocks,
            [name],
            batch_size=blocks.items_at_once([name]),
            width=n_views * head_dim,
        )
        self._name, self._n_views = name, n_views

    def _compute(self, loaded: LoadedViews) -> torch.Tensor:
        task, parts = self._blocks.tasks[self._name], []
        for views in self._groups(self._name, loaded):
            embeddings = self.run.embed(views.first(self._n_views))
            latents = task.latents(embeddings)
            parts.append(latents.flatten(1).float())
        return join(parts)

    def _rows(self, parts: list[torch.Tensor]) -> torch.Tensor:
        return join(parts)


class GradientsJob(ViewJob):
    """Unprojected gradients (m) of an objective.

    Parameters
    ----------
    blocks : BlockExtractor
    name : str
        The objective.
    """

    def __init__(self, blocks: BlockExtractor, name: str) -> None:
        size, width = blocks.items_at_once([name]), blocks.gradient_size
        super().__init__(blocks, [name], batch_size=size, width=width)
        self._name = name

    def _compute(self, loaded: LoadedViews) -> torch.Tensor:
        task, parts = self._blocks.tasks[self._name], []
        for views in self._groups(self._name, loaded):
            (g,), (exponents,), _ = self.run.gradients(views, [task])
            # Powers of two that leave float32's range: in float64 where there is one.
            g = g.to(exponents.device, torch.float64)
            parts.append((g * torch.exp2(exponents.double())[:, None]).float())
        return join(parts)

    def _rows(self, parts: list[torch.Tensor]) -> torch.Tensor:
        return join(parts)


@dataclass(frozen=True)
class ComputedBlocks:
    """What the network gave for n images: for each block rows and their values."""

    n: int
    values: dict[str, tuple[list[int], torch.Tensor]]


class BlocksJob(ViewJob):
    """Rows of all blocks, each a unit vector or zero.

    What is in blocks that are not wanted is left open: zero, or what came for free.

    Parameters
    ----------
    blocks : BlockExtractor
    """

    def __init__(self, blocks: BlockExtractor) -> None:
        names, state = list(blocks.state.widths), blocks.state
        together = -(-_PROJECTED // max(1, len(state.objectives)))
        size = max(blocks.items_at_once(names), together)
        super().__init__(blocks, names, batch_size=size, width=state.width)

    def _compute(self, loaded: LoadedViews) -> ComputedBlocks:
        blocks, values = self._blocks, {}
        plain = blocks.cutter.plain
        for name, found in self._of_shared(loaded).items():
            values[name] = loaded.views[EMBEDDING][0], join(found)
        for name in blocks.state.objectives:
            if name in plain or name not in loaded.views:
                continue
            rows = loaded.views[name][0]
            for block, found in self._of_views(name, loaded).items():
                values[block] = rows, join(found)
        return ComputedBlocks(loaded.n, values)

    def _of_views(
        self, name: str, loaded: LoadedViews
    ) -> dict[str, list[torch.Tensor]]:
        """The gradient, if it is wanted, and mean embedding of an objective's views."""
        blocks = self._blocks
        means = [b for b, of in blocks.state.view_blocks.items() if of == name]
        found: dict[str, list[torch.Tensor]] = {}
        for views in self._groups(name, loaded):
            if name in loaded.blocks:
                (g,), _, embeddings = self.run.gradients(views, [blocks.tasks[name]])
                found.setdefault(name, []).append(scaled(g))
            else:
                embeddings = self.run.embed(views)
            for block in means:
                found.setdefault(block, []).append(unit_mean(embeddings))
        return found

    def _of_shared(self, loaded: LoadedViews) -> dict[str, list[torch.Tensor]]:
        """The embedding and the objectives that share its forward."""
        plain = self._blocks.cutter.plain
        tasks = [self._blocks.tasks[name] for name in plain]
        found: dict[str, list[torch.Tensor]] = {}
        for views in self._groups(EMBEDDING, loaded):
            if tasks:
                gradients, _, embeddings = self.run.gradients(views, tasks)
                for name, g in zip(plain, gradients):
                    found.setdefault(name, []).append(scaled(g))
            else:
                embeddings = self.run.embed(views)
            found.setdefault(EMBEDDING, []).append(unit(embeddings[:, 0]))
        return found

    def _rows(self, parts: list[ComputedBlocks]) -> torch.Tensor:
        blocks, first = self._blocks, 0
        slices = blocks.state.slices
        n = sum(part.n for part in parts)
        out = torch.zeros(n, self.width, device=blocks.device)
        places, gradients = [], []
        for part in parts:
            for name in blocks.state.objectives:
                if name in part.values:
                    rows, values = part.values[name]
                    places.append(([first + row for row in rows], slices[name]))
                    gradients.append(values)
            for name in (*blocks.state.view_blocks, EMBEDDING):
                if name in part.values and name in slices:
                    rows, values = part.values[name]
                    put(out, [first + row for row in rows], slices[name], values)
            first += part.n
        if gradients:
            # One product for the gradients of all objectives: R is read once.
            projected = unit(blocks.projection(join(gradients)))
            start = 0
            for rows, columns in places:
                put(out, rows, columns, projected[start : start + len(rows)])
                start += len(rows)
        return out
