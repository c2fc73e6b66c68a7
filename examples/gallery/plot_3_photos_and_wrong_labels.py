"""
Which photos have a wrong label?
================================

Where a photo's neighbours disagree with its label, one of them is wrong. Twelve labels
of 144 photos are exchanged here; the votes of the others, each photo left out, should
point at them.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import precision_recall_curve

from skknn import BlockWeights, FungiTransformer, KNNWeightedLogisticRegression
from skknn.datasets import load_image_folder
from skknn.inspection import HardExamplesDisplay

places = Path("../data/clothes"), Path("examples/data/clothes")
photos = load_image_folder(next(place for place in places if place.is_dir()))
paths, y = np.array(photos.data), photos.target.copy()
random = np.random.default_rng(0)
wrong = random.choice(len(y), 12, replace=False)
y[wrong] = (y[wrong] + random.integers(1, 6, len(wrong))) % 6

fungi = FungiTransformer(
    objectives=("kl", "dino"), image_size=96, n_components=None, random_state=0,
    memory="skknn_cache",
)  # fmt: skip
blocks = fungi.fit_transform(paths)

# %%
# The blocks are weighed by the labels as they are, wrong ones and all. Then the photos
# least likely to be what their label says, by their neighbours:

weights = BlockWeights(blocks=fungi.feature_slices_)
X = weights.fit_transform(blocks, y)
clf = KNNWeightedLogisticRegression(n_neighbors=10, tau=0.2).fit(X, y)
HardExamplesDisplay.from_estimator(
    clf, y=y, images=paths, n_examples=15, class_names=photos.target_names
).plot()

# %%
# How many of the exchanged labels are among them?
planted = np.isin(np.arange(len(y)), wrong)
first = np.argsort(clf.knn_proba_, kind="stable")
for n in 12, 24, 36:
    print(f"{planted[first[:n]].sum()} of 12 wrong labels in the first {n} photos")

precision, recall, _ = precision_recall_curve(planted, -clf.knn_proba_)
figure, axis = plt.subplots(figsize=(5, 3.4), layout="constrained")
axis.plot(recall, precision, color="#0072B2")
axis.axhline(planted.mean(), color="#9A9A9A", linestyle="--", label="by chance")
axis.set(xlabel="share of the wrong labels found", ylabel="precision", ylim=(0, 1.02))
axis.legend(frameon=False)
plt.show()
