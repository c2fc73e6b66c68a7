"""Images -> unit rows of projected gradients and embeddings, block by block."""

import numpy as np
import torch
from PIL import Image

from ._engine import GradientEngine, Task
from ._heads import generator
from ._projection import SignProjection

EMBEDDING = "embedding"
_BUFFER_BYTES = 256 * 2**20


class BlockExtractor:
    """All objectives of a fitted transformer at work on one backbone.

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
        self.engine = GradientEngine(extractor, layer, batch_size)
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
    def width(self):
        return sum(self.widths.values())

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

    def n_views(self, name):
        """Return the number of views of an objective."""
        blank = Image.new("RGB", self.frame.size[::-1])
        return sum(len(part) for part in self.views(name, self.prepare(blank, [name])))

    def views(self, name, prepared):
        """Return one image's views of an objective: list of uint8 (V_k, 3, h, w)."""
        objective = self.objectives[name]
        if objective.plain_view:
            return [prepared[EMBEDDING][None]]
        views = objective.expand(prepared[name], self.frame)
        return list(views) if isinstance(views, (list, tuple)) else [views]

    def compute(self, prepared, missing=None):
        """Return rows of all blocks, each block a unit vector or zero.

        Parameters
        ----------
        prepared : list of what :meth:`prepare` gave
        missing : list of set of str, optional
            Blocks wanted of each image; the others are left 0.

        Returns
        -------
        ndarray of shape (n, width), float32
        """
        n = len(prepared)
        if missing is None:
            missing = [set(self.widths)] * n
        out = np.zeros((n, self.width), dtype=np.float32)
        shared = [*self.plain, EMBEDDING]
        self._fill(out, prepared, self._rows(missing, shared), self.plain)
        for name in self.objectives:
            if name not in self.plain:
                self._fill(out, prepared, self._rows(missing, [name]), [name])
        return out

    def gradients(self, name, prepared):
        """Return unprojected gradients (n, m), float32, of an objective."""
        out = np.empty((len(prepared), self.engine.size), dtype=np.float32)
        for rows, (gradients,), (exponents,), _ in self._groups(
            prepared, range(len(prepared)), [name]
        ):
            for row, g, exponent in zip(rows, gradients.cpu(), exponents):
                out[row] = torch.ldexp(g, torch.tensor(exponent)).numpy()
        return out

    def latents(self, name, prepared):
        """Return latents (n, V * head_dim), float32, of an objective's one head."""
        task, rows = self.tasks[name], []
        for item in prepared:
            views = [part[None] for part in self.views(name, item)]
            embeddings = self._retry(self.engine.embed, views)
            latents = task.latents(embeddings.to(task.device, torch.float64))
            rows.append(latents.flatten().cpu().numpy())
        return np.asarray(rows, dtype=np.float32)

    def _rows(self, missing, names):
        return [i for i, wanted in enumerate(missing) if wanted.intersection(names)]

    def _fill(self, out, prepared, rows, names):
        """Compute the blocks of objectives that share their views."""
        step = max(1, _BUFFER_BYTES // (4 * self.engine.size * max(1, len(names))))
        for start in range(0, len(rows), step):
            part = rows[start : start + step]
            buffers = [
                torch.empty(len(part), self.engine.size, device=self.extractor.device)
                for _ in names
            ]
            place = 0
            for group, gradients, _, embeddings in self._groups(prepared, part, names):
                for buffer, g in zip(buffers, gradients):
                    # Gradients may be as small as 1e-12 of the slopes.
                    buffer[place : place + len(group)] = g / _largest(g)
                place += len(group)
                if EMBEDDING in self.widths and names == self.plain:
                    rows_e = embeddings[:, 0].float()
                    out[group, self.slices[EMBEDDING]] = _unit(rows_e)
            for name, buffer in zip(names, buffers):
                out[part, self.slices[name]] = _unit(self.projection(buffer))

    def _groups(self, prepared, rows, names):
        """Yield (rows, gradients, exponents, embeddings) of one forward at a time."""
        rows = list(rows)
        while rows:
            first = self._views_of(names, prepared[rows[0]])
            n_views = sum(len(part) for part in first)
            group = rows[: self.engine.images_at_once(n_views)]
            views = (
                [
                    torch.stack(parts)
                    for parts in zip(
                        first,
                        *(self._views_of(names, prepared[row]) for row in group[1:]),
                    )
                ]
                if len(group) > 1
                else [part[None] for part in first]
            )
            try:
                if names:
                    done = self.engine(views, [self.tasks[name] for name in names])
                else:
                    done = [], [], self.engine.embed(views)
            except torch.OutOfMemoryError:
                self._halve()
                continue
            yield group, *done
            rows = rows[len(group) :]

    def _views_of(self, names, prepared):
        if names:
            return self.views(names[0], prepared)
        return [prepared[EMBEDDING][None]]

    def _retry(self, function, *args):
        while True:
            try:
                return function(*args)
            except torch.OutOfMemoryError:
                self._halve()

    def _halve(self):
        if self.engine.n_views == 1:
            raise
        self.engine.n_views //= 2
        if self.extractor.device.type == "cuda":
            torch.cuda.empty_cache()


def _largest(rows):
    largest = rows.abs().amax(1, keepdim=True)
    return torch.where(largest > 0, largest, 1)


def _unit(rows):
    """Return rows as unit vectors in numpy; zero rows stay zero."""
    rows = rows.cpu().double()
    rows = rows / _largest(rows)
    norms = rows.norm(dim=1, keepdim=True)
    return (rows / torch.where(norms > 0, norms, 1)).float().numpy()
