"""
May the neighbours see other features than the base?
====================================================

``knn_transformer`` gives the kNN side features of its own (R, Fig. 9c). Here the table
holds two descriptions of a wine; distances make sense in one of them only.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skknn import JointKNNClassifier

table, y = load_wine(return_X_y=True, as_frame=True)
noise = np.random.default_rng(0).normal(size=(len(table), 60))
table = pd.concat(
    [
        table.add_prefix("chemistry "),
        pd.DataFrame(noise, columns=[f"noise {i}" for i in range(60)]),
    ],
    axis=1,
)
base = make_pipeline(StandardScaler(), LogisticRegression(C=0.05, max_iter=1000))
chemistry = ColumnTransformer(
    [("kept", StandardScaler(), make_column_selector(pattern="^chemistry"))]
)
models = {
    "base alone": JointKNNClassifier(estimator=base, alpha=0, lam=0),
    "joint, kNN on all columns": JointKNNClassifier(
        8, estimator=base, knn_transformer=StandardScaler()
    ),
    "joint, kNN on the chemistry": JointKNNClassifier(
        8, estimator=base, knn_transformer=chemistry
    ),
}
folds = RepeatedStratifiedKFold(n_splits=5, n_repeats=3, random_state=0)
scores = {
    name: cross_val_score(model, table, y, cv=folds, scoring="neg_log_loss")
    for name, model in models.items()
}

figure, axis = plt.subplots(figsize=(6.5, 2.6), layout="constrained")
axis.boxplot([-s for s in scores.values()], orientation="horizontal")
axis.set_yticks(range(1, len(scores) + 1), scores)
axis.set_xlabel("log loss (smaller is better), 15 folds")
plt.show()
