"""
What do gradients add to photos?
================================

:class:`~skknn.FungiTransformer` sets gradients of self-supervised losses beside the
embedding of each photo. The network stays as it is, and no label is used. Here are
photos of clothes, small ones and few views, so that it takes half a minute.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors

from skknn import FungiTransformer
from skknn.datasets import load_image_folder

places = Path("../data/clothes"), Path("examples/data/clothes")
photos = load_image_folder(next(place for place in places if place.is_dir()))
paths, y = np.array(photos.data), photos.target

fungi = FungiTransformer(
    objectives=("kl", "dino"), image_size=96, n_components=None, random_state=0,
    memory="skknn_cache",
)  # fmt: skip
X = fungi.fit_transform(paths)
print(f"{len(X)} photos of {', '.join(photos.target_names)}")
print({block: part.stop - part.start for block, part in fungi.feature_slices_.items()})

# %%
# Each block has length 1, so side by side they weigh alike. How good is each alone, and
# all together, for the vote of five neighbours and for logistic regression?

folds = StratifiedKFold(8, shuffle=True, random_state=0)
models = {
    "vote of 5": (KNeighborsClassifier(5), "#E69F00"),
    "logistic regression": (LogisticRegression(C=100), "#0072B2"),
}
rows = {block: X[:, part] for block, part in fungi.feature_slices_.items()}
rows["all"] = X
figure, axis = plt.subplots(figsize=(6, 3.4), layout="constrained")
for shift, (name, (model, color)) in zip((-0.2, 0.2), models.items()):
    right = [
        (cross_val_predict(model, R, y, cv=folds) == y).mean() for R in rows.values()
    ]
    bars = axis.bar(np.arange(len(rows)) + shift, right, 0.38, color=color, label=name)
    axis.bar_label(bars, fmt="%.2f", fontsize=9)
axis.set_xticks(range(len(rows)), list(rows))
axis.set(ylabel="accuracy, 8 folds", ylim=(0, 1.15), yticks=np.arange(0, 1.1, 0.2))
axis.legend(frameon=False, loc="upper center", ncols=2)

# %%
# On so few photos the vote gains a little and the logistic regression does not. What is
# near a photo changes: below, on the left, two photos that gain most and the one that
# loses most, then the five nearest others by the embedding and by all blocks.


def nearest(R):
    return NearestNeighbors(n_neighbors=5).fit(R).kneighbors(return_distance=False)


found = {"embedding": nearest(rows["embedding"]), "all blocks": nearest(X)}
same = {name: (y[ids] == y[:, None]).sum(axis=1) for name, ids in found.items()}
gain = same["all blocks"] - same["embedding"]
better, worse = (gain > 0).sum(), (gain < 0).sum()
print(f"more neighbours of the same kind: {better} photos, fewer: {worse}")

shown = np.argsort(-gain, kind="stable")[[0, 1, -1]]
figure, axes = plt.subplots(3, 11, figsize=(11, 3.6), layout="constrained")
for line, row in zip(axes, shown):
    ids = [row, *found["embedding"][row], *found["all blocks"][row]]
    for axis, i in zip(line, ids):
        axis.imshow(plt.imread(paths[i]))
        axis.set(xticks=[], yticks=[])
        for side in axis.spines.values():
            side.set(color="#009E73" if y[i] == y[row] else "#D55E00", linewidth=3)
    line[0].set_ylabel(photos.target_names[y[row]])
axes[0, 3].set_title("embedding")
axes[0, 8].set_title("all blocks")
plt.show()
# sphinx_gallery_thumbnail_number = 2
