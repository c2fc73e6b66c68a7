"""
Who voted for this?
===================

A prediction of neighbours can be looked at: these rows, at these distances, with these
shares of the vote.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from skknn import JointKNNClassifier
from skknn.inspection import NeighborsDisplay

digits = load_digits()
X, y = digits.data / 16, digits.target
joint = JointKNNClassifier(n_neighbors=16, tau=0.1, lam=0.5).fit(X[:1000], y[:1000])
wrong = 1000 + np.flatnonzero(joint.predict(X[1000:]) != y[1000:])
print(f"{len(wrong)} mistakes in {len(y) - 1000} test images")

# %%
# The first two of them. Green frames agree with the prediction, orange ones do not. The
# bars are the mixture of votes and logistic regression.
for row in wrong[:2]:
    NeighborsDisplay.from_estimator(
        joint,
        X[row],
        images=digits.images[:1000],
        query_image=digits.images[row],
        true_label=y[row],
    ).plot()
plt.show()
