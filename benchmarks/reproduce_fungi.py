"""k-NN on gradient features as in "No Train, all Gain" (F, Tables 1 and 2).

    python benchmarks/reproduce_fungi.py DATA [BACKBONE] [--components none 128 auto]

DATA is a folder with sub-folders ``train`` and ``test`` (or ``val``) of class folders,
or an ``.npz`` file of ``x_train, y_train, x_test, y_test``. BACKBONE is a timm name;
its weights come from the network, once. Rows are cached block by block in ``--memory``:
a run that was stopped goes on where it was.

All three objectives with F's settings (KL; DINO with 2 + 10 crops; SimCLR with 49
windows against those of 256 training images) are extracted once, 62 passes an image.
Then every combination of them beside the embedding is reduced by PCA and scored with
the plain vote of the 20 nearest training images: on all of them, and on 5 images a
class (the mean of ``--seeds`` draws). The PCA and SimCLR's negatives see all training
images, without labels, in both.

Prints top-1 accuracy in per cent, beside the numbers of F's tables (``published.csv``)
where data set, backbone, weights, k and shots are the same: as the names of the folder
and of the model say, or ``--paper-data`` and ``--paper-backbone``.
"""

from itertools import combinations

import numpy as np
from _published import lookup
from _reproduce import (
    arguments,
    draw_shots,
    extractor_params,
    load_set,
    print_table,
)
from sklearn.decomposition import PCA
from sklearn.metrics import accuracy_score, balanced_accuracy_score

from skknn import (
    DINOObjective,
    FungiTransformer,
    KLObjective,
    SimCLRObjective,
    SoftKNNClassifier,
)

LETTERS = {"kl": "K", "dino": "D", "simclr": "S"}


def main(argv=None):
    parser = arguments(__doc__)
    parser.add_argument("--objectives", nargs="*", default=list(LETTERS))
    parser.add_argument(
        "--components",
        nargs="+",
        default=["none", "auto"],
        help='dimensions after PCA; "none" leaves it out, "auto" is F\'s 384 or 512',
    )
    parser.add_argument("--k", type=int, default=20, help="neighbours, all images")
    parser.add_argument("--shots", type=int, default=5, help="images a class")
    parser.add_argument("--k-few", type=int, default=20, help="neighbours, few images")
    parser.add_argument("--seeds", type=int, default=3, help="draws of the few images")
    parser.add_argument("--layer", default="auto")
    parser.add_argument("--n-local", type=int, default=10, help="DINO's local crops")
    parser.add_argument("--n-views", type=int, default=49, help="SimCLR's windows")
    parser.add_argument("--n-negatives", type=int, default=256)
    args = parser.parse_args(argv)

    parts = load_set(args.data, args.per_class)
    (images, y), (images_test, y_test) = parts["train"], parts["test"]
    fungi = FungiTransformer(
        objectives=objectives(args),
        layer=args.layer,
        n_components=None,
        **extractor_params(args),
    )
    train = fungi.fit_transform(images)
    test = fungi.transform(images_test)
    score = balanced_accuracy_score if args.mean_per_class else accuracy_score
    draws = [draw_shots(y, args.shots, seed) for seed in range(args.seeds)]
    full, few = [], []
    for components in args.components:
        for name, blocks in choices(args.objectives):
            wanted = n_components(components, fungi)
            A, B = reduce(*take(train, test, fungi, blocks), wanted)
            label = f"{components}, {name}"
            width = f"{A.shape[1]} numbers"
            everything = score(y_test, vote(A, y, B, args.k))
            full.append((f"full, {label}", everything, width))
            each = [
                score(y_test, vote(A[kept], y[kept], B, args.k_few)) for kept in draws
            ]
            spread = f"{width}, +-{100 * np.std(each):.2f} over draws"
            few.append((f"{args.shots}-shot, {label}", np.mean(each), spread))
    title = (
        f"{args.data.name}, {args.backbone} ({args.weights} weights), layer "
        f"{fungi.layer_}: {len(y)} training, {len(y_test)} test images; k={args.k}, "
        f"few images k={args.k_few}"
    )
    print_table(title, full + few, published(args), args.published)


def published(args):
    """F's numbers by the names of our rows: after PCA, and of the embedding itself."""
    names = {"Embeddings": "none, embedding", "FUNGI": "auto, +K+D+S"}
    names |= {name: f"auto, {name}" for name in ("+K", "+K+D", "+K+D+S")}
    found = {}
    for regime, k in (("full", args.k), (f"{args.shots}-shot", args.k_few)):
        protocol = f"{regime}, {k}-NN"
        both = protocol, f"{protocol}, mean of 3 seeds"
        for method, number in lookup("F", args, *both).items():
            found[f"{regime}, {names[method]}"] = number
    return found


def objectives(args):
    """F's objectives; its settings are the defaults."""
    made = {
        "kl": KLObjective(),
        "dino": DINOObjective(n_local=args.n_local),
        "simclr": SimCLRObjective(n_views=args.n_views, n_negatives=args.n_negatives),
    }
    return [made[name] for name in args.objectives]


def choices(names):
    """(label, blocks) of every combination: "embedding", "+K", ..., "+K+D+S"."""
    for size in range(len(names) + 1):
        for some in combinations(names, size):
            label = "".join(f"+{LETTERS[name]}" for name in some) or "embedding"
            yield label, [*some, "embedding"]


def take(train, test, fungi, blocks):
    """Columns of some blocks."""
    columns = np.concatenate([np.r_[fungi.feature_slices_[block]] for block in blocks])
    return train[:, columns], test[:, columns]


def n_components(text, fungi):
    """Dimensions after PCA, None for no PCA; "auto" as in FungiTransformer."""
    if text == "none":
        return None
    embedding = fungi.feature_slices_["embedding"]
    small = embedding.stop - embedding.start <= 384
    return (384 if small else 512) if text == "auto" else int(text)


def reduce(train, test, wanted):
    """PCA fitted on the training rows: to so many numbers, or as many as they allow."""
    if wanted is None:
        return train, test
    n, width = train.shape
    solver = "covariance_eigh" if n >= width else "full"
    pca = PCA(min(wanted, n, width), svd_solver=solver)
    train = pca.fit_transform(train.astype(np.float64))
    return train, pca.transform(test.astype(np.float64))


def vote(A, y, B, k):
    """Classes of the rows B by the plain vote of the k nearest rows A."""
    knn = SoftKNNClassifier(min(k, len(A)), tau=np.inf, preprocessing=None)
    return knn.fit(A, y).predict(B)


if __name__ == "__main__":
    main()
