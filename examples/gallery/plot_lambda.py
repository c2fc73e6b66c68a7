"""
How much should the neighbours say?
===================================

``JointKNNClassifier`` mixes votes and base in shares ``lam`` and ``1 - lam``. The best
share depends on which side knows more; ``"path"`` finds it without a grid.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import train_test_split

from skknn import JointKNNClassifier, NeighborSearchCV

X, y = load_digits(return_X_y=True)
X = X / 16
X, X_test, y, y_test = train_test_split(
    X, y, train_size=300, stratify=y, random_state=0
)

joint = JointKNNClassifier(n_neighbors=8, tau=0.1, alpha=0)
search = NeighborSearchCV(joint, {"lambda": "path"}, scoring="neg_log_loss", cv=5)
search.fit(X, y)
best = search.best_params_["lam"]
print(f"lambda chosen on the 300 training rows: {best:.3f}")

# %%
# The same on test rows, for every lambda. Only prediction depends on it, so one fitted
# classifier serves them all.
fitted = search.best_estimator_
shares = np.linspace(0, 1, 41)
tables = [fitted.set_params(lam=share).predict_proba(X_test) for share in shares]
figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
axes[0].plot(shares, [accuracy_score(y_test, p.argmax(axis=1)) for p in tables])
axes[0].set(ylabel="test accuracy")
axes[1].plot(shares, [log_loss(y_test, p) for p in tables])
axes[1].set(ylabel="test log loss", ylim=(0, 1))
for axis in axes:
    axis.axvline(best, color="#E69F00", ls="--", label="chosen in training")
    axis.set(xlabel="lambda (0: base alone, 1: votes alone)")
axes[0].legend(frameon=False)
plt.show()
