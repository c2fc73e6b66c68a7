"""What an objective is: views of one item and a loss of their latents."""

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator

from ...utils._parameters import ParamsMixin

if TYPE_CHECKING:
    import torch

    from ..views import Frame

    Views = torch.Tensor | list[torch.Tensor]


class Objective(ParamsMixin, BaseEstimator):
    """Base class of the self-supervised objectives; derive your own from it.

    An objective says which views of an image, text or sound the backbone sees, through
    which random linear heads their embeddings go, and what the loss of the resulting
    latents is. :class:`~skknn.FungiTransformer` does the rest of FUNGI [1]_: forwards,
    the gradient of one layer, projection, cache. An objective holds parameters only;
    what is drawn for it at ``fit`` is kept by the transformer.

    Notes
    -----
    A subclass sets :attr:`name`, takes ``head_dim`` (or overrides
    :meth:`head_dims`) and writes :meth:`loss`. It either sets ``plain_view = True``,
    and then shares the forward of the embedding, or says what its views are: by
    :meth:`views` from one PIL image, or by :meth:`cut` from the pixels of several
    images, where tensor operations will do; then an accelerator cuts them. Of a text,
    :meth:`views` gives strings, of a sound arrays as ``frame.inputs`` gives them; as
    many as of every other. With ``n_bank_images`` above 0 the latents of that many
    training items are handed to the loss, as they are or as :meth:`make_bank`
    condenses them.

    Rows are cached under the parameters, the code of the class, and what views, bank
    and loss do with a fixed picture and fixed latents; :attr:`version` may be raised
    besides. A loss or views that use chance are not cached.

    References
    ----------
    .. [1] W. Simoncini, S. Gidaris, A. Bursuc, Y. M. Asano, "No Train, all Gain:
       Self-Supervised Gradients Improve Deep Frozen Representations", NeurIPS 2024.
       https://arxiv.org/abs/2407.10964

    Examples
    --------
    >>> from skknn.gradients import Objective
    >>> class Loudness(Objective):
    ...     name = "loudness"
    ...     plain_view = True
    ...
    ...     def __init__(self, head_dim=16):
    ...         self.head_dim = head_dim
    ...
    ...     def loss(self, latents, bank):
    ...         return latents[:, 0].square().sum(dim=1)
    >>> Loudness(head_dim=8).head_dims()
    {'head': 8}
    """

    # Of scikit-learn's validation; a subclass may say what its parameters may be.
    _parameter_constraints: dict = {}

    #: What the objective goes by, and its block.
    name: str = "objective"
    #: Raised when rows change for a reason that neither parameters nor source show.
    version: int = 1
    #: Whether the embedding is L2-normalised before the head (F Algorithm 1, A.5).
    normalize_embedding: bool = True
    #: True: the one view is the item as the embedding sees it.
    plain_view: bool = False
    #: What its views are of ("image", "text", "sound"); None where any item will do.
    modalities: tuple[str, ...] | None = None

    head_dim: int

    def __init__(self) -> None:
        # Without it the signature would be that of the mixin's ``__new__``.
        super().__init__()

    @property
    def n_bank_images(self) -> int:
        """Training items whose latents the loss needs (SimCLR's negatives)."""
        return 0

    @property
    def n_bank_views(self) -> int | None:
        """How many of the first views of each of them; None is all."""
        return None

    def head_dims(self) -> dict[str, int]:
        """Return the output dimension of every head, by name."""
        return {"head": self.head_dim}

    def draw(self, rng: np.random.Generator) -> Any:
        """Draw once, at ``fit``, what views need (crop boxes); plain numpy or None.

        Parameters
        ----------
        rng : numpy.random.Generator
            Seeded by ``random_state`` and :attr:`name`.
        """
        return None

    def views(self, item: Any, /, frame: Any, drawn: Any) -> Any:
        """Cut the views from one decoded item; called in threads.

        By default those of :meth:`cut`.

        Parameters
        ----------
        item : PIL.Image.Image, str or Sound
            8-bit RGB, the text, or an object with ``samples`` and ``rate``.
        frame : skknn.gradients.views.Frame, TextFrame or SoundFrame
            The model's input size and the resizing to use; of texts, how long views
            may be; of sounds, what makes the network's windows of them.
        drawn : object
            What :meth:`draw` returned.

        Returns
        -------
        views : uint8 tensor of shape (V, 3, h, w), or list of them
            Several tensors where sizes differ; their views count through. Of a text a
            list of V strings, of a sound V arrays as ``frame.inputs`` gives them.
        """
        views = self.cut(frame.pixels(item)[None], frame, drawn)
        return [v[0] for v in views] if isinstance(views, (list, tuple)) else views[0]

    def cut(self, pixels: "torch.Tensor", frame: "Frame", drawn: Any) -> "Views":
        """Cut the views from decoded images of one size, on whatever device they are.

        The bytes must not depend on the device, nor an image's on the others:
        ``frame`` resizes so.

        Parameters
        ----------
        pixels : uint8 tensor of shape (n, 3, H, W)
        frame : Frame
            As in :meth:`views`.
        drawn : object
            What :meth:`draw` returned.

        Returns
        -------
        views : uint8 tensor of shape (n, V, 3, h, w), or list of them
        """
        raise NotImplementedError(
            f"{type(self).__name__} defines neither views() nor cut()."
        )

    def expand(self, views: Any, frame: "Frame") -> "Views":
        """Return the views as the network sees them, from what :meth:`views` gave.

        Overridden where many views follow from little data, so that waiting
        images stay small in memory. Called for several images at once, with tensors
        on the device.

        Parameters
        ----------
        views : uint8 tensor of shape (n, V, 3, h, w), or list of them
            What :meth:`views` returned for n images, stacked.
        frame : Frame
            As in :meth:`views`.

        Returns
        -------
        views : uint8 tensor of shape (n, V', 3, h', w'), or list of them
        """
        return views

    def make_bank(
        self, latents: "torch.Tensor", rng: np.random.Generator
    ) -> "torch.Tensor":
        """Condense the latents of the bank images, once; the same by default.

        Parameters
        ----------
        latents : float64 tensor of shape (K, head_dim)
            One row a view, before any normalisation.
        rng : numpy.random.Generator

        Returns
        -------
        tensor
        """
        return latents

    def loss(self, latents: Any, bank: "torch.Tensor | None") -> "torch.Tensor":
        """Return one loss for each image.

        Parameters
        ----------
        latents : tensor of shape (n, V, head_dim), or dict of them
            By head name when there is more than one head.
        bank : tensor or None
            What :meth:`make_bank` returned; None without bank images.

        Returns
        -------
        tensor of shape (n,)
            Entry i must depend on the latents of image i only.
        """
        raise NotImplementedError(f"{type(self).__name__} defines no loss().")


def check_scale(name: str, scale: Any) -> tuple[float, float]:
    """Return a (low, high) range of area fractions.

    Raises
    ------
    ValueError
        Unless 0 < low <= high <= 1.
    """
    values = np.asarray(scale, dtype=float)
    if values.shape != (2,) or not 0 < values[0] <= values[1] <= 1:
        raise ValueError(
            f"{name}={scale!r} must be (low, high) with 0 < low <= high <= 1, the "
            "fraction of the image's area that a crop covers."
        )
    return float(values[0]), float(values[1])
