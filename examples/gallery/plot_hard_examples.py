"""
Which labels are wrong?
=======================

The leave-one-out probability of a row's own class is low where its neighbours disagree
with its label. That finds rows that are hard, and rows that are mislabelled.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.metrics import precision_recall_curve

from skknn import KNNWeightedLogisticRegression
from skknn.inspection import HardExamplesDisplay

digits = load_digits()
X, y = digits.data / 16, digits.target.copy()
random = np.random.default_rng(0)
wrong = random.choice(len(y), 36, replace=False)
y[wrong] = (y[wrong] + random.integers(1, 10, len(wrong))) % 10

clf = KNNWeightedLogisticRegression(n_neighbors=20, tau=0.5).fit(X, y)
HardExamplesDisplay.from_estimator(clf, y=y, images=digits.images, n_examples=15).plot()

# %%
# How many of the 36 planted errors are among the rows with the lowest probability?
planted = np.isin(np.arange(len(y)), wrong)
precision, recall, _ = precision_recall_curve(planted, -clf.knn_proba_)
figure, axis = plt.subplots(figsize=(5, 3.4), layout="constrained")
axis.plot(recall, precision, color="#0072B2")
axis.set(xlabel="share of the wrong labels found", ylabel="precision", ylim=(0, 1.02))
found = planted[np.argsort(clf.knn_proba_)[:40]].sum()
print(f"{found} of 36 wrong labels are among the 40 rows with the lowest probability")
plt.show()
