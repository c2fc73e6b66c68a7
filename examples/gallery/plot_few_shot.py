"""
When do votes help a linear classifier?
=======================================

R reports the largest gains with few examples a class. Here: digits, from 2 to 80
training images a class, kNN, logistic regression and their mixture with fixed
parameters.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from skknn import JointKNNClassifier

X, y = load_digits(return_X_y=True)
X = X / 16
shots = [2, 5, 10, 20, 40, 80]
shares = {"kNN": 1.0, "BASE": 0.0, "JOINT": 0.5}
accuracy = {name: np.empty((5, len(shots))) for name in shares}
for seed in range(5):
    order = np.random.default_rng(seed).permutation(len(y))
    rows, labels = X[order], y[order]
    place = np.array([(labels[:i] == label).sum() for i, label in enumerate(labels)])
    test = place >= 100
    for column, n in enumerate(shots):
        joint = JointKNNClassifier(n_neighbors=min(8, 10 * n - 1), tau=0.1)
        joint.fit(rows[place < n], labels[place < n])
        for name, lam in shares.items():
            joint.set_params(lam=lam)
            accuracy[name][seed, column] = joint.score(rows[test], labels[test])

figure, axis = plt.subplots(figsize=(6, 3.8), layout="constrained")
colors = ("#E69F00", "#0072B2", "#009E73")
for (name, values), marker, color in zip(accuracy.items(), "oDs", colors):
    mean, error = values.mean(axis=0), values.std(axis=0) / np.sqrt(len(values))
    axis.errorbar(shots, mean, error, fmt=f"{marker}-", color=color, label=name, ms=5)
axis.set(xscale="log", xlabel="training images a class", ylabel="test accuracy")
axis.set_xticks(shots, shots)
axis.minorticks_off()
axis.legend(frameon=False)
plt.show()
