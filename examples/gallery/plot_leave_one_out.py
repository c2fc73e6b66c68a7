"""
Why leave-one-out?
==================

A training row is its own nearest neighbour. If it may vote, every row looks easy; the
leave-one-out answer, ``predict_proba(None)``, leaves out the row and nothing else.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.model_selection import cross_val_score

from skknn import SoftKNNClassifier

X, y = load_digits(return_X_y=True)
ks = [1, 2, 4, 8, 16, 32, 64]
with_itself, without_itself, folds = [], [], []
for k in ks:
    knn = SoftKNNClassifier(n_neighbors=k).fit(X, y)
    with_itself.append(knn.score(X, y))
    without_itself.append((knn.predict(None) == y).mean())
    folds.append(cross_val_score(SoftKNNClassifier(n_neighbors=k), X, y, cv=20).mean())

figure, axis = plt.subplots(figsize=(6, 3.6), layout="constrained")
axis.plot(ks, with_itself, "o-", color="#9A9A9A", label="row votes for itself")
axis.plot(ks, without_itself, "s-", color="#0072B2", label="leave-one-out")
axis.plot(ks, folds, "^--", color="#E69F00", label="20-fold cross-validation")
axis.set(xscale="log", xlabel="k", ylabel="accuracy", xticks=ks, xticklabels=ks)
axis.legend(frameon=False)

# %%
# Leave-one-out costs one search, not as many fits as there are folds. It is a little
# more optimistic than folds here, because writers contributed several similar digits.
plt.show()
