"""
Why does my kNN look too good?
==============================

Frames of one video or shots of one object are near-duplicates. When they fall into
different folds, a kNN finds the twin and cross-validation flatters it. Splitters that
keep groups together come much closer to the truth.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from skknn import NeighborSearchCV, SoftKNNClassifier

X, y = load_digits(return_X_y=True)
X, X_new, y, y_new = X[:300] / 16, X[300:] / 16, y[:300], y[300:]
random = np.random.default_rng(0)

# %%
# Five noisy shots of each of 300 scans; the noise makes single shots hard.
burst = np.repeat(np.arange(300), 5)
shots = X[burst] + random.normal(scale=0.35, size=(1500, 64))
shots += np.repeat(random.normal(scale=0.35, size=(300, 64)), 5, axis=0)
new = X_new + random.normal(scale=0.5, size=X_new.shape)

grid = {"k": [1, 2, 4, 8, 16, 32, 64], "tau": [0.5]}
results = {}
for name, cv in (
    ("bursts torn apart", StratifiedKFold(5, shuffle=True, random_state=0)),
    ("bursts kept together", StratifiedGroupKFold(5, shuffle=True, random_state=0)),
):
    search = NeighborSearchCV(SoftKNNClassifier(), grid, cv=cv)
    groups = burst if isinstance(cv, StratifiedGroupKFold) else None
    search.fit(shots, y[burst], groups=groups)
    results[name] = search.cv_results_["mean_test_score"]

truth = [
    SoftKNNClassifier(k, tau=0.5).fit(shots, y[burst]).score(new, y_new)
    for k in grid["k"]
]
figure, axis = plt.subplots(figsize=(6, 3.6), layout="constrained")
for (name, scores), style in zip(results.items(), ("o-", "s-")):
    axis.plot(grid["k"], scores, style, label=name)
axis.plot(grid["k"], truth, "k^--", label="new scans")
axis.set(xscale="log", xlabel="k", ylabel="accuracy")
axis.set_xticks(grid["k"], grid["k"])
axis.legend(frameon=False)
plt.show()
