"""benchmarks/reproduce_*.py on generated images, against plain computations."""

import re
import warnings

import numpy as np
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.neighbors import KNeighborsClassifier

from skknn import BackboneEmbedder, DINOObjective, FungiTransformer, SimCLRObjective

CLASSES = ("ash", "birch", "cedar")
TINY = ["test_vit", "--weights", "random", "--image-size", "32", "--n-jobs", "1"]


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Three classes that overlap: train 3 x 12, val 3 x 6, test 3 x 8."""
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for part, n in (("train", 12), ("val", 6), ("test", 8)):
        for code, name in enumerate(CLASSES):
            place = folder / part / name
            place.mkdir(parents=True)
            for i in range(n):
                mean = 90 + 35 * np.eye(3)[code] + rng.normal(0, 30, 3)
                pixels = rng.normal(mean, 40, (32, 32, 3)).clip(0, 255)
                Image.fromarray(pixels.astype(np.uint8)).save(place / f"{i}.png")
    return folder


@pytest.fixture(scope="module")
def two_parts(photos, tmp_path_factory):
    """The same without val."""
    folder = tmp_path_factory.mktemp("two_parts")
    for part in ("train", "test"):
        (folder / part).symlink_to(photos / part)
    return folder


def files_and_labels(folder):
    files = sorted(folder.glob("*/*.png"))
    return [str(f) for f in files], np.array([f.parent.name for f in files])


def table(text):
    """Rows of the printed table: name -> (ours, published, remark)."""
    lines = text.split("published\n")[1].splitlines()
    cells = [
        re.fullmatch(r"(.+?)\s+(\d+\.\d\d)\s+(not listed|[\d.]+)\s*(.*)", line)
        for line in lines
    ]
    return {cell[1]: (float(cell[2]), cell[3], cell[4]) for cell in cells}


def chosen(remark):
    pairs = dict(part.split("=") for part in remark.split(", "))
    return {k: v if v == "mean" else float(v) for k, v in pairs.items()}


def votes(A, y, B, k, tau, leave_one_out=False):
    """Soft votes (R, Eq. 1 and 2) row by row, in float64."""
    A, B = np.asarray(A, np.float64), np.asarray(B, np.float64)
    mean = A.mean(axis=0)
    A, B = (
        rows / np.linalg.norm(rows, axis=1)[:, None] for rows in (A - mean, B - mean)
    )
    k = round(len(A) / len(set(y))) if k == "mean" else int(k)
    out = np.zeros((len(B), len(CLASSES)))
    for i, row in enumerate(B):
        d = ((A - row) ** 2).sum(axis=1)
        if leave_one_out:
            d[i] = np.inf
        near = np.argsort(d, kind="stable")[:k]
        near = near[np.isfinite(d[near])]
        for j, share in zip(near, np.exp(-(d[near] - d[near[0]]) / tau)):
            out[i, CLASSES.index(y[j])] += share
    return out / out.sum(axis=1, keepdims=True)


def base(A, y, B, C, weights=None):
    """Probabilities of a logistic regression on centred, normalised rows."""
    A, B = np.asarray(A, np.float64), np.asarray(B, np.float64)
    mean = A.mean(axis=0)
    A, B = (
        rows / np.linalg.norm(rows, axis=1)[:, None] for rows in (A - mean, B - mean)
    )
    model = LogisticRegression(C=C, max_iter=5000, tol=1e-6)
    return model.fit(A, y, sample_weight=weights).predict_proba(B)


def own_votes(A, y, k, tau):
    own = votes(A, y, A, k, tau, leave_one_out=True)
    return own[np.arange(len(y)), [CLASSES.index(c) for c in y]]


def knn_weights(A, y, k, tau, alpha):
    p = own_votes(A, y, k, tau)
    with np.errstate(divide="ignore"):
        return 1 + alpha * np.minimum(-np.log(p), 100)


def accuracy(proba, y):
    return np.mean(np.array(CLASSES)[proba.argmax(axis=1)] == y)


def run_knn(script, folder, tmp_path, *more):
    command = [str(folder), *TINY, "--memory", str(tmp_path / "rows"), *more]
    script("reproduce_knn").main(command)


def test_grid_of_table_4(script):
    knn = script("reproduce_knn")
    assert knn.KS == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]
    assert len(knn.TAUS) == 21 and knn.TAUS[0] == 0.001 and knn.TAUS[-1] == 10
    assert knn.LAMBDAS[0] == 0.5 and knn.LAMBDAS[-1] == 0.95
    n_points = (len(knn.KS) + 1) * len(knn.TAUS) * len(knn.ALPHAS) * len(knn.LAMBDAS)
    assert n_points == 6930


def test_knn_follows_the_stages(script, two_parts, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(script("reproduce_knn"), "CS", [1, 100])
    monkeypatch.setattr(script("reproduce_knn"), "LAMBDAS", [0.5, 0.7, 0.95])
    monkeypatch.setattr(script("reproduce_knn"), "TAUS", [0.001, 0.1, 10])
    published = ["--published", "JOINT=61.25", "BASE=50"]
    run_knn(script, two_parts, tmp_path, *published)
    first = capsys.readouterr().out
    rows = table(first)
    knn = script("reproduce_knn")
    (files, y), (files_test, y_test) = (
        files_and_labels(two_parts / part) for part in ("train", "test")
    )
    embedder = BackboneEmbedder(
        "test_vit", weights=None, image_size=32, random_state=0, n_jobs=1
    )
    X, X_test = embedder.fit_transform(files), embedder.transform(files_test)
    _, _, splits = knn.tuning_data({"train": X}, {"train": y})
    assert len(splits) == 5

    # 1. k and tau by the votes alone: no point of the grid is better.
    def cv(scores_of):
        return np.mean([scores_of(a, b) for a, b in splits])

    def votes_score(k, tau):
        return cv(lambda a, b: accuracy(votes(X[a], y[a], X[b], k, tau), y[b]))

    joint = chosen(rows["JOINT"][2])
    k, tau = joint["k"], joint["tau"]
    ks = [k for k in knn.KS if k <= min(len(a) for a, _ in splits)] + ["mean"]
    best = max(votes_score(a, b) for a in ks for b in knn.TAUS)
    assert votes_score(k, tau) == pytest.approx(best, abs=1e-12)

    # 2. alpha and C by the base alone.
    def base_score(C, alpha):
        return cv(
            lambda a, b: accuracy(
                base(X[a], y[a], X[b], C, knn_weights(X[a], y[a], k, tau, alpha)), y[b]
            )
        )

    assert (joint["alpha"], joint["C"]) == tuple(
        map(chosen(rows["BASE'"][2]).get, ("alpha", "C"))
    )
    best = max(base_score(C, alpha) for C in knn.CS for alpha in knn.ALPHAS)
    assert base_score(joint["C"], joint["alpha"]) == pytest.approx(best, abs=1e-12)
    C = chosen(rows["BASE"][2])["C"]
    best = max(base_score(c, 0) for c in knn.CS)
    assert base_score(C, 0) == pytest.approx(best, abs=1e-12)

    # 3. Test accuracies of the chosen points.
    p_knn = votes(X, y, X_test, k, tau)
    plain = base(X, y, X_test, C)
    guided = base(X, y, X_test, joint["C"], knn_weights(X, y, k, tau, joint["alpha"]))
    inf = chosen(rows["JOINT-INF"][2])
    assert (inf["k"], inf["tau"], inf["C"]) == (k, tau, C)
    focal = chosen(rows["JOINT-focal"][2])
    hard = base(X, y, X_test, focal["C"], (1 - own_votes(X, y, k, tau)) ** 2)
    expected = {
        "k-NN": p_knn,
        "BASE": plain,
        "BASE'": guided,
        "JOINT-INF": inf["lambda"] * p_knn + (1 - inf["lambda"]) * plain,
        "JOINT": joint["lambda"] * p_knn + (1 - joint["lambda"]) * guided,
        "JOINT-focal": focal["lambda"] * p_knn + (1 - focal["lambda"]) * hard,
    }
    for name, proba in expected.items():
        assert rows[name][0] == pytest.approx(100 * accuracy(proba, y_test), abs=0.01)
    assert list(rows) == list(expected)

    # The paper's numbers are the user's, and what is not given is not made up.
    assert [rows[name][1] for name in ("BASE", "JOINT")] == ["50.00", "61.25"]
    assert {rows[n][1] for n in rows if n not in ("BASE", "JOINT")} == {"not listed"}

    # Again, from the cache.
    run_knn(script, two_parts, tmp_path, *published)
    assert table(capsys.readouterr().out) == rows


def test_knn_chooses_on_val_and_fits_on_both(
    script, photos, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(script("reproduce_knn"), "CS", [1])
    monkeypatch.setattr(script("reproduce_knn"), "LAMBDAS", [0.5])
    run_knn(script, photos, tmp_path, "--mean-per-class", "--per-class", "6")
    out = capsys.readouterr().out
    assert "36 training, 18 test images" in out and "1 splits" in out
    point = chosen(table(out)["k-NN"][2])
    knn = script("reproduce_knn")
    parts = script("_reproduce").load_set(photos, 6)
    embedder = BackboneEmbedder("test_vit", weights=None, image_size=32, random_state=0)
    X, V, T = (embedder.fit_transform(parts[p][0]) for p in ("train", "val", "test"))
    y, y_val, y_test = (parts[p][1] for p in ("train", "val", "test"))

    def score(k, tau):
        guess = votes(X, y, V, k, tau).argmax(axis=1)
        return balanced_accuracy_score(y_val, np.array(CLASSES)[guess])

    ks = [k for k in knn.KS if k <= len(y)] + ["mean"]
    best = max(score(k, tau) for k in ks for tau in knn.TAUS)
    assert score(**point) == pytest.approx(best, abs=1e-12)
    both, labels = np.concatenate([X, V]), np.concatenate([y, y_val])
    expected = accuracy(votes(both, labels, T, **point), y_test)
    assert table(out)["k-NN"][0] == pytest.approx(100 * expected, abs=0.01)


def test_fungi_rows_are_those_of_the_transformer(script, two_parts, tmp_path, capsys):
    fungi = script("reproduce_fungi")
    command = [
        str(two_parts), *TINY, "--memory", str(tmp_path), "--k", "7", "--shots", "3",
        "--k-few", "2", "--seeds", "2", "--n-local", "2", "--n-views", "9",
        "--n-negatives", "3", "--components", "none", "9",
        "--published", "full, 9, +K+D+S=12.5",
    ]  # fmt: skip
    fungi.main(command)
    rows = table(capsys.readouterr().out)
    (files, y), (files_test, y_test) = (
        files_and_labels(two_parts / part) for part in ("train", "test")
    )
    made = {
        "K": "kl",
        "D": DINOObjective(n_local=2),
        "S": SimCLRObjective(n_views=9, n_negatives=3),
    }
    names = ["embedding", "+K", "+D", "+S", "+K+D", "+K+S", "+D+S", "+K+D+S"]
    shots = script("_reproduce").draw_shots
    draws = [shots(y, 3, seed) for seed in range(2)]
    for kept in draws:
        assert [list(y[kept]).count(name) for name in CLASSES] == [3, 3, 3]
    assert not np.array_equal(*draws)
    for name in ("+K", "+D+S", "+K+D+S"):
        for components in ("none", "9"):
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                transformer = FungiTransformer(
                    "test_vit", weights=None, image_size=32, random_state=0, n_jobs=1,
                    memory=tmp_path / "reference",
                    objectives=[made[letter] for letter in name[1:].split("+")],
                    n_components=None if components == "none" else 9,
                )  # fmt: skip
                A = transformer.fit_transform(files)
                B = transformer.transform(files_test)
            full = KNeighborsClassifier(7).fit(A, y).score(B, y_test)
            few = [
                KNeighborsClassifier(2).fit(A[kept], y[kept]).score(B, y_test)
                for kept in draws
            ]
            label = f"{components}, {name}"
            assert rows[f"full, {label}"][0] == pytest.approx(100 * full, abs=0.01)
            ours = rows[f"3-shot, {label}"]
            assert ours[0] == pytest.approx(100 * np.mean(few), abs=0.01)
            assert f"{A.shape[1]} numbers, +-{100 * np.std(few):.2f} over" in ours[2]
    assert list(rows) == [
        f"{regime}, {components}, {name}"
        for regime in ("full", "3-shot")
        for components in ("none", "9")
        for name in names
    ]
    assert rows["full, 9, +K+D+S"][1] == "12.50"
    embedding = BackboneEmbedder(
        "test_vit", weights=None, image_size=32, random_state=0
    )
    A, B = embedding.fit_transform(files), embedding.transform(files_test)
    A, B = (rows_ / np.linalg.norm(rows_, axis=1)[:, None] for rows_ in (A, B))
    expected = KNeighborsClassifier(7).fit(A, y).score(B, y_test)
    assert rows["full, none, embedding"][0] == pytest.approx(100 * expected, abs=0.01)


def test_settings_of_the_paper_are_the_defaults(script):
    fungi, shared = script("reproduce_fungi"), script("_reproduce")
    args = shared.arguments("").parse_args(["somewhere"])
    args.n_local, args.n_views, args.n_negatives = 10, 49, 256
    args.objectives = ["kl", "dino", "simclr"]
    defaults = FungiTransformer(objectives=fungi.objectives(args)).get_params()
    assert {k: v for k, v in defaults.items() if k.startswith("objectives__")} == {
        k: v
        for k, v in FungiTransformer().get_params().items()
        if k.startswith("objectives__")
    }


def test_sets_that_will_not_do(script, photos, tmp_path):
    load = script("_reproduce").load_set
    with pytest.raises(SystemExit, match="is no data set: it needs folders train"):
        load(tmp_path)
    # val alone is the test part; a class that a part lacks shifts no label.
    (tmp_path / "train").symlink_to(photos / "train")
    (tmp_path / "val").mkdir()
    (tmp_path / "val" / "cedar").symlink_to(photos / "val" / "cedar")
    parts = load(tmp_path)
    assert list(parts) == ["train", "test"]
    assert set(parts["test"][1]) == {"cedar"}
    arrays = {"x_train": np.zeros((4, 8, 8, 3), "uint8"), "y_train": [0, 0, 1, 1]}
    arrays |= {"x_test": arrays["x_train"], "y_test": arrays["y_train"]}
    np.savez(tmp_path / "set.npz", **arrays)
    parts = load(tmp_path / "set.npz", per_class=1)
    assert parts["train"][0][0].shape == (8, 8, 3) and list(parts["test"][1]) == [0, 1]


def test_unknown_rows_of_the_paper_are_refused(script):
    with pytest.raises(SystemExit, match=r"--published names \['JIONT'\]"):
        script("_reproduce").print_table(
            "", [("JOINT", 0.5, "")], {}, [("JIONT", 50.0)]
        )


def parsed(script, name, *arguments):
    """Arguments of a script, as its ``main`` has them."""
    args = script("_reproduce").arguments("").parse_args(list(arguments))
    if name == "reproduce_fungi":
        args.k, args.k_few, args.shots = 20, 20, 5
    return args


@pytest.mark.parametrize(
    "name, data, backbone, row, number, table",
    [
        ("knn", "imagenet", "resnet50.tv_in1k", "JOINT", 76.52, "R Table 1"),
        ("knn", "sets/IN1K", "resnet50.tv_in1k", "k-NN", 72.65, "R Table 1"),
        (
            "fungi",
            "sets/Stanford-Cars",
            "deit_base_patch16_224.fb_in1k",
            "full, none, embedding",
            32.3,
            "F Table 9",
        ),
        (
            "fungi",
            "fgvc-aircraft",
            "vit_base_patch16_224.augreg_in21k",
            "5-shot, auto, +K+D+S",
            12.2,
            "F Table 1",
        ),
    ],
)
def test_published_numbers_are_found(script, name, data, backbone, row, number, table):
    name = f"reproduce_{name}"
    found = script(name).published(parsed(script, name, data, backbone))
    assert found[row][0] == number and found[row][1].startswith(table)


def test_the_user_says_what_names_do_not(script):
    args = ["x", "y", "--paper-data", "ImageNet"]
    args += ["--paper-backbone", "ViT-L/16, Supervised"]
    found = script("reproduce_knn").published(parsed(script, "reproduce_knn", *args))
    assert found["JOINT-INF"][0] == 80.41


def test_only_the_same_setting_has_a_published_number(script):
    knn = script("reproduce_knn")
    for arguments in (
        ["imagenet", "resnet50.a1_in1k"],  # other weights
        ["imagenet", "resnet50.tv_in1k", "--weights", "random"],
        ["flowers", "resnet50.tv_in1k"],  # R has no number
        ["folder", "resnet50.tv_in1k"],
    ):
        assert knn.published(parsed(script, "reproduce_knn", *arguments)) == {}
    fungi = script("reproduce_fungi")
    command = ["flowers102", "vit_base_patch16_224.augreg_in1k"]
    args = parsed(script, "reproduce_fungi", *command)
    found = fungi.published(args)
    assert {"full, none, embedding", "5-shot, auto, +K+D+S"} <= set(found)
    args.k, args.shots = 10, 3  # another protocol
    assert fungi.published(args) == {}


def test_names_of_the_table_are_known(script):
    """What names are matched with stands in the table: no typing error hides."""
    published = script("_published")
    lines = published.read()
    for column, names in (
        ("data", [name for some in published.DATA.values() for name in some]),
        ("backbone", published.BACKBONES.values()),
        ("pretrained", published.WEIGHTS.values()),
    ):
        assert set(names) <= {line[column] for line in lines}
    protocols = {line["protocol"] for line in lines}
    assert {"linear evaluation", "full, 20-NN", "5-shot, 20-NN"} <= protocols
