"""
Which blocks help the votes
===========================

Rows of several blocks: for each digit its pixels, how grey changes from pixel to pixel,
noise, and the sums of rows and columns. :class:`~skknn.BlockWeights` leaves each
training row out and asks the others for its class, under many weights.
"""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skknn import BlockWeights, SoftKNNClassifier
from skknn.inspection import BlockWeightsDisplay

digits = load_digits()
images, n = digits.images / 16, len(digits.images)
features = {
    "pixels": images.reshape(n, -1),
    "slopes": np.hstack([part.reshape(n, -1) for part in np.gradient(images)[1:]]),
    "noise": np.random.default_rng(0).standard_normal((n, 64)),
    "sums": np.hstack([images.sum(axis=1), images.sum(axis=2)]),
}
stops = np.cumsum([0, *(block.shape[1] for block in features.values())])
blocks = dict(zip(features, map(slice, stops[:-1], stops[1:])))
X = np.hstack(list(features.values()))
X, X_test, y, y_test = train_test_split(
    X, digits.target, train_size=500, stratify=digits.target, random_state=0
)

# %%
# The search starts from the last block, unless one is called "embedding", and makes the
# best change of one weight as long as it is better by more than one standard error.

search = BlockWeights(blocks=blocks).fit(X, y)
BlockWeightsDisplay.from_estimator(search).plot()

# %%
# The best k and tau come with it. Against the sums alone, and all blocks as they are:

for name, rows in [
    ("sums", {"sums": blocks["sums"]}),
    ("all blocks alike", {"all": slice(None)}),
    ("weighed", blocks),
]:
    found = BlockWeights(blocks=rows).fit(X, y)
    knn = SoftKNNClassifier(found.n_neighbors_, tau=found.tau_, preprocessing=None)
    accuracy = knn.fit(found.transform(X), y).score(found.transform(X_test), y_test)
    print(f"{name:17}{accuracy:.3f}")
