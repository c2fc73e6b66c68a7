"""
What does tau do?
=================

Each of the k neighbours votes with weight ``exp(-d / tau)``. A small temperature
``tau`` trusts the nearest row, a large one counts heads. The same query, four
temperatures.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from skknn import SoftKNNClassifier

X, y = load_digits(return_X_y=True)
train, test = slice(0, 1200), slice(1200, None)
knn = SoftKNNClassifier(n_neighbors=20).fit(X[train], y[train])

# %%
# The test image whose plain vote is closest to a draw:
votes = np.sort(knn.set_params(tau=10).predict_proba(X[test]), axis=1)
row = 1200 + int((votes[:, -1] - votes[:, -2]).argmin())
distances, ids = knn.kneighbors(X[[row]])

figure, axes = plt.subplots(1, 5, figsize=(12, 2.6), layout="constrained")
axes[0].imshow(X[row].reshape(8, 8), cmap="gray")
axes[0].set_title(f"a {y[row]}")
axes[0].set_axis_off()
for axis, tau in zip(axes[1:], (0.01, 0.05, 0.2, 10)):
    proba = knn.set_params(tau=tau).predict_proba(X[[row]])[0]
    colors = np.where(knn.classes_ == y[row], "#009E73", "#0072B2")
    axis.bar(knn.classes_, proba, color=colors)
    axis.set(title=f"tau = {tau}", ylim=(0, 1), xticks=knn.classes_)
axes[1].set_ylabel("probability")

# %%
# Its nearest neighbours, so that the votes can be checked by hand:
for d, i in zip(distances[0, :5], ids[0]):
    print(f"d = {d:.3f}   a {y[i]}   weight at tau = 0.05: {np.exp(-d / 0.05):.2g}")
plt.show()
