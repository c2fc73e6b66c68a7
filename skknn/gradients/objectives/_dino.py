"""Self-distillation between crops (DINO)."""

import numbers
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...utils._sklearn import Interval
from ..views import Frame, draw_boxes
from ._objective import Objective, check_scale

if TYPE_CHECKING:
    import torch


class DINOObjective(Objective):
    """Cross-entropy between a teacher on large crops and a student on all crops.

    The sum over the teacher's global crops and all of the student's crops, pairs of
    the same crop included, of the cross-entropy of softmax(teacher / T_t) and
    softmax(student / T_s). Both have a random head of their own; the teacher's side
    is not differentiated. Crop boxes are relative to the image, drawn once at
    ``fit``, and the same for every image. Sizes and numbers are those of FUNGI [1]_
    (F below).

    Parameters
    ----------
    n_global : int, default=2
        Large crops (F A.5, as the following).
    n_local : int, default=10
        Small crops; fewer are cheaper.
    global_scale : (low, high), default=(0.25, 1.0)
        Fraction of the image's area that a large crop covers.
    local_scale : (low, high), default=(0.05, 0.25)
        The same for a small crop.
    teacher_temperature : float, default=0.07
        Divides the teacher's latents; lower is sharper.
    student_temperature : float, default=0.1
        Divides the student's latents.
    head_dim : int, default=2048
        Outputs of each of the two random heads.

    See Also
    --------
    KLObjective, SimCLRObjective, FungiTransformer

    References
    ----------
    .. [1] W. Simoncini, S. Gidaris, A. Bursuc, Y. M. Asano, "No Train, all Gain:
       Self-Supervised Gradients Improve Deep Frozen Representations", NeurIPS 2024.
       https://arxiv.org/abs/2407.10964

    Examples
    --------
    >>> from skknn import DINOObjective
    >>> DINOObjective(n_local=4)
    DINOObjective(n_local=4)
    """

    name = "dino"
    modalities = ("image",)

    _param_remedies = {
        "n_global": "Use at least 1 global crop, which the teacher sees; 2 is "
        "published.",
        "n_local": "Use a number of local crops from 0 on; 10 is published.",
        "global_scale": "Use (smallest, largest) shares of the image's area, such as "
        "(0.25, 1.0).",
        "local_scale": "Use (smallest, largest) shares of the image's area, such as "
        "(0.05, 0.25).",
        "teacher_temperature": "Use a positive number; 0.07 is published.",
        "student_temperature": "Use a positive number; 0.1 is published.",
        "head_dim": "Use at least 2 classes of the random head; 2048 is published.",
    }
    _parameter_constraints = {
        "n_global": [Interval(numbers.Integral, 1, None, closed="left")],
        "n_local": [Interval(numbers.Integral, 0, None, closed="left")],
        "global_scale": [tuple, list],
        "local_scale": [tuple, list],
        "teacher_temperature": [Interval(numbers.Real, 0, None, closed="neither")],
        "student_temperature": [Interval(numbers.Real, 0, None, closed="neither")],
        "head_dim": [Interval(numbers.Integral, 2, None, closed="left")],
    }

    def __init__(
        self,
        n_global: int = 2,
        n_local: int = 10,
        global_scale: tuple[float, float] = (0.25, 1.0),
        local_scale: tuple[float, float] = (0.05, 0.25),
        teacher_temperature: float = 0.07,
        student_temperature: float = 0.1,
        head_dim: int = 2048,
    ) -> None:
        self.n_global = n_global
        self.n_local = n_local
        self.global_scale = global_scale
        self.local_scale = local_scale
        self.teacher_temperature = teacher_temperature
        self.student_temperature = student_temperature
        self.head_dim = head_dim

    def head_dims(self) -> dict[str, int]:
        return {"student": self.head_dim, "teacher": self.head_dim}

    def draw(self, rng: np.random.Generator) -> dict[str, NDArray[np.float64]]:
        large = check_scale("global_scale", self.global_scale)
        small = check_scale("local_scale", self.local_scale)
        return {
            "global": draw_boxes(rng, self.n_global, large),
            "local": draw_boxes(rng, self.n_local, small),
        }

    def cut(
        self, pixels: "torch.Tensor", frame: Frame, drawn: Any
    ) -> "list[torch.Tensor]":
        large = frame.crops(pixels, drawn["global"], frame.size)
        small = frame.crops(pixels, drawn["local"], frame.view_size)
        return [large, small] if self.n_local else [large]

    def loss(
        self, latents: "dict[str, torch.Tensor]", bank: "torch.Tensor | None"
    ) -> "torch.Tensor":
        teacher = latents["teacher"][:, : self.n_global].detach()
        # The loss is linear in the teacher's probabilities, so they are summed first.
        target = (teacher / self.teacher_temperature).softmax(-1).sum(1, keepdim=True)
        student = (latents["student"] / self.student_temperature).log_softmax(-1)
        return -(target * student).sum((1, 2))
