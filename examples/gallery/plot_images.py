"""
How do images become features?
==============================

``BackboneEmbedder`` sends images through a frozen network, here EfficientNet-Lite0 with
ImageNet weights from the ``offline`` extra, and returns one row of numbers an image.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline

from skknn import BackboneEmbedder, JointKNNClassifierCV

digits = load_digits()
keep = np.flatnonzero(digits.target < 5)[:200]
images = np.rint(digits.images[keep] * (255 / 16)).astype(np.uint8)
labels = digits.target[keep]

embedder = BackboneEmbedder(image_size=96, memory="skknn_cache")
features = embedder.fit_transform(images)
print(features.shape, features.dtype, embedder.device_)

# %%
# The network has never seen digits, yet they form groups.
flat = PCA(2).fit_transform(features)
figure, axis = plt.subplots(figsize=(5, 4), layout="constrained")
points = axis.scatter(*flat.T, c=labels, cmap="viridis", s=14)
axis.legend(*points.legend_elements(), title="digit", frameon=False)
axis.set(xlabel="first component", ylabel="second component")

# %%
# In a Pipeline, images go in and classes come out. The cache spares the second pass.
model = make_pipeline(embedder, JointKNNClassifierCV()).fit(images[:150], labels[:150])
print("accuracy on 50 more scans:", model.score(images[150:], labels[150:]))
plt.show()
