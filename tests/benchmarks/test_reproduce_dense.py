"""The benchmarks of segmentation and retrieval on generated images."""

import json
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from skknn import (
    DenseEmbedder,
    DINOObjective,
    FungiTransformer,
    InContextSegmenter,
    PatchSimCLRObjective,
)
from skknn.metrics import mean_average_precision, mean_iou


def write_pairs(images, masks, n, seed):
    rng = np.random.default_rng(seed)
    for folder in (images, masks):
        folder.mkdir(parents=True)
    for i in range(n):
        mask = np.zeros((48, 64), np.uint8)
        mask[:, int(rng.integers(10, 54)) :] = 1
        mask[:4] = 255
        pixels = np.where(mask[..., None] == 1, [200, 40, 40], [30, 60, 200])
        pixels = (pixels + rng.integers(-20, 20, pixels.shape)).astype(np.uint8)
        Image.fromarray(pixels).save(images / f"{i}.png")
        Image.fromarray(mask).save(masks / f"{i}.png")


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes")
    for part, n, seed in (("train", 4, 0), ("val", 2, 1)):
        write_pairs(folder / part / "images", folder / part / "masks", n, seed)
    return folder


def test_segmentation(script, scenes, capsys):
    settings = ["test_vit", "--weights", "random", "--image-size", "64"]
    settings += ["--rows", "40", "--augmentations", "0", "--peer"]
    script("reproduce_segmentation").main([str(scenes), *settings])
    out = capsys.readouterr().out
    paths = sorted((scenes / "val" / "images").iterdir())
    masks = [
        np.asarray(Image.open(f)) for f in sorted((scenes / "val/masks").iterdir())
    ]
    segmenter = InContextSegmenter(
        DenseEmbedder("test_vit", weights=None, image_size=(64, 64), random_state=0),
        max_patches=40,
        random_state=0,
    ).fit(*script("_segmentation_data").load_pairs(scenes, "train"))
    expected = mean_iou(masks, list(segmenter.predict(paths)), ignore_index=255)
    ours = float(re.search(r"40 rows \(40 kept\): mIoU ([\d.]+)", out)[1])
    assert ours == pytest.approx(100 * expected, abs=0.006)
    assert re.search(r"as the peer scores: [\d.]+", out)
    assert "memory 1024 x 1e2, Embeddings: 37.2" in out


def test_segmentation_with_gradients(script, scenes, capsys):
    settings = ["test_vit", "--weights", "random", "--image-size", "64"]
    settings += ["--rows", "40", "--augmentations", "0", "--support", "20"]
    settings += ["--gradients", "pairs", "--as-published"]
    script("reproduce_segmentation").main([str(scenes), *settings])
    out = capsys.readouterr().out
    images = sorted((scenes / "val" / "images").iterdir())
    masks = sorted((scenes / "val" / "masks").iterdir())
    objective = PatchSimCLRObjective(
        n_support=20, negatives="interleaved", denominator_temperature=False
    )
    segmenter = InContextSegmenter(
        DenseEmbedder(
            "test_vit",
            weights=None,
            image_size=(64, 64),
            gradients=objective,
            random_state=0,
        ),
        max_patches=40,
        random_state=0,
    ).fit(*script("_segmentation_data").load_pairs(scenes, "train"))
    expected = segmenter.score(images, masks)
    ours = float(re.search(r"40 rows \(40 kept\): mIoU ([\d.]+)", out)[1])
    assert ours == pytest.approx(100 * expected, abs=0.006)


def write_sequences(place):
    """Six training frames of two sequences, and two test frames."""
    for part, n, seed in (("train", 6, 0), ("test", 2, 1)):
        write_pairs(place / part / "images", place / part / "masks", n, seed)
    for folder in ("images", "masks"):
        for i in range(6):
            file = place / "train" / folder / f"{i}.png"
            file.rename(file.with_name(f"sequence{i % 2}_{i}.png"))


def test_search_on_held_out_sequences(script, tmp_path, capsys, monkeypatch):
    write_sequences(tmp_path)
    module = script("segmentation_search")
    small = {"backbone": "test_vit", "weights": None, "image_size": 64}
    gradients = {"gradients": PatchSimCLRObjective(n_support=20)}
    candidates = {"plain": small, "kernel": small | gradients}
    monkeypatch.setattr(module, "CANDIDATES", candidates)
    module.main([str(tmp_path), "--candidates", "plain", "kernel"])
    out = capsys.readouterr().out
    assert "6 training frames of 2 sequences" in out
    held_out = [float(x) for x in re.findall(r"held out ([\d.]+)", out)]
    assert len(held_out) == 4
    name, preprocessing, k, tau, test = re.search(
        r"chosen: (\w+), ([\w-]+), k = (\d+), tau = ([\d.]+); test ([\d.]+)", out
    ).groups()
    segmenter = InContextSegmenter(
        DenseEmbedder(random_state=0, **candidates[name]),
        n_neighbors=int(k),
        tau=float(tau),
        preprocessing=preprocessing,
        random_state=0,
    )
    load = script("_segmentation_data").load_pairs
    score = segmenter.fit(*load(tmp_path, "train")).score(*load(tmp_path, "test"))
    assert float(test) == pytest.approx(score, abs=6e-5)
    module.main([str(tmp_path), "--chosen", name, preprocessing, k, tau])
    assert f"test {score:.4f}" in capsys.readouterr().out


def test_settings_cross_validated_by_sequences(script, tmp_path, capsys, monkeypatch):
    pytest.importorskip("numba")
    write_sequences(tmp_path)
    module = script("segmentation_layers")
    sets = {"one": ["layer2", "layer3"], "all": ["layer2", "layer3", None]}

    def embedder_of(layers, size, memory):
        return DenseEmbedder(
            "test_resnet",
            weights=None,
            layer=layers,
            stride=8,
            image_size=size,
            random_state=0,
        )

    changes = {"LAYERS": sets["all"], "SETS": sets, "K": [2, 5], "TAUS": [0.02, 0.1]}
    for name, value in (changes | {"embedder_of": embedder_of}).items():
        monkeypatch.setattr(module, name, value)
    scores = tmp_path / "scores.json"
    run = [str(tmp_path), "--scores", str(scores)]
    module.main([*run, "--sizes", "32", "48"])
    module.main([*run, "--sizes", "32", "--bank", "flipped"])
    found = {
        key: np.array(value) for key, value in json.loads(scores.read_text()).items()
    }
    assert list(found) == ["32 plain", "48 plain", "32 flipped"]
    load = script("_segmentation_data").load_pairs
    images, masks = load(tmp_path, "train")
    for place, settings in (
        ((0, 0, 0, 1), {"n_neighbors": 2, "tau": 0.1, "preprocessing": "l2"}),
        ((1, 1, 1, 0), {"n_neighbors": 5, "tau": 0.02, "preprocessing": "l2-center"}),
    ):
        layers = list(sets.values())[place[0]]
        segmenter = InContextSegmenter(embedder_of(layers, 48, None), **settings)
        # Of sequences of three, the first and the others.
        first, second = (slice(0, 3), slice(3, 6))
        predicted = [
            *segmenter.fit(images[second], masks[second]).predict(images[first]),
            *segmenter.fit(images[first], masks[first]).predict(images[second]),
        ]
        truth = [np.asarray(Image.open(file)) for file in masks]
        expected = mean_iou(truth, predicted, ignore_index=255)
        assert found["48 plain"][place] == pytest.approx(expected, abs=1e-3)
    module.main([*run, "--test"])
    size, bank, name, preprocessing, k, tau, test = re.search(
        r"chosen: (\d+) (\w+) (\w+) ([\w-]+) (\d+) ([\d.]+)\ntest ([\d.]+)",
        capsys.readouterr().out,
    ).groups()
    plain = np.mean([found["32 plain"], found["48 plain"]], axis=0)
    best = np.unravel_index(plain.argmax(), plain.shape)
    assert (name, preprocessing) == (
        list(sets)[best[0]],
        module.PREPROCESSINGS[best[1]],
    )
    segmenter = InContextSegmenter(
        embedder_of(sets[name], int(size), None),
        n_neighbors=int(k),
        tau=float(tau),
        preprocessing=preprocessing,
        random_state=0,
    ).fit(*module.with_mirrored(images, masks, bank))
    score = segmenter.score(*load(tmp_path, "test"))
    assert float(test) == pytest.approx(score, abs=6e-5)


def test_few_shot_takes_part_of_the_images(script, scenes, capsys):
    settings = ["test_vit", "--weights", "random", "--image-size", "32"]
    settings += ["--few-shot", "2", "--augmentations", "2"]
    with pytest.warns(UserWarning, match="rows vote"):
        script("reproduce_segmentation").main([str(scenes), *settings])
    out = capsys.readouterr().out
    assert "2 training, 2 test images" in out and "k=90, tau=0.1" in out
    assert "all rows (16 kept)" in out and "1/128 (n=83), FUNGI: 29.1" in out


def test_layouts_of_ade20k_and_voc(script, tmp_path):
    load = script("_segmentation_data").load_pairs
    ade, voc = tmp_path / "ade", tmp_path / "voc"
    write_pairs(ade / "images/training", ade / "annotations/training", 2, 0)
    assert [Path(p).stem for p in load(ade, "train")[1]] == ["0", "1"]
    write_pairs(voc / "JPEGImages", voc / "SegmentationClass", 4, 0)
    lists = voc / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("3\n1\n")
    (lists / "val.txt").write_text("9\n")
    assert [Path(p).stem for p in load(voc, "train")[0]] == ["3", "1"]
    with pytest.raises(SystemExit, match="1 masks are missing"):
        load(voc, "test")
    with pytest.raises(SystemExit, match="has no part 'test'"):
        load(ade, "test")


def test_both_ways_of_segmentation_agree(script):
    # Three training maps, whose masks lack some of the classes.
    ours, direct = script("segmentation").compare(3_000, 32, 21, 2, "auto")
    assert ours[2].shape == (2, 256, 256)
    assert (ours[2] == direct[2]).mean() > 0.9999


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for part, n in (("train", 5), ("test", 2)):
        for code, name in enumerate(("ash", "birch", "cedar")):
            place = folder / part / name
            place.mkdir(parents=True)
            for i in range(n):
                mean = 90 + 60 * np.eye(3)[code]
                pixels = rng.normal(mean, 40, (32, 32, 3)).clip(0, 255)
                Image.fromarray(pixels.astype(np.uint8)).save(place / f"{i}.png")
    return folder


TINY = ["test_vit", "--weights", "random", "--image-size", "32", "--n-jobs", "1"]


def test_retrieval_of_the_same_class(script, photos, tmp_path, capsys):
    settings = [*TINY, "--memory", str(tmp_path), "--n-local", "2", "--components", "9"]
    script("reproduce_retrieval").main([str(photos), *settings])
    out = capsys.readouterr().out
    assert "6 queries, 15 in the database" in out
    parts = script("_reproduce").load_set(photos)
    (files, y), (asked, y_query) = parts["train"], parts["test"]
    fungi = FungiTransformer(
        "test_vit", weights=None, image_size=32, random_state=0, n_jobs=1,
        objectives=["kl", DINOObjective(n_local=2)], n_components=None,
    )  # fmt: skip
    A, B = fungi.fit_transform(files), fungi.transform(asked)
    for name, width in (
        ("embedding", fungi.feature_slices_["embedding"]),
        ("+K+D", slice(None)),
    ):
        rows, queries = A[:, width].astype(float), B[:, width].astype(float)
        mean = rows.mean(axis=0)
        _, _, axes = np.linalg.svd(rows - mean, full_matrices=False)
        similarity = (queries - mean) @ axes[:9].T @ axes[:9] @ (rows - mean).T
        right = [np.flatnonzero(y == label) for label in y_query]
        expected = 100 * mean_average_precision(similarity, right)
        found = float(re.search(rf"{re.escape(name)} +mAP same class ([\d.]+)", out)[1])
        assert found == pytest.approx(expected, abs=0.02)
    assert "revisited Oxford medium, ViT-B/16 DINO, retrieval, +K+D: 39.8" in out


def test_retrieval_with_ground_truth(script, photos, tmp_path, capsys):
    folder = tmp_path / "roxford"
    (folder / "jpg").mkdir(parents=True)
    files = sorted((photos / "train").glob("*/*.png"))
    for i, file in enumerate(files):
        Image.open(file).save(folder / "jpg" / f"{i}.jpg")
    truth = {
        "imlist": [str(i) for i in range(1, 15)],
        "qimlist": ["0"],
        "gnd": [{"easy": np.array([0, 1]), "hard": [2, 3], "junk": [9], "bbx": [0.0]}],
    }
    (folder / "gnd_mine.pkl").write_bytes(pickle.dumps(truth))
    settings = [*TINY, "--memory", str(tmp_path / "rows"), "--n-local", "2"]
    script("reproduce_retrieval").main([str(folder), *settings])
    out = capsys.readouterr().out
    assert "1 queries, 14 in the database" in out
    assert re.search(r"\+K\+D +mAP easy [\d.]+, medium [\d.]+, hard [\d.]+", out)


def test_ground_truth_runs_no_code(script, tmp_path):
    class Bad:
        def __reduce__(self):
            return print, ("ran",)

    (tmp_path / "jpg").mkdir()
    (tmp_path / "gnd_x.pkl").write_bytes(pickle.dumps({"gnd": Bad()}))
    with pytest.raises(SystemExit, match="builtins.print: not read"):
        script("reproduce_retrieval").main([str(tmp_path), *TINY])


def test_published_rows(script):
    rows = script("_published").published(paper="F", table="10", method="Embeddings")
    assert {row["metric"] for row in rows} == {"mAP"} and len(rows) == 20


def test_the_largest_size_of_a_process(script, capsys):
    script("segmentation").main(
        ["--peak", "--rows", "1500", "--channels", "16", "--images", "2"]
    )
    out = capsys.readouterr().out
    assert "bank of 1500 rows" in out and "with 2 images scored" in out
