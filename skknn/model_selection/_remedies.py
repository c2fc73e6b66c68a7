"""What to do about a parameter of a search that has no allowed value."""

from ..classifiers import JointKNNClassifier

_CV = "Use a number of folds, such as 5, or a splitter such as StratifiedKFold(5)"
_SCORING = "Use the name of a score, such as 'accuracy' or 'neg_log_loss', a callable"

SEARCH_REMEDIES = {
    "estimator": "Use a SoftKNNClassifier, KNNWeightedLogisticRegression or "
    "JointKNNClassifier, or a Pipeline that ends in one.",
    "param_grid": "Use a dict of lists, such as {'k': [4, 16], 'tau': [0.1]}, or a "
    "list of such dicts.",
    "scoring": f"{_SCORING}, several of them, or None for accuracy.",
    "cv": f"{_CV}; 'loo' leaves out one row at a time, for SoftKNNClassifier alone.",
    "strategy": "'exhaustive' tries all points, 'sequential' first k and tau, then the "
    "base, then lambda.",
    "refit": "Use True, False for no last fit, or with several scores the name of the "
    "one that selects.",
    "error_score": "Use 'raise' to see the error of a fit that fails, or a number that "
    "stands for its score, such as nan.",
    "return_train_score": "True scores the training rows, too, False the held-out rows "
    "alone.",
}

JOINT_CV_REMEDIES = {
    **JointKNNClassifier._param_remedies,
    "n_neighbors": "Use one number of voting rows or several, for example "
    "(4, 16, 64), or 'mean'.",
    "tau": "Use one positive temperature or several, for example (0.05, 0.1), or "
    "'scale'.",
    "alpha": "Use one strength or several, for example (0, 0.01); 0 weights all "
    "rows alike.",
    "C": "Use 'auto', or one positive number or several; None leaves the C of "
    "estimator alone.",
    "lam": "Use 'path' for all shares of the votes, or one number from 0 to 1 or "
    "several.",
    "cv": f"{_CV}.",
    "scoring": f"{_SCORING}, or None for accuracy.",
    "selection": "'best' takes the share of the votes to expect, 'one-se' the "
    "least that is as good within one standard error.",
}
