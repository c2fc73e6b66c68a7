"""
Which k and tau are good?
=========================

``NeighborSearchCV`` scores a whole grid of ``k`` and ``tau`` with one neighbour search
a fold; ``TuningDisplay`` draws it. A broad ridge means that the choice hardly matters.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits

from skknn import NeighborSearchCV, SoftKNNClassifier
from skknn.inspection import TuningDisplay

X, y = load_digits(return_X_y=True)
grid = {
    "k": [1, 2, 4, 8, 16, 32, 64, 128],
    "tau": [0.001, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 10],
}
search = NeighborSearchCV(SoftKNNClassifier(), grid, cv=5).fit(X, y)
print(search.best_params_, round(search.best_score_, 4))
TuningDisplay.from_cv_results(search.cv_results_).plot()

# %%
# The log loss judges the probabilities as well. It punishes a small ``k`` with a small
# ``tau``, which gives probabilities of 0 that are sometimes wrong.
search = NeighborSearchCV(SoftKNNClassifier(), grid, cv=5, scoring="neg_log_loss").fit(
    X, y
)
TuningDisplay.from_cv_results(search.cv_results_).plot()
plt.show()
