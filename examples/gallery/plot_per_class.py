"""
Which classes gain?
===================

Precision and recall of each class for the votes, the base and the mixture (R, Fig. 13).
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits

from skknn import JointKNNClassifier
from skknn.inspection import PerClassDisplay

X, y = load_digits(return_X_y=True)
X = X / 16
joint = JointKNNClassifier(n_neighbors=16, tau=0.1, lam=0.5).fit(X[:500], y[:500])
PerClassDisplay.from_estimator(joint, X[500:], y[500:]).plot()
plt.show()
