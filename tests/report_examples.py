"""Answers to make reports of: a folder of small photos and frames about them."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
from PIL import Image


def save_photos(folder, files, *, side=60, noise=False):
    """Write a photo for each name, each of another colour."""
    rng = np.random.default_rng(0)
    for file in files:
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        if noise:
            pixels = rng.integers(0, 256, (side, side, 3), dtype=np.uint8)
        else:
            colour = rng.integers(0, 256, 3, dtype=np.uint8)
            pixels = np.broadcast_to(colour, (side, side * 4 // 3, 3)).copy()
        Image.fromarray(pixels).save(path, "JPEG")


def answer_about(folder, *, training, new=(), classes=("sea", "sky"), **fields):
    """An answer about files of a folder; ``fields`` replace what is made up here."""
    rng = np.random.default_rng(1)
    labels = np.array([classes[i % len(classes)] for i in range(len(training))])
    shares = [0.5, 0.3, 0.15]
    votes, base = rng.uniform(size=(2, len(new)))
    lam = 0.25
    sizes = [int((labels == c).sum()) for c in classes]
    predictions = {
        "file": list(new),
        "label": [classes[0]] * len(new),
        "probability": lam * votes + (1 - lam) * base,
        "runner_up": [classes[1]] * len(new),
        "runner_up_probability": [0.1] * len(new),
        "nearest_files": [list(training[:3])] * len(new),
        "nearest_labels": [labels[:3].tolist()] * len(new),
        "nearest_shares": [shares] * len(new),
        "votes_probability": votes,
        "base_probability": base,
        "uncertain": [i % 3 == 1 for i in range(len(new))],
        "unlike": [i % 5 == 3 for i in range(len(new))],
    }
    made = {
        "folder": str(folder),
        "settings": {"date": "2026-01-02", "parameters": {"lam": lam, "tau": 0.1}},
        "classes": np.array(classes),
        "training": pd.DataFrame(
            {
                "file": list(training),
                "label": labels,
                "predicted": labels,
                "probability": 0.9,
            }
        ),
        "evaluation": {
            "accuracy": 0.873,
            "low": 0.812,
            "high": 0.914,
            "baseline": 0.253,
            "n": len(training),
            "protocol": "Each photo was predicted without itself.",
        },
        "per_class": pd.DataFrame(
            {
                "class": classes,
                "n": sizes,
                "precision": 0.75,
                "recall": 0.625,
                "low": 0.41,
                "high": 0.83,
            }
        ),
        "confusion": pd.DataFrame(np.diag(sizes)),
        "predictions": pd.DataFrame(predictions),
        "suspect_labels": pd.DataFrame(
            {
                "file": [training[0]],
                "label": [classes[0]],
                "suggested": [classes[1]],
                "label_probability": [0.02],
                "suggested_probability": [0.91],
                "nearest_files": [list(training[1:3])],
                "nearest_labels": [labels[1:3].tolist()],
                "nearest_shares": [[0.6, 0.4]],
            }
        ),
        "duplicates": pd.DataFrame(
            {
                "file_a": [training[0], training[0]],
                "file_b": [training[2], training[1]],
                "label_a": [labels[0], labels[0]],
                "label_b": [labels[2], labels[1]],
                "similarity": [0.999, 0.987],
            }
        ),
        "outliers": pd.DataFrame({"file": [training[1]], "label": [labels[1]]}),
        "class_overlap": pd.DataFrame(
            {"class_a": [classes[0]], "class_b": [classes[1]], "share": [0.125]}
        ),
        "skipped": pd.DataFrame({"file": ["a.txt"], "reason": ["no photo"]}),
    }
    return SimpleNamespace(**made | fields)


def small_answer(folder, **fields):
    """Six photos of two classes and four to predict, with their files."""
    training = [f"{c}/{i}.jpg" for i in range(3) for c in ("sea", "sky")]
    new = [f"new{i}.jpg" for i in range(4)]
    save_photos(folder, [*training, *new])
    return answer_about(folder, training=training, new=new, **fields)
