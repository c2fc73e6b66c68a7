"""Plain per-image float64 autograd and loops that the fast forms are checked by."""

import copy
import math

import numpy as np
import torch

# Tiny random models of every family: name, parameters, image size, further settings.
FAMILIES = {
    "vit_cls": ("test_vit", {}, 32),
    "vit_avg": (
        "vit_tiny_patch16_224",
        {
            "depth": 2,
            "embed_dim": 48,
            "num_heads": 3,
            "global_pool": "avg",
            "class_token": False,
        },
        48,
    ),
    "vit_reg": (
        "vit_tiny_patch16_224",
        {
            "depth": 2,
            "embed_dim": 48,
            "num_heads": 3,
            "reg_tokens": 4,
            "no_embed_class": True,
            "init_values": 1e-3,
        },
        48,
    ),
    "swin": (
        "swin_tiny_patch4_window7_224",
        {"embed_dim": 12, "depths": (1, 1), "num_heads": (1, 2)},
        56,
    ),
    "convnext": ("test_convnext", {}, 48),
    "resnet": ("test_resnet", {"zero_init_last": False}, 48),
    "efficientnet_lite": ("tf_efficientnet_lite0", {}, 48),
}


def noise_images(n, seed=0, shape=(60, 50)):
    """Smooth random photos, so that crops differ from each other."""
    from PIL import Image

    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (n, 9, 7, 3), dtype=np.uint8)
    return [
        Image.fromarray(image).resize(shape, Image.Resampling.BICUBIC)
        for image in coarse
    ]


def decoded(image):
    """A PIL image as the source of items gives it."""
    from skknn.modalities import as_images

    return as_images([image]).item(0)


def run_serially(job, images):
    """Rows of PIL images by a job, one call after the other."""
    rows = []
    with job.running() as start_thread:
        start_thread()
        for start in range(0, len(images), job.batch_size):
            part = images[start : start + job.batch_size]
            prepared = [job.prepare(decoded(image), None) for image in part]
            rows.append(job.collect(job.launch(prepared)))
    return np.concatenate(rows)


class SerialFungi:
    """Gradient features without the transformer around them: state, blocks, jobs."""

    def __init__(self, backbone, params=None, image_size=None, **kwargs):
        from skknn.backbones import build_extractor

        self.settings = {
            "objectives": ("kl", "dino", "simclr"),
            "layer": "auto",
            "projection_dim": None,
            "include_embedding": True,
            "view_size": None,
            "seed": 0,
        } | {k: v for k, v in kwargs.items() if k not in ("device", "precision")}
        self.batch_size = self.settings.pop("batch_size", "auto")
        self.backbone_ = build_extractor(
            backbone,
            weights=None,
            image_size=image_size,
            backbone_params=params,
            device=kwargs.get("device", "cpu"),
            precision=kwargs.get("precision", "auto"),
        )

    def fit(self, images):
        from skknn.gradients._blocks import BlockExtractor
        from skknn.gradients._jobs import LatentsJob
        from skknn.gradients._state import draw_state
        from skknn.gradients.objectives import resolve_objectives

        objectives = resolve_objectives(self.settings["objectives"])
        state = draw_state(self.backbone_, **self.settings | {"objectives": objectives})
        blocks = BlockExtractor(self.backbone_, state, batch_size=self.batch_size)
        for name, objective in objectives.items():
            if objective.n_bank_images > 0:
                chosen = [images[row] for row in state.bank_rows(name, len(images))]
                latents = run_serially(LatentsJob(blocks, name), chosen)
                state = state.with_bank(name, latents)
        self.use(state, blocks)
        return self

    def use(self, state, blocks=None):
        """Go on with another state."""
        self.state = state
        self.blocks = (blocks or self.blocks).with_state(state)
        self.layer_, self.feature_slices_ = state.layer, state.slices
        self.objectives_, self.heads_ = state.objectives, state.heads
        self.negatives_ = state.banks
        return self

    def transform(self, images):
        from skknn.gradients._jobs import BlocksJob

        return run_serially(BlocksJob(self.blocks), images)

    def gradients(self, images, name):
        from skknn.gradients._jobs import GradientsJob

        return run_serially(GradientsJob(self.blocks, name), images)

    def views(self, images, name):
        parts = [
            np.concatenate(self.blocks.views(decoded(image), name)) for image in images
        ]
        return np.stack(parts)

    def project(self, G):
        return self.blocks.project(np.asarray(G, dtype=np.float32))


def kl_loss(z, temperature):
    """KL(U || softmax(z / T)), summed over the entries one by one."""
    p = torch.softmax(z / temperature, -1)
    u = 1.0 / len(z)
    return sum(u * (math.log(u) - torch.log(p[j])) for j in range(len(z)))


def dino_loss(student, teacher, n_global, teacher_temperature, student_temperature):
    """Every pair of a teacher view and a student view, same view included."""
    loss = 0.0
    for t in range(n_global):
        target = torch.softmax(teacher[t].detach() / teacher_temperature, -1)
        for s in range(len(student)):
            log_p = torch.log_softmax(student[s] / student_temperature, -1)
            loss = loss - (target * log_p).sum()
    return loss


def simclr_loss(z, negatives, temperature):
    """Eq. 5 as its double sum over ordered pairs of positives."""
    z = z / z.norm(dim=1, keepdim=True)
    if len(negatives):
        negatives = negatives / negatives.norm(dim=1, keepdim=True)
    n = len(z)
    terms = []
    for i in range(n):
        others = torch.stack([z[i] @ z[k] for k in range(n) if k != i])
        if len(negatives):
            others = torch.cat([others, negatives @ z[i]])
        denominator = torch.exp(others / temperature).sum()
        for j in range(n):
            if j != i:
                terms.append(
                    -torch.log(torch.exp(z[i] @ z[j] / temperature) / denominator)
                )
    return torch.stack(terms).mean()


def reference_gradients(fungi, X, name):
    """dL/dW (and dL/db) of each image alone, by autograd in float64.

    ``fungi`` is a fitted FungiTransformer or :class:`SerialFungi`.
    """
    module = copy.deepcopy(fungi.backbone_.module).double().cpu()
    layer = module.get_submodule(fungi.layer_)
    layer.requires_grad_(True)
    parameters = [layer.weight] + ([layer.bias] if layer.bias is not None else [])
    objective = fungi.objectives_[name]
    views = fungi.views(X, name)
    rows = []
    for image in range(len(X)):
        x = torch.from_numpy(views[image]).double()
        e = module(x)
        if name == "kl":
            loss = kl_loss(
                _head(_only(fungi.heads_["kl"]), e / e.norm(dim=1, keepdim=True))[0],
                objective.temperature,
            )
        elif name == "dino":
            unit = e / e.norm(dim=1, keepdim=True)
            heads = fungi.heads_["dino"]
            loss = dino_loss(
                _head(heads["student"], unit),
                _head(heads["teacher"], unit),
                objective.n_global,
                objective.teacher_temperature,
                objective.student_temperature,
            )
        else:
            negatives = torch.from_numpy(fungi.negatives_["simclr"]).double()
            head = _only(fungi.heads_["simclr"])
            loss = simclr_loss(_head(head, e), negatives, objective.temperature)
        gradients = torch.autograd.grad(loss, parameters)
        parts = [gradients[0].flatten(1)] + [g[:, None] for g in gradients[1:]]
        rows.append(torch.cat(parts, dim=1).flatten().numpy())
    return np.array(rows)


def relative_error(ours, reference):
    """Largest over rows of |ours - reference| / |reference|."""
    ours = np.asarray(ours, dtype=np.float64)
    difference = np.linalg.norm(ours - reference, axis=1)
    return (difference / np.linalg.norm(reference, axis=1)).max()


def unit(rows):
    rows = np.asarray(rows, dtype=np.float64)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _only(heads):
    """The one head of an objective, alone or in a dict."""
    return next(iter(heads.values())) if isinstance(heads, dict) else heads


def _head(head, e):
    weight, bias = (torch.from_numpy(array).double() for array in head)
    return e @ weight.T + bias
