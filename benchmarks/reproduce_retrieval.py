"""Image retrieval as in "No Train, all Gain" (F, Table 10).

    python benchmarks/reproduce_retrieval.py DATA [BACKBONE]

DATA is a folder with the images of revisited Oxford or Paris (in ``jpg``) and the
ground truth as its authors give it (``gnd_*.pkl``); or a data set of class folders as
for ``reproduce_knn.py``: every test image asks for the training images of its class.

F's settings: KL and DINO gradients beside the embedding, each L2-normalised, PCA to 512
dimensions fitted on the database, similarity by inner product, images not cropped to
the queries' boxes. Prints mAP in per cent of the embedding and of both together, medium
and hard where the ground truth has them; published rows stand below.
"""

import io
import pickle
from pathlib import Path

import numpy as np
from _published import print_published, published
from _reproduce import arguments, extractor_params, load_set
from sklearn.decomposition import PCA

from skknn import DINOObjective, FungiTransformer
from skknn.metrics import mean_average_precision, revisited_retrieval_scores

# All that the ground truth's arrays need.
_ALLOWED = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy._core.multiarray", "scalar"),
}


class PlainUnpickler(pickle.Unpickler):
    """Reads lists, dicts, text and arrays; runs nothing else."""

    def find_class(self, module, name):
        if (module, name) in _ALLOWED:
            return super().find_class(module, name)
        raise SystemExit(f"The ground truth holds {module}.{name}: not read.")


def main(argv=None):
    parser = arguments(__doc__)
    parser.add_argument("--components", type=int, default=512)
    parser.add_argument("--n-local", type=int, default=10, help="DINO's small crops")
    parser.add_argument("--published-data", default="revisited")
    parser.add_argument("--published-backbone", default="ViT-B/16")
    args = parser.parse_args(argv)
    files = sorted(args.data.glob("gnd_*.pkl"))
    if files:
        database, queries, truth = revisited(args.data, files[0])
    else:
        parts = load_set(args.data, args.per_class)
        (database, y), (queries, y_query) = parts["train"], parts["test"]
        truth = [np.flatnonzero(y == label) for label in y_query]
    fungi = FungiTransformer(
        objectives=["kl", DINOObjective(n_local=args.n_local)],
        n_components=None,
        **extractor_params(args),
    )
    rows, asked = fungi.fit_transform(database), fungi.transform(queries)
    print(f"\n{args.data.name}: {len(asked)} queries, {len(rows)} in the database")
    both = list(fungi.feature_slices_)
    for name, blocks in {"embedding": ["embedding"], "+K+D": both}.items():
        columns = np.concatenate([np.r_[fungi.feature_slices_[b]] for b in blocks])
        similarity = similarities(rows[:, columns], asked[:, columns], args.components)
        if files:
            scores = revisited_retrieval_scores(similarity, truth)
            found = {s: v.mean_average_precision for s, v in scores.items()}
        else:
            found = {"same class": mean_average_precision(similarity, truth)}
        text = ", ".join(f"{setup} {100 * value:.2f}" for setup, value in found.items())
        print(f"{name:10} mAP {text}")
    wanted = {"task": "retrieval", "data": args.published_data}
    print_published(published(paper="F", backbone=args.published_backbone, **wanted))


def similarities(rows, asked, n_components):
    """Inner products after a PCA of the database, (n_queries, n_database)."""
    n_components = min(n_components, *rows.shape)
    pca = PCA(n_components, svd_solver="full").fit(rows)
    return pca.transform(asked) @ pca.transform(rows).T


def revisited(folder, file):
    """Paths of database and queries, and the ground truth."""
    truth = PlainUnpickler(io.BytesIO(Path(file).read_bytes())).load()
    images = folder / "jpg"
    paths = (
        [str(images / f"{name}.jpg") for name in truth[part]]
        for part in ("imlist", "qimlist")
    )
    return *paths, truth["gnd"]


if __name__ == "__main__":
    main()
