"""
Segmentation from a few strokes
===============================

Seven rectangles on one photo are enough to label all of it: every position of the
feature map of a frozen network takes the class of the labelled positions that it is
nearest to. Nothing is trained.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_sample_image

from skknn import DenseEmbedder, InContextSegmenter
from skknn.inspection import SegmentationDisplay

photo = load_sample_image("china.jpg")

# %%
# Pixels without a stroke are void (255): they have no part in the labels.
names = ["sky", "roof", "wall", "trees", "lake"]
strokes = np.full(photo.shape[:2], 255, "uint8")
for label, (top, bottom, left, right) in [
    (0, (10, 60, 260, 620)),
    (1, (80, 115, 150, 260)),
    (1, (255, 275, 90, 320)),
    (2, (200, 230, 110, 290)),
    (3, (365, 420, 20, 180)),
    (3, (320, 400, 420, 620)),
    (4, (245, 285, 380, 500)),
]:
    strokes[top:bottom, left:right] = label

segmenter = InContextSegmenter(DenseEmbedder(), n_neighbors=10)
segmenter.fit([photo], [strokes])
print(f"{len(segmenter.bank_)} labelled positions")

# %%
# The strokes stand where a true mask would. Below: the labelled positions that voted
# for the pixel with the cross.
SegmentationDisplay.from_estimator(
    segmenter,
    [photo],
    [strokes],
    position=(310, 250),
    train_images=[photo],
    class_names=names,
).plot()
plt.show()
