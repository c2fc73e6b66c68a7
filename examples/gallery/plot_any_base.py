"""
Can my own classifier be the base?
==================================

Any classifier with ``predict_proba`` whose ``fit`` takes ``sample_weight``, alone or at
the end of a Pipeline. The neighbours weight its training rows and join its predictions.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skknn import JointKNNClassifier

X, y = load_digits(return_X_y=True)
X, y = X[:800] / 16, y[:800]
bases = {
    "naive Bayes": GaussianNB(var_smoothing=1e-2),
    "random forest": RandomForestClassifier(100, random_state=0),
    "scaled logistic\nregression": make_pipeline(
        StandardScaler(), LogisticRegression(C=0.1, max_iter=500)
    ),
}
alone = [cross_val_score(base, X, y, cv=5).mean() for base in bases.values()]
joint = [
    cross_val_score(JointKNNClassifier(8, estimator=base), X, y, cv=5).mean()
    for base in bases.values()
]

figure, axis = plt.subplots(figsize=(6, 3.4), layout="constrained")
places = np.arange(len(bases))
axis.bar(places - 0.18, alone, 0.34, color="#0072B2", label="alone")
axis.bar(places + 0.18, joint, 0.34, color="#009E73", label="joint with 8 neighbours")
axis.set_xticks(places, bases)
axis.set(ylim=(0.8, 1.02), ylabel="accuracy, 5 folds")
axis.legend(frameon=False, loc="upper left")
plt.show()
