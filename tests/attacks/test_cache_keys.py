"""Networks and objectives that differ in any way never share cached rows."""

import functools
import sqlite3
import types
import warnings

import numpy as np
import pytest
import torch
from torch import nn

from skknn import BackboneEmbedder, FungiTransformer, KLObjective
from skknn.gradients import Objective

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (4, 40, 40, 3), dtype=np.uint8)


class Net(nn.Module):
    """Features that hang on anything kept as ``self.extra``."""

    def __init__(self, extra=None):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.conv = nn.Conv2d(3, 8, 3, stride=4)
        self.extra = extra

    def forward(self, x):
        return self.apply_extra(self.conv(x)).mean((2, 3))

    def apply_extra(self, x):
        return x if self.extra is None else self.extra(x)


class Times(Net):
    def apply_extra(self, x):
        extra = self.extra
        while isinstance(extra, dict | list):
            extra = extra["scale"] if isinstance(extra, dict) else extra[0]
        return x * torch.as_tensor(getattr(extra, "scale", extra)).to(x)


class Unregistered(Net):
    """A layer in a plain list is none of the module's parts."""

    def apply_extra(self, x):
        return self.extra[0](x)


def times(factor):
    def multiply(x):
        return factor * x

    return multiply


def with_default(scale):
    def multiply(x, factor=None):
        return factor * x

    multiply.__defaults__ = (torch.tensor(scale),)
    return multiply


def with_forward(scale):
    net = Net()
    factor = torch.tensor(scale)
    net.forward = lambda x: Net.forward(net, x) * factor
    # A copy would go on with the original's layers, which are the same here.
    return net


def decorated(scale):
    factor = np.float32(scale)

    def decorate(forward):
        @functools.wraps(forward)
        def decorated(self, x):
            return forward(self, x) * factor.item()

        return decorated

    class Decorated(Net):
        forward = decorate(Net.forward)

    return Decorated()


def with_class_attribute(scale):
    class Configured(Net):
        factor = torch.tensor(scale)

        def apply_extra(self, x):
            return x * self.factor

    return Configured()


def with_property(scale):
    table = {"factor": np.full(3, scale, np.float32)}

    class Configured(Net):
        factor = property(lambda self: float(table["factor"][1]))

        def apply_extra(self, x):
            return x * self.factor

    return Configured()


def with_global(scale):
    namespace = {"Net": Net, "helper": times(scale), "__name__": "typed"}
    exec(
        "class Typed(Net):\n    def apply_extra(self, x):\n        return helper(x)\n",
        namespace,
    )
    return namespace["Typed"]()


def with_hook(scale):
    net = Net()
    factor = torch.tensor(scale)
    net.conv.register_forward_hook(lambda part, args, out: out * factor)
    return net


def with_pre_hook(scale):
    net = Net()
    factor = torch.tensor(scale)
    net.register_forward_pre_hook(lambda part, args: (args[0] * factor,))
    return net


def with_parametrization(scale):
    class Scaled(nn.Module):
        def forward(self, weight):
            return weight * factor

    factor = torch.tensor(scale)
    net = Net()
    nn.utils.parametrize.register_parametrization(net.conv, "weight", Scaled())
    return net


def scripted(scale):
    net = Net()

    class Part(nn.Module):
        def __init__(self):
            super().__init__()
            self.table: dict[str, float] = {"scale": scale}

        def forward(self, x):
            return x * self.table["scale"]

    net.extra = torch.jit.script(Part())
    return net


class Flat(nn.Module):
    """A linear layer over channels of a map, kept where quantising finds it."""

    def __init__(self, scale):
        super().__init__()
        self.linear = nn.Linear(8, 8)
        with torch.no_grad():
            self.linear.weight.copy_(scale * torch.eye(8))
            self.linear.bias.zero_()

    def forward(self, x):
        return self.linear(x.movedim(1, -1)).movedim(-1, 1)


def traced(scale):
    return Net(
        torch.jit.trace(Flat(scale).requires_grad_(False), torch.ones(1, 8, 3, 3))
    )


def quantised(scale):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        part = torch.ao.quantization.quantize_dynamic(Flat(scale), {nn.Linear})
    return Net(part)


class Custom(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, factor):
        return x * factor

    @staticmethod
    def backward(ctx, grad):
        return grad, None


class Caller:
    def __init__(self, scale):
        self.scale = scale

    def __call__(self, x):
        return Custom.apply(x, self.scale)


def linear(scale):
    layer = nn.Conv2d(8, 8, 1)
    nn.init.constant_(layer.weight, scale)
    nn.init.zeros_(layer.bias)
    return layer.requires_grad_(False)


# name -> function of a scale, 1 or 1.01, that gives a module
WAYS = {
    "tensor": lambda s: Times(torch.tensor(s)),
    "array": lambda s: Times(np.float32([s])),
    "long array": lambda s: Times(np.full((8, 1, 1), s)),
    "dict of tensors": lambda s: Times({"scale": torch.tensor(s)}),
    "dict of numbers": lambda s: Times({"scale": s}),
    "nested": lambda s: Times([{"scale": [np.float64(s)]}]),
    "namespace": lambda s: Times(types.SimpleNamespace(scale=s)),
    "object": lambda s: Net(Caller(s)),
    "partial": lambda s: Net(functools.partial(torch.mul, s)),
    "closure": lambda s: Net(times(s)),
    "lambda": lambda s: Net(lambda x: s * x),
    "default argument": lambda s: Net(with_default(s)),
    "class attribute": with_class_attribute,
    "property": with_property,
    "forward replaced": with_forward,
    "forward decorated": decorated,
    "global of a typed class": with_global,
    "hook": with_hook,
    "pre-hook": with_pre_hook,
    "parametrization": with_parametrization,
    "scripted": scripted,
    "traced": traced,
    "quantised": quantised,
    "unregistered layer": lambda s: Unregistered([linear(s)]),
}


def embed(module, memory):
    embedder = BackboneEmbedder(module, memory=memory, image_size=32, device="cpu")
    return embedder.fit_transform(IMAGES)


def stored(folder):
    """How many rows there are, and how many behaviours."""
    counts = np.zeros(2, int)
    for path in folder.glob("rows-*.sqlite"):
        db = sqlite3.connect(path)
        counts += [
            db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("rows", "behaviours")
        ]
        db.close()
    return counts.tolist()


@pytest.mark.parametrize("way", WAYS)
def test_modules_that_differ(way, tmp_path):
    make = WAYS[way]
    for scale in (1.0, 1.01):
        np.testing.assert_array_equal(
            embed(make(scale), tmp_path), embed(make(scale), None)
        )
    assert np.abs(embed(make(1.01), None) - embed(make(1.0), None)).max() > 1e-3
    assert stored(tmp_path) == [8, 2]
    # The cache is still of use.
    embed(make(1.0), tmp_path)
    embed(make(1.01), tmp_path)
    assert stored(tmp_path) == [8, 2]


def test_activations_kept_as_attributes(tmp_path):
    rows = [embed(Net(act), tmp_path) for act in (torch.relu, torch.tanh, torch.abs)]
    for found, act in zip(rows, (torch.relu, torch.tanh, torch.abs)):
        np.testing.assert_array_equal(found, embed(Net(act), None))
    assert stored(tmp_path) == [12, 3]


def test_functions_that_are_nearly_equal(tmp_path):
    """Written down, because answers that differ this little may be rounding."""
    gelu = torch.nn.functional.gelu
    for approximate in ("none", "tanh"):
        net = Net(functools.partial(gelu, approximate=approximate))
        np.testing.assert_array_equal(embed(net, tmp_path), embed(net, None))


def test_hooks_on_a_fitted_backbone(tmp_path):
    embedder = BackboneEmbedder(
        "test_resnet", weights=None, random_state=0, image_size=64, memory=tmp_path
    ).fit(IMAGES)
    plain = embedder.transform(IMAGES)
    part = embedder.backbone_.module.layer1
    handle = part.register_forward_hook(lambda part, args, out: out.clamp_max(0.5))
    hooked = embedder.transform(IMAGES)
    assert np.abs(hooked - plain).max() > 1e-3
    handle.remove()
    np.testing.assert_array_equal(embedder.transform(IMAGES), plain)
    part.register_forward_hook(lambda part, args, out: None)
    # Nothing is changed: the rows are there.
    np.testing.assert_array_equal(embedder.transform(IMAGES), plain)


class Chancy(Net):
    def apply_extra(self, x):
        return x + torch.rand(())


class Counting(Net):
    calls = torch.zeros(())

    def apply_extra(self, x):
        Counting.calls += 1
        return x * Counting.calls


@pytest.mark.parametrize("kind", [Chancy, Counting])
def test_what_is_not_deterministic_is_not_cached(kind, tmp_path):
    for _ in range(2):
        with pytest.warns(UserWarning, match="other numbers for the same picture"):
            embed(kind(), tmp_path)
    assert stored(tmp_path) == [0, 0]


@pytest.mark.parametrize("switch", ["truncated images", "oneDNN"])
def test_switches_of_libraries_have_rows_of_their_own(switch, tmp_path, monkeypatch):
    from PIL import Image, ImageFile

    Image.fromarray(IMAGES[0]).resize((200, 200)).save(tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    embedder = BackboneEmbedder(Net(), memory=tmp_path / "rows", image_size=32)
    if switch == "oneDNN":
        embedder.fit_transform([tmp_path / "a.png"])
        with torch.backends.mkldnn.flags(enabled=False):
            embedder.transform([tmp_path / "a.png"])
        assert stored(tmp_path / "rows") == [2, 2]
        return
    (tmp_path / "a.png").write_bytes(data[: len(data) // 2])
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    embedder.fit_transform([tmp_path / "a.png"])
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", False)
    with pytest.raises(ValueError, match="a.png"):
        embedder.fit_transform([tmp_path / "a.png"])


# Objectives. Each way takes 1 or 1.01 and gives an objective of one name.


class Loudness(Objective):
    name = "loudness"
    plain_view = True
    _parameter_constraints = {}

    def __init__(self, head_dim=16):
        self.head_dim = head_dim

    def loss(self, latents, bank):
        return self.weigh(latents[:, 0]).square().sum(dim=1)

    def weigh(self, latents):
        return latents


class Weighted(Loudness):
    def __init__(self, weights, head_dim=16):
        self.weights, self.head_dim = weights, head_dim

    def weigh(self, latents):
        return latents + torch.as_tensor(np.ravel(self.weights[-16:])).to(latents)


def typed(source, **names):
    namespace = {"Loudness": Loudness, "torch": torch, "__name__": "typed"} | names
    exec(source, namespace)
    return namespace["Typed"]()


def inherits_from_an_edited_class(scale):
    return typed(
        "class Middle(Loudness):\n"
        f"    def weigh(self, latents): return latents ** 2 * {scale} + latents\n"
        "class Typed(Middle):\n    pass\n"
    )


def calls_a_global(scale):
    return typed(
        "class Typed(Loudness):\n"
        "    def weigh(self, latents): return latents ** 2 * helper(1) + latents\n",
        helper=lambda x: scale * x,
    )


def detached(scale):
    # The same loss, but for its gradient.
    return typed(
        "class Typed(Loudness):\n"
        "    def weigh(self, latents):\n"
        "        return latents + part(latents[:, :1]) ** 2\n",
        part=lambda x: x if scale == 1 else x.detach(),
    )


def cuts_elsewhere(scale):
    return typed(
        "class Typed(Loudness):\n"
        "    plain_view = False\n"
        "    def views(self, image, frame, drawn):\n"
        "        pixels = frame.pixels(image)\n"
        "        return shift(frame.resize(pixels[None], frame.size))\n",
        shift=lambda views: views.roll(int(scale > 1), -1),
    )


def condenses_otherwise(scale):
    return typed(
        "class Typed(Loudness):\n"
        "    n_bank_images = 3\n"
        "    def make_bank(self, latents, rng): return condense(latents)\n"
        "    def loss(self, latents, bank):\n"
        "        return (latents[:, 0] @ bank.mT).square().sum(1)\n",
        condense=lambda latents: (
            latents * latents.new_tensor([scale] + [1.0] * (latents.shape[1] - 1))
        ),
    )


def long_parameter(scale):
    weights = np.zeros(5000)
    weights[-3] = scale
    return Weighted(weights)


OBJECTIVES = {
    "inherits from an edited class": inherits_from_an_edited_class,
    "calls a global": calls_a_global,
    "other gradient of the same loss": detached,
    "cuts elsewhere": cuts_elsewhere,
    "condenses negatives otherwise": condenses_otherwise,
    "array parameter of 5,000": long_parameter,
    "list of arrays": lambda s: Weighted([*np.zeros((2000, 1)), *np.full((16, 1), s)]),
}


def fungi(objective, memory):
    return FungiTransformer(
        "test_vit",
        weights=None,
        image_size=32,
        objectives=(objective,),
        include_embedding=False,
        n_components=None,
        projection_dim=32,
        random_state=0,
        memory=memory,
        device="cpu",
    ).fit_transform(IMAGES)


@pytest.mark.parametrize("way", OBJECTIVES)
def test_objectives_that_differ(way, tmp_path):
    make = OBJECTIVES[way]
    for scale in (1.0, 1.01):
        np.testing.assert_array_equal(
            fungi(make(scale), tmp_path), fungi(make(scale), None)
        )
    assert np.abs(fungi(make(1.01), None) - fungi(make(1.0), None)).max() > 1e-5
    before = stored(tmp_path)
    fungi(make(1.0), tmp_path)
    assert stored(tmp_path) == before


def test_objectives_that_use_chance_are_not_cached(tmp_path):
    objective = typed(
        "class Typed(Loudness):\n"
        "    def weigh(self, latents): return latents * torch.rand_like(latents)\n"
    )
    with pytest.warns(UserWarning, match="other numbers for the same picture"):
        fungi(objective, tmp_path)
    assert stored(tmp_path) == [0, 0]


@pytest.mark.parametrize("what", ["loss", "normalize_embedding"])
def test_an_objective_of_ours_that_users_change(what, tmp_path, monkeypatch):
    objective = KLObjective(head_dim=16)
    before, usual = fungi(objective, tmp_path), KLObjective.loss

    def changed(self, latents, bank):
        return usual(self, latents * latents, bank)

    with monkeypatch.context() as patch:
        if what == "loss":
            patch.setattr(KLObjective, "loss", changed)
        else:
            patch.setattr(KLObjective, "normalize_embedding", False)
        found, expected = fungi(objective, tmp_path), fungi(objective, None)
    np.testing.assert_array_equal(found, expected)
    assert np.abs(found - before).max() > 1e-3
    np.testing.assert_array_equal(fungi(KLObjective(head_dim=16), tmp_path), before)
