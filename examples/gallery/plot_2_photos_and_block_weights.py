"""
Which gradients help on these photos?
=====================================

Gradients side by side with the embedding help on some photos and hurt on others.
:class:`~skknn.BlockWeights` finds out by leaving each training photo out: it starts
from the embedding and changes a weight only where the votes gain clearly.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.pipeline import make_pipeline

from skknn import BlockWeights, FungiTransformer, SoftKNNClassifier
from skknn.datasets import load_image_folder
from skknn.inspection import BlockWeightsDisplay, NeighborsDisplay

places = Path("../data/clothes"), Path("examples/data/clothes")
photos = load_image_folder(next(place for place in places if place.is_dir()))
paths, y = np.array(photos.data), photos.target
train = np.arange(len(y)) % 24 < 16  # 24 photos of each kind

fungi = FungiTransformer(
    objectives=("kl", "dino"), image_size=96, n_components=None, random_state=0,
    memory="skknn_cache",
)  # fmt: skip
X = fungi.fit_transform(paths)
weights = BlockWeights(blocks=fungi.feature_slices_).fit(X[train], y[train])
BlockWeightsDisplay.from_estimator(weights).plot()

# %%
# The best k and tau of the votes come with the weights. The embedding alone, all blocks
# alike, and weighed, on 48 other photos, each of which is worth 2 points:

for name, blocks in [
    ("embedding", {"embedding": fungi.feature_slices_["embedding"]}),
    ("all blocks alike", {"all": slice(None)}),
    ("weighed", fungi.feature_slices_),
]:
    found = BlockWeights(blocks=blocks).fit(X[train], y[train])
    knn = SoftKNNClassifier(found.n_neighbors_, tau=found.tau_, preprocessing=None)
    knn.fit(found.transform(X[train]), y[train])
    print(f"{name:17}{knn.score(found.transform(X[~train]), y[~train]):.3f}")

# %%
# In a Pipeline photos go in and classes come out; the cache spares the second pass. A
# few test photos, each with the training photos that voted.
knn = SoftKNNClassifier(weights.n_neighbors_, tau=weights.tau_, preprocessing=None)
pipe = make_pipeline(fungi, BlockWeights(), knn).fit(paths[train], y[train])
proba = pipe.predict_proba(paths[~train])
doubtful = np.argsort(proba.max(axis=1), kind="stable")
for row in doubtful[[0, -1]]:
    path, label = paths[~train][row], y[~train][row]
    NeighborsDisplay.from_estimator(
        pipe,
        [path],
        images=paths[train],
        query_image=path,
        true_label=label,
        class_names=photos.target_names,
    ).plot()
plt.show()
# sphinx_gallery_thumbnail_number = 2
