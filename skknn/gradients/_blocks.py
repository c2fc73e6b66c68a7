"""Images -> unit rows of projected gradients and embeddings, block by block."""

from contextlib import contextmanager

import numpy as np
import torch

from ..utils._threads import single_threaded_torch
from ._engine import GradientEngine, Task
from ._heads import generator
from ._projection import SignProjection

EMBEDDING = "embedding"
# Views a forward: what keeps a core's caches warm.
_VIEWS_ON_CPU = 4
# Gradients of so many images cost half as much to project as one by one.
_PROJECTED = 64


class BlockExtractor:
    """All objectives of a fitted transformer at work on one backbone.

    Like :class:`~skknn.backbones.Extractor` it splits the work: :meth:`work` is
    called in threads, on a CPU for the whole computation of one image, and
    :meth:`combine` projects the gradients of many images at once.

    Parameters
    ----------
    extractor : Extractor
    layer : str
    objectives : dict name -> Objective
    heads : dict name -> dict head name -> (weight, bias)
    drawn : dict name -> what ``Objective.draw`` gave
    banks : dict name -> ndarray of latents
    frame : Frame
    projection_dim, seed, batch_size : int
    include_embedding : bool

    Attributes
    ----------
    widths : dict block -> int
    slices : dict block -> slice
        Where a block is in a row.
    """

    def __init__(
        self,
        extractor,
        layer,
        objectives,
        heads,
        drawn,
        banks,
        frame,
        *,
        projection_dim,
        seed,
        batch_size,
        include_embedding,
    ):
        self.extractor, self.frame = extractor, frame
        self.objectives, self.drawn = objectives, drawn
        self.heavy_work = extractor.heavy_work
        self._batch_size = batch_size
        n_views = min(batch_size, _VIEWS_ON_CPU) if self.heavy_work else 8 * batch_size
        self.engine = GradientEngine(extractor, layer, n_views)
        self._try_view_size()
        self.projection = SignProjection(self.engine.size, projection_dim, seed)
        self.tasks = {
            name: Task(
                objective,
                heads[name],
                banks.get(name),
                generator(seed, "bank", name),
                extractor.device,
            )
            for name, objective in objectives.items()
        }
        self.widths = dict.fromkeys(objectives, projection_dim)
        if include_embedding:
            self.widths[EMBEDDING] = extractor.n_features
        self.plain = [name for name, o in objectives.items() if o.plain_view]
        stops = np.cumsum([0, *self.widths.values()])
        self.slices = {
            name: slice(int(low), int(high))
            for name, low, high in zip(self.widths, stops[:-1], stops[1:])
        }

    @property
    def batch_size(self):
        """Images under way at once: half of them are projected together."""
        return max(self._batch_size, -(-_PROJECTED // max(1, len(self.objectives))))

    @property
    def width(self):
        return sum(self.widths.values())

    @contextmanager
    def running(self):
        """Set up many calls of :meth:`work`; everything is undone at the end.

        Yields
        ------
        callable
            To be called once in every thread that will call :meth:`work`.
        """
        with self.engine.open(), single_threaded_torch(self.heavy_work) as start_thread:
            yield start_thread

    def work(self, image, names=None):
        """Prepare the wanted blocks of an image; on a CPU compute its gradients."""
        names = set(self.widths) if names is None else names
        prepared = self.prepare(image, names)
        if self.heavy_work:
            return self._differentiate([prepared], [names])[0]
        return prepared, names

    def combine(self, results):
        """Return rows of all blocks from what :meth:`work` gave for some images.

        Returns
        -------
        ndarray of shape (n, width), float32
            Each block a unit vector or zero; blocks not wanted are zero.
        """
        if not self.heavy_work:
            results = self._differentiate(*zip(*results))
        out = np.zeros((len(results), self.width), dtype=np.float32)
        # One product for the gradients of all objectives: R is read once.
        places, gradients = [], []
        for row, result in enumerate(results):
            for name in self.objectives:
                if name in result:
                    places.append((row, self.slices[name]))
                    gradients.append(result.pop(name))
            if EMBEDDING in result:
                out[row, self.slices[EMBEDDING]] = _unit(result.pop(EMBEDDING)[None])[0]
        if gradients:
            with self._one_thread():
                projected = _unit(self.projection(torch.stack(gradients)))
            for (row, part), values in zip(places, projected):
                out[row, part] = values
        return out

    @contextmanager
    def _one_thread(self):
        """On a CPU the other cores are busy with the next images."""
        before = torch.get_num_threads()
        if self.heavy_work:
            torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(before)

    def prepare(self, image, names=None):
        """Cut the views of one PIL image; called in threads.

        Parameters
        ----------
        image : PIL.Image.Image
        names : collection of str, optional
            The blocks that are wanted; all by default.
        """
        names = self.widths if names is None else names
        prepared = {}
        if any(name == EMBEDDING or name in self.plain for name in names):
            prepared[EMBEDDING] = self.extractor.prepare(image)
        for name in names:
            if name != EMBEDDING and name not in self.plain:
                views = self.objectives[name].views
                prepared[name] = views(image, self.frame, self.drawn[name])
        return prepared

    def views(self, name, prepared):
        """Return one image's views of an objective: list of uint8 (V_k, 3, h, w)."""
        objective = self.objectives[name]
        if objective.plain_view:
            return [prepared[EMBEDDING][None]]
        views = objective.expand(prepared[name], self.frame)
        return list(views) if isinstance(views, (list, tuple)) else [views]

    def gradient_work(self, image, name):
        """Do the work of :meth:`gradient_rows` in a thread."""
        prepared = self.prepare(image, [name])
        return self._gradients([prepared], name)[0] if self.heavy_work else prepared

    def gradient_rows(self, results, name):
        """Return unprojected gradients (n, m), float32, of an objective."""
        return np.stack(results if self.heavy_work else self._gradients(results, name))

    def latent_work(self, image, name):
        """Do the work of :meth:`latent_rows` in a thread."""
        prepared = self.prepare(image, [name])
        return self._latents(prepared, name) if self.heavy_work else prepared

    def latent_rows(self, results, name):
        """Return latents (n, V * head_dim), float32, of an objective's one head."""
        if not self.heavy_work:
            results = [self._latents(prepared, name) for prepared in results]
        return np.stack(results)

    def _try_view_size(self):
        if self.frame.view_size == self.frame.size:
            return
        blank = torch.zeros(1, 1, 3, *self.frame.view_size, dtype=torch.uint8)
        try:
            with self.engine.open():
                self.engine.embed([blank])
        except (AssertionError, RuntimeError, ValueError) as error:
            raise ValueError(
                f"view_size={self.frame.view_size} does not suit the backbone, whose "
                f"input size is {self.frame.size} ({error}). Use view_size=None, or "
                "a backbone that takes several sizes (a module: build timm's with "
                "dynamic_img_size=True)."
            ) from error

    def _gradients(self, prepared, name):
        out = []
        for _, (gradients,), (exponents,), _ in self._groups(
            prepared, range(len(prepared)), [name]
        ):
            for g, exponent in zip(gradients.cpu(), exponents):
                out.append(np.ldexp(g.numpy(), int(exponent)))
        return out

    def _latents(self, prepared, name):
        task = self.tasks[name]
        views = [part[None] for part in self.views(name, prepared)]
        embeddings = self.engine.embed(views)
        latents = task.latents(embeddings.to(task.device, torch.float64))
        return latents.flatten().float().cpu().numpy()

    def _differentiate(self, prepared, wanted):
        """Return for each image a dict: scaled gradients by name, the embedding."""
        out = [{} for _ in prepared]
        plain = [
            i for i, names in enumerate(wanted) if {EMBEDDING, *self.plain} & names
        ]
        for rows, gradients, _, embeddings in self._groups(prepared, plain, self.plain):
            for place, row in enumerate(rows):
                for name, g in zip(self.plain, gradients):
                    out[row][name] = _scaled(g[place])
                if EMBEDDING in self.widths:
                    out[row][EMBEDDING] = embeddings[place, 0].clone()
        for name in self.objectives:
            if name in self.plain:
                continue
            rows = [i for i, names in enumerate(wanted) if name in names]
            for group, (gradients,), _, _ in self._groups(prepared, rows, [name]):
                for g, row in zip(gradients, group):
                    out[row][name] = _scaled(g)
        return out

    def _groups(self, prepared, rows, names):
        """Yield (rows, gradients, exponents, embeddings) of one forward at a time.

        ``names`` share their views; none means that of the embedding.
        """
        rows = list(rows)
        while rows:
            first = self._views_of(names, prepared[rows[0]])
            group = rows[: self.engine.images_at_once(sum(map(len, first)))]
            rest = (self._views_of(names, prepared[row]) for row in group[1:])
            views = [torch.stack(parts) for parts in zip(first, *rest)]
            if names:
                yield group, *self.engine(views, [self.tasks[name] for name in names])
            else:
                yield group, [], [], self.engine.embed(views)
            rows = rows[len(group) :]

    def _views_of(self, names, prepared):
        if names:
            return self.views(names[0], prepared)
        return [prepared[EMBEDDING][None]]


def _scaled(gradient):
    """Bring the largest entry to 1: LayerScale may make gradients of 1e-12."""
    largest = gradient.abs().amax()
    return gradient / torch.where(largest > 0, largest, 1)


def _unit(rows):
    """Return rows as unit vectors in numpy; zero rows stay zero."""
    rows = rows.cpu().double()
    largest = rows.abs().amax(1, keepdim=True)
    rows = rows / torch.where(largest > 0, largest, 1)
    norms = rows.norm(dim=1, keepdim=True)
    return (rows / torch.where(norms > 0, norms, 1)).float().numpy()
