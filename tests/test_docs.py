"""Documentation is complete: every public name, parameter and fitted attribute."""

import doctest
import inspect
import re
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits
from sklearn.preprocessing import FunctionTransformer

import skknn
import skknn.datasets
import skknn.folders
import skknn.inspection
import skknn.metrics
from skknn import (
    BackboneEmbedder,
    BlockWeights,
    DenseEmbedder,
    FineTunedJointClassifier,
    FungiTransformer,
    InContextSegmenter,
    JointKNNClassifier,
    JointKNNClassifierCV,
    KNNWeightedLogisticRegression,
    NeighborSearchCV,
    SimCLRObjective,
    SoftKNNClassifier,
)
from skknn.gradients import Objective
from skknn.modalities import BadImageError, BadSoundError, BadTextError

#: Projects whose names link to their sites.
OTHERS = ("sklearn", "numpy", "torch", "timm", "joblib", "pickle")
API = Path(__file__).parent.parent / "docs" / "api.rst"


def public_names():
    """Name below ``skknn`` -> class or function, of everything exported."""
    found = {}
    modules = (skknn, skknn.inspection, skknn.datasets, skknn.metrics, skknn.folders)
    for module in modules:
        for name in module.__all__:
            if module is not skknn and name in skknn.__all__:
                continue
            thing = getattr(module, name)
            if inspect.isclass(thing) or inspect.isfunction(thing):
                prefix = module.__name__.removeprefix("skknn").removeprefix(".")
                found[f"{prefix}.{name}".lstrip(".")] = thing
    # The base of objectives of one's own, and what to catch.
    return found | {
        "gradients.Objective": Objective,
        "modalities.BadImageError": BadImageError,
        "modalities.BadSoundError": BadSoundError,
        "modalities.BadTextError": BadTextError,
    }


PUBLIC = public_names()
CLASSES = {name: thing for name, thing in PUBLIC.items() if inspect.isclass(thing)}


def sections(text):
    """numpydoc sections of a docstring: title -> lines, the rest under ""."""
    lines = inspect.cleandoc(text or "").splitlines()
    out, title = {"": []}, ""
    for line, following in zip(lines, [*lines[1:], ""]):
        if following and set(following) == {"-"} and len(following) == len(line):
            title = line
            out[title] = []
        elif not (line and set(line) == {"-"}):
            out[title].append(line)
    return out


def entries(text, title):
    """Names that a section describes, each with whether a type and a text follow."""
    names, current = {}, []
    for line in sections(text).get(title, []):
        if not line.strip():
            continue
        if line.startswith(" "):
            for name in current:
                names[name] = True
        else:
            head, _, kind = line.partition(" : ")
            current = [name.strip() for name in head.split(",")]
            names |= dict.fromkeys(current, bool(kind))
    return names


def arguments(function):
    """Names of a function's parameters as numpydoc writes them."""
    stars = {
        inspect.Parameter.VAR_POSITIONAL: "*",
        inspect.Parameter.VAR_KEYWORD: "**",
    }
    return [
        stars.get(parameter.kind, "") + name
        for name, parameter in inspect.signature(function).parameters.items()
        if name not in ("self", "cls")
    ]


def check_parameters(where, text, function):
    assert text and text.strip(), f"{where} has no docstring"
    described = entries(text, "Parameters")
    expected = arguments(function)
    missing = [name for name in expected if name not in described]
    surplus = [name for name in described if name not in expected]
    assert not missing and not surplus, (
        f"{where}: parameters without description {missing}, described but not there "
        f"{surplus}"
    )
    empty = [name for name, said in described.items() if not said]
    assert not empty, f"{where}: nothing is said about {empty}"
    lines = [line for line in sections(text).get("Parameters", []) if line.strip()]
    untyped = [line for line in lines if line[0] not in " *" and " : " not in line]
    assert not untyped, f"{where}: no type is given for {untyped}"


def own_methods(cls):
    """Name -> (function, how it is defined) of public methods of this package."""
    found = {}
    for name in dir(cls):
        if name.startswith("_"):
            continue
        raw = inspect.getattr_static(cls, name)
        function = getattr(raw, "__func__", raw)
        function = getattr(function, "fget", function)
        module = getattr(inspect.unwrap(function), "__module__", None) or ""
        if callable(function) and module.startswith("skknn"):
            found[name] = function, raw
    return found


def test_the_reference_lists_every_public_name_and_no_other():
    if not API.is_file():
        pytest.skip("the documentation is not part of the wheel")
    listed = re.findall(r"^   ((?:\w+\.)*\w+)$", API.read_text(), re.MULTILINE)
    assert len(listed) == len(set(listed))
    assert sorted(listed) == sorted(PUBLIC)
    assert len(PUBLIC) >= 16


@pytest.mark.parametrize("name", PUBLIC)
def test_every_parameter_is_described(name):
    thing = PUBLIC[name]
    check_parameters(name, thing.__doc__, thing)


@pytest.mark.parametrize("name", CLASSES)
def test_every_method_is_described(name):
    methods = own_methods(CLASSES[name])
    for method, (function, raw) in methods.items():
        where = f"{name}.{method}"
        if isinstance(raw, property):
            described = entries(CLASSES[name].__doc__, "Attributes")
            assert function.__doc__ or method in described, f"{where} is not described"
        else:
            # An override without a docstring has that of the base, also in Sphinx.
            text = inspect.getdoc(getattr(CLASSES[name], method))
            check_parameters(where, text, inspect.unwrap(function))


@pytest.mark.parametrize("name", PUBLIC)
def test_everything_has_an_example_that_runs(name):
    text = PUBLIC[name].__doc__
    assert "Examples" in sections(text), f"{name} has no section Examples"
    examples = doctest.DocTestParser().get_examples(text)
    assert examples, f"{name} has no example"
    skipped = [e.source for e in examples if e.options.get(doctest.SKIP)]
    assert not skipped, f"{name}: nothing runs these examples: {skipped}"


def table():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(30, 3)), columns=list("abc"))
    return X, np.arange(30) % 3


def pictures():
    return np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), dtype="uint8")


def flat_pictures():
    return pd.DataFrame(pictures()[..., 0].reshape(6, -1)).add_prefix("p")


def embedder(**params):
    return BackboneEmbedder("test_resnet", weights=None, random_state=0, **params)


def fungi(**params):
    return FungiTransformer(
        "test_vit", weights=None, image_size=32, random_state=0, n_components=2,
        objectives=("kl", SimCLRObjective(n_views=4, n_negatives=2)), **params,
    )  # fmt: skip


def dense(**params):
    return DenseEmbedder(
        "test_vit", weights=None, image_size=32, random_state=0, **params
    )


def segmenter():
    masks = np.arange(6 * 32 * 32).reshape(6, 32, 32) // 512 % 2
    return InContextSegmenter(dense(), n_neighbors=3).fit(pictures(), masks)


def with_a_bad_image(transformer, folder):
    broken = folder / "broken.png"
    broken.write_bytes(b"not an image")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        transformer.fit(list(pictures())).transform([pictures()[0], str(broken)])
    return transformer


# Several fits where an attribute exists only with some settings or data.
FITTED = {
    "inspection.LabelAudit": [
        lambda _: skknn.inspection.LabelAudit(3).fit(*table()),
    ],
    "SoftKNNClassifier": [
        lambda _: SoftKNNClassifier(3).fit(*table()),
        lambda _: SoftKNNClassifier(3, algorithm="hnsw").fit(*table()),
    ],
    "KNNWeightedLogisticRegression": [
        lambda _: KNNWeightedLogisticRegression(9).fit(*table()),
    ],
    "JointKNNClassifier": [
        lambda _: JointKNNClassifier(9).fit(*table()),
        lambda _: JointKNNClassifier(9, knn_transformer=FunctionTransformer()).fit(
            *table()
        ),
    ],
    "JointKNNClassifierCV": [
        lambda _: JointKNNClassifierCV(cv=2).fit(*table()),
        lambda _: JointKNNClassifierCV(cv=2, knn_transformer=FunctionTransformer()).fit(
            *table()
        ),
    ],
    "NeighborSearchCV": [
        lambda _: NeighborSearchCV(SoftKNNClassifier(), {"k": [1, 3]}, cv=2).fit(
            *table()
        ),
    ],
    "BlockWeights": [lambda _: BlockWeights(blocks=[1, 2]).fit(*table())],
    "BackboneEmbedder": [
        lambda _: embedder().fit(flat_pictures()),
        lambda folder: with_a_bad_image(embedder(on_error="nan"), folder),
    ],
    "DenseEmbedder": [
        lambda _: dense().fit(flat_pictures()),
        lambda folder: with_a_bad_image(dense(on_error="nan"), folder),
    ],
    "FineTunedJointClassifier": [
        lambda _: FineTunedJointClassifier(
            "test_resnet", n_neighbors=2, epochs=1, weights=None, image_size=32
        ).fit(flat_pictures(), [0, 1] * 3)
    ],
    "InContextSegmenter": [lambda _: segmenter()],
    "FungiTransformer": [
        lambda _: fungi().fit(flat_pictures()),
        lambda folder: with_a_bad_image(fungi(on_error="nan"), folder),
    ],
}


def fitted_attributes(estimator):
    """Public names that end in an underscore and have a value."""
    names = {*vars(estimator), *dir(type(estimator))}
    return {
        name
        for name in names
        if name.endswith("_") and not name.startswith("_") and hasattr(estimator, name)
    }


@pytest.mark.parametrize("name", [n for n in CLASSES if hasattr(CLASSES[n], "fit")])
def test_every_fitted_attribute_is_described(name, tmp_path):
    described = set(entries(CLASSES[name].__doc__, "Attributes"))
    there = set()
    for fit in FITTED[name]:
        there |= fitted_attributes(fit(tmp_path))
    assert there - described == set(), "set by fit, but not described"
    assert described - there == set(), "described, but not set by these fits"
    assert there


def digits():
    X, y = load_digits(return_X_y=True)
    return X[:120] / 16, y[:120]


def search():
    grid = {"k": [1, 3], "tau": [0.1, 1]}
    return NeighborSearchCV(SoftKNNClassifier(), grid, cv=2).fit(*digits())


DISPLAYS = {
    "NeighborsDisplay": lambda cls, X, y: cls.from_estimator(
        SoftKNNClassifier(5).fit(X, y), X[0]
    ),
    "TuningDisplay": lambda cls, X, y: cls.from_cv_results(search().cv_results_),
    "HardExamplesDisplay": lambda cls, X, y: cls.from_estimator(
        JointKNNClassifier(5).fit(X, y)
    ),
    "PerClassDisplay": lambda cls, X, y: cls.from_predictions(y, {"right": y}),
    "BlockWeightsDisplay": lambda cls, X, y: cls.from_estimator(
        BlockWeights(blocks=2).fit(X, y)
    ),
    "CKADisplay": lambda cls, X, y: cls.from_features(
        X, {"left": slice(0, 32), "right": slice(32, 64)}
    ),
    "LearningCurveDisplay": lambda cls, X, y: cls.from_estimator(
        FineTunedJointClassifier(
            "test_resnet", n_neighbors=2, epochs=1, weights=None, image_size=32
        ).fit(X[:20], y[:20])
    ),
    "SegmentationDisplay": lambda cls, X, y: cls.from_estimator(
        segmenter(), pictures()[:1]
    ),
}


@pytest.mark.parametrize("name", [n for n in CLASSES if n.endswith("Display")])
def test_every_attribute_of_a_display_is_described(name):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    cls = CLASSES[name]
    display = DISPLAYS[name.split(".")[1]](cls, *digits()).plot()
    there = {attribute for attribute in vars(display) if attribute[0] != "_"}
    described = {
        title: set(entries(cls.__doc__, title))
        for title in ("Parameters", "Attributes")
    }
    assert there == described["Parameters"] | described["Attributes"]
    matplotlib.pyplot.close("all")


def test_a_fault_is_found():
    """The parser sees what it is there to see."""

    def documented(a, b=1, **more):
        """Do.

        Parameters
        ----------
        a, b : int
        **more
            Anything.

        Returns
        -------
        c : int
        """

    text = documented.__doc__
    check_parameters("it", text, documented)
    for wrong, message in [
        (text.replace("a, b : int", "a : int"), r"without description \['b'\]"),
        (text.replace("a, b : int", "a, b, z : int"), r"not there \['z'\]"),
        (text.replace("a, b : int", "a, b\n            Two."), "no type is given"),
        (text.replace("Anything.", ""), r"nothing is said about \['\*\*more'\]"),
        ("", "no docstring"),
        (None, "no docstring"),
    ]:
        with pytest.raises(AssertionError, match=message):
            check_parameters("it", wrong, documented)
    assert entries(text, "Returns") == {"c": True}


def test_names_of_other_projects_are_in_the_lists_of_the_site():
    """Else a reference would silently be no link: nothing is looked up in the net."""
    listed = set()
    for file in (API.parent / "_inventories").glob("*.txt"):
        kinds = [line.split() for line in file.read_text().splitlines()[3:]]
        assert all(len(entry) == 3 for entry in kinds), file
        listed |= {name for name, _, _ in kinds}
    used = set()
    root = API.parent.parent
    for file in [*(root / "docs").glob("*.rst"), *(root / "skknn").rglob("*.py")]:
        roles = re.findall(r":(?:class|func|mod|meth):`~?([\w.]+)`", file.read_text())
        used |= {name for name in roles if name.split(".")[0] in OTHERS}
    assert "sklearn.model_selection.GridSearchCV" in used
    assert used <= listed


def test_code_of_the_pages_fits_their_width():
    """At 1300 pixels between both side bars; a longer line would be cut off."""
    for file in API.parent.glob("*.rst"):
        for row, line in enumerate(file.read_text().splitlines(), 1):
            code = line.startswith((">>> ", "... ", "    ")) or line[:1] == "$"
            assert not code or len(line) <= 100, f"{file.name}:{row}: {line}"
