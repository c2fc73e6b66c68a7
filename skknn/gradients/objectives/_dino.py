"""Self-distillation between crops (DINO)."""

import numbers

from ...utils._sklearn import Interval
from ..views._images import draw_boxes
from ._objective import Objective, check_scale


class DINOObjective(Objective):
    """Cross-entropy between a teacher on large crops and a student on all crops.

    The sum over the teacher's global crops and all of the student's crops, pairs of
    the same crop included, of the cross-entropy of softmax(teacher / T_t) and
    softmax(student / T_s). Both have a random head of their own; the teacher's side
    is not differentiated. Crop boxes are relative to the image, drawn once at
    ``fit``, and the same for every image.

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
    student_temperature : float, default=0.1
    head_dim : int, default=2048

    See Also
    --------
    KLObjective, SimCLRObjective, FungiTransformer

    Examples
    --------
    >>> from skknn import DINOObjective
    >>> DINOObjective(n_local=4)
    DINOObjective(n_local=4)
    """

    name = "dino"

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
        n_global=2,
        n_local=10,
        global_scale=(0.25, 1.0),
        local_scale=(0.05, 0.25),
        teacher_temperature=0.07,
        student_temperature=0.1,
        head_dim=2048,
    ):
        self.n_global = n_global
        self.n_local = n_local
        self.global_scale = global_scale
        self.local_scale = local_scale
        self.teacher_temperature = teacher_temperature
        self.student_temperature = student_temperature
        self.head_dim = head_dim

    def head_dims(self):
        return {"student": self.head_dim, "teacher": self.head_dim}

    def draw(self, rng):
        large = check_scale("global_scale", self.global_scale)
        small = check_scale("local_scale", self.local_scale)
        return {
            "global": draw_boxes(rng, self.n_global, large),
            "local": draw_boxes(rng, self.n_local, small),
        }

    def views(self, image, frame, drawn):
        pixels = frame.pixels(image)
        large = frame.crops(pixels, drawn["global"], frame.size)
        small = frame.crops(pixels, drawn["local"], frame.view_size)
        return [large, small] if self.n_local else [large]

    def loss(self, latents, bank):
        teacher = latents["teacher"][:, : self.n_global].detach()
        # The loss is linear in the teacher's probabilities, so they are summed first.
        target = (teacher / self.teacher_temperature).softmax(-1).sum(1, keepdim=True)
        student = (latents["student"] / self.student_temperature).log_softmax(-1)
        return -(target * student).sum((1, 2))
