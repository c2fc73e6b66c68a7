"""Linear evaluation as in "Rethinking Nearest Neighbors" (R, Table 1 and Fig. 3).

    python benchmarks/reproduce_knn.py DATA [BACKBONE]

DATA is a folder with sub-folders ``train`` and ``test`` (or ``val``) of class folders,
or an ``.npz`` file of ``x_train, y_train, x_test, y_test``. BACKBONE is a timm name;
its weights come from the network, once. Rows are cached in ``--memory``: a run that was
stopped goes on where it was.

k, tau, alpha and lambda are searched on R's grid (Table 4) in R's order: k and tau by
the score of the votes, then alpha and C by that of the base, then lambda. With ``val``
beside ``test`` the choice is made on ``val`` and the model fitted on both parts;
otherwise by five-fold cross-validation on ``train``. The test part is predicted once.

Prints top-1 accuracy in per cent for R's six settings, beside the numbers of R's Tables
1 and 2 (``published.csv``) where data set, backbone and weights are the same: as the
names of the folder and of the model say, or ``--paper-data`` and ``--paper-backbone``.
"""

from copy import copy

import numpy as np
from _published import lookup
from _reproduce import arguments, extractor_params, load_set, print_table
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, balanced_accuracy_score
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler

from skknn import BackboneEmbedder, JointKNNClassifier, NeighborSearchCV

# R, Table 4. k also takes "mean", the mean number of rows a class.
KS = [2**i for i in range(10)]
TAUS = sorted(
    {0.001, 0.01, 0.1, 1.0, 10.0}
    | {round(0.01 * i, 2) for i in range(1, 11)}
    | {round(0.1 * i, 1) for i in range(1, 11)}
)
ALPHAS = [0.01, 0.001, 0.0001]
LAMBDAS = [round(0.5 + 0.05 * i, 2) for i in range(10)]
# Ours: R trains its linear layer with SGD.
CS = [1, 10, 100, 1_000, 10_000]


def main(argv=None):
    args = arguments(__doc__).parse_args(argv)
    parts = load_set(args.data, args.per_class)
    embedder = BackboneEmbedder(**extractor_params(args)).fit(parts["train"][0])
    rows = {part: embedder.transform(images) for part, (images, _) in parts.items()}
    labels = {part: y for part, (_, y) in parts.items()}
    X, y, splits = tuning_data(rows, labels)
    metric = "balanced_accuracy" if args.mean_per_class else "accuracy"
    models = tune(X, y, splits, metric)
    score = balanced_accuracy_score if args.mean_per_class else accuracy_score
    table = [
        (name, score(labels["test"], model.predict(rows["test"])), chosen(name, model))
        for name, model in models
    ]
    title = (
        f"{args.data.name}, {args.backbone} ({args.weights} weights): "
        f"{len(y)} training, {len(labels['test'])} test images, "
        f"{X.shape[1]} numbers an image"
    )
    print_table(title, table, published(args), args.published)


def published(args):
    """R's numbers by the names of our rows."""
    found = lookup("R", args, "linear evaluation")
    focal = found.pop("JOINT-Focal", None)
    if focal and focal[1].endswith("gamma 2"):
        found["JOINT-focal"] = focal
    return found


def tuning_data(rows, labels):
    """Rows and labels to fit on, and (train, validation) indices to choose with."""
    n = len(labels["train"])
    if "val" in rows:
        X = np.concatenate([rows["train"], rows["val"]])
        y = np.concatenate([labels["train"], labels["val"]])
        return X, y, [(np.arange(n), np.arange(n, len(y)))]
    X, y = rows["train"], labels["train"]
    counts = np.unique(y, return_counts=True)[1]
    folds = max(2, min(5, counts.min()))
    splitter = StratifiedKFold(folds, shuffle=True, random_state=0)
    return X, y, list(splitter.split(X, y))


def tune(X, y, splits, scoring):
    """(name, fitted model) of R's settings, each chosen by R's order of stages."""
    linear = make_pipeline(
        StandardScaler(with_std=False),
        Normalizer(),
        LogisticRegression(max_iter=1000, tol=1e-6),
    )
    smallest = min(len(train) for train, _ in splits)
    votes = {"n_neighbors": [k for k in KS if k <= smallest] + ["mean"], "tau": TAUS}
    base = {"estimator__logisticregression__C": CS, "lambda": LAMBDAS}

    def search(grid, **params):
        print(f"searching {', '.join(grid)}")
        joint = JointKNNClassifier(estimator=linear, **params)
        tuned = NeighborSearchCV(
            joint, grid, cv=splits, scoring=scoring, strategy="sequential", verbose=1
        )
        return tuned.fit(X, y)

    joint = search({**votes, "alpha": ALPHAS, **base})
    # The votes are chosen on their own: the other settings keep them.
    votes = {name: [joint.best_params_[name]] for name in votes}
    plain = search({**votes, "alpha": [0], **base})
    focal = search({**votes, "gamma": [2.0], **base}, modulation="focal")
    return [
        ("k-NN", with_lam(joint, 1)),
        ("BASE", with_lam(plain, 0)),
        ("BASE'", with_lam(joint, 0)),
        ("JOINT-INF", plain.best_estimator_),
        ("JOINT", joint.best_estimator_),
        ("JOINT-focal", focal.best_estimator_),
    ]


def with_lam(search, lam):
    """The same fitted parts, mixed in other shares: nothing is fitted again."""
    return copy(search.best_estimator_).set_params(lam=lam)


def chosen(name, model):
    """What the search chose, as far as it matters to this setting."""
    parts = {
        "k": model.n_neighbors,
        "tau": model.tau,
        "alpha": model.alpha,
        "C": model.estimator[-1].C,
        "lambda": model.lam,
    }
    unused = {
        "k-NN": ("alpha", "C", "lambda"),
        "BASE": ("k", "tau", "alpha", "lambda"),
        "BASE'": ("lambda",),
        "JOINT-INF": ("alpha",),
        "JOINT-focal": ("alpha",),
    }
    kept = [key for key in parts if key not in unused.get(name, ())]
    return ", ".join(f"{key}={parts[key]}" for key in kept)


if __name__ == "__main__":
    main()
