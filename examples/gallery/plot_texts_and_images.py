"""
Can texts and images go into one model?
=======================================

Each column of a data frame goes through a transformer of its own: captions through a
:class:`~skknn.TextBackbone`, pictures through a network of images. What comes out are
columns of features, side by side, for any classifier.

The captions here are vague: each says something true of the digit in the picture, but
of several other digits, too.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

from skknn import BackboneEmbedder, TextBackbone

SAYINGS = {
    "An even number, they told me.": (0, 2, 4, 6, 8),
    "I am sure that it was odd.": (1, 3, 5, 7, 9),
    "It has a closed loop in it.": (0, 6, 8, 9),
    "There are only straight strokes.": (1, 4, 7),
    "Less than five, whatever it is.": (0, 1, 2, 3, 4),
    "One of the larger ones.": (6, 7, 8, 9),
}
digits = load_digits()
rng = np.random.default_rng(0)
rows = rng.permutation(len(digits.target))[:300]
y = digits.target[rows]
frame = pd.DataFrame(
    {
        "caption": [
            rng.choice([text for text, said in SAYINGS.items() if digit in said])
            for digit in y
        ],
        # Paths of files would do as well.
        "picture": list(digits.images[rows] / 16),
    }
)
# Rows of both become unit vectors, so that they have the same say.
texts = make_pipeline(BackboneEmbedder(TextBackbone()), Normalizer())
images = make_pipeline(BackboneEmbedder(image_size=64), Normalizer())
columns = {
    "captions": make_column_transformer((texts, "caption")),
    "pictures": make_column_transformer((images, "picture")),
    "both": make_column_transformer((texts, "caption"), (images, "picture")),
}
accuracy = {}
for name, transformer in columns.items():
    # The networks are frozen: features of a row are the same in every fold.
    features = transformer.fit_transform(frame)
    linear = LogisticRegression(C=10, max_iter=300)
    accuracy[name] = cross_val_score(linear, features, y, cv=5).mean()

figure, axis = plt.subplots(figsize=(6, 2.8), layout="constrained")
bars = axis.barh(list(accuracy), list(accuracy.values()), color="#0072B2")
axis.bar_label(bars, [f"{value:.2f}" for value in accuracy.values()], padding=3)
axis.set(xlim=(0, 1), xlabel="accuracy, 5 folds")
axis.invert_yaxis()
plt.show()
