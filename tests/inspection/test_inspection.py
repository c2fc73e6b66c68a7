import os

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import precision_score, recall_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skknn import (
    JointKNNClassifier,
    JointKNNClassifierCV,
    KNNWeightedLogisticRegression,
    NeighborSearchCV,
    SoftKNNClassifier,
)
from skknn.inspection import (
    CKADisplay,
    HardExamplesDisplay,
    LabelAudit,
    NeighborsDisplay,
    PerClassDisplay,
    TuningDisplay,
    linear_cka,
)
from skknn.inspection._pictures import plain_text

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def split(digits):
    X, y = digits
    return X[:500], y[:500], X[500:700], y[500:700]


def show(display, name):
    """Draw; keep the picture where SKKNN_PICTURES asks for it."""
    assert display.plot() is display
    display.figure_.canvas.draw()
    if folder := os.environ.get("SKKNN_PICTURES"):
        display.figure_.savefig(os.path.join(folder, f"{name}.png"), dpi=100)
    return display


def test_neighbours_of_a_query(split):
    X, y, queries, labels = split
    knn = SoftKNNClassifier(8, tau=0.2).fit(X, y)
    pixels = X.reshape(-1, 8, 8)
    display = NeighborsDisplay.from_estimator(
        knn, queries[3], images=pixels, query_image=queries[3].reshape(8, 8),
        true_label=labels[3],
    )  # fmt: skip
    distances, ids = knn.kneighbors(queries[[3]])
    np.testing.assert_array_equal(display.neighbor_ids, ids[0, :5])
    np.testing.assert_array_equal(display.distances, distances[0, :5])
    votes = np.exp(-distances[0] / 0.2)
    np.testing.assert_allclose(display.weights, (votes / votes.sum())[:5])
    assert display.neighbor_labels == [str(c) for c in y[ids[0, :5]]]
    np.testing.assert_array_equal(display.proba, knn.predict_proba(queries[[3]])[0])
    show(display, "neighbors")
    assert len(display.axes_) == 7
    assert str(labels[3]) in display.axes_[0].get_title()
    bars = [bar.get_width() for bar in display.axes_[-1].patches]
    np.testing.assert_allclose(bars, np.sort(display.proba)[:-6:-1])


@pytest.mark.parametrize("n_neighbors", [1, 5, 50])
def test_neighbours_through_a_pipeline_and_a_joint_classifier(split, n_neighbors):
    X, y, queries, _ = split
    joint = JointKNNClassifier(8, knn_transformer=PCA(10))
    pipe = Pipeline([("scale", StandardScaler()), ("clf", joint)]).fit(X, y)
    display = NeighborsDisplay.from_estimator(pipe, queries[0], n_neighbors=n_neighbors)
    knn = pipe["clf"].knn_
    rows = pipe["clf"].knn_transformer_.transform(pipe["scale"].transform(queries[:1]))
    np.testing.assert_array_equal(
        display.neighbor_ids, knn.kneighbors(rows)[1][0, :n_neighbors]
    )
    np.testing.assert_array_equal(display.proba, pipe.predict_proba(queries[:1])[0])
    show(display, f"neighbors_without_images_{n_neighbors}")


@pytest.mark.parametrize("kind", ["joint", "pipeline", "search", "cv"])
def test_votes_base_and_mixture_stand_apart(split, kind):
    X, y, queries, _ = split
    joint = JointKNNClassifier(8, lam=0.3, knn_transformer=PCA(10))
    model = {
        "joint": joint,
        "pipeline": make_pipeline(StandardScaler(), joint),
        "search": NeighborSearchCV(joint, {"k": [4, 8]}, cv=2),
        "cv": JointKNNClassifierCV(n_neighbors=[4, 8], C=1.0, cv=2),
    }[kind].fit(X, y)
    display = NeighborsDisplay.from_estimator(
        model, queries[0], images=X.reshape(-1, 8, 8), n_neighbors=7
    )
    rows, inner = queries[:1], model
    if kind == "pipeline":
        rows, inner = model[0].transform(rows), model[1]
    inner = getattr(inner, "best_estimator_", inner)
    step = getattr(inner, "knn_transformer_", None)
    votes = inner.knn_.predict_proba(rows if step is None else step.transform(rows))
    base = inner.estimator_.predict_proba(rows)
    np.testing.assert_allclose(display.votes_proba, votes[0])
    np.testing.assert_allclose(display.base_proba, base[0])
    np.testing.assert_allclose(display.proba, model.predict_proba(queries[:1])[0])
    assert display.lam == inner.lam
    mixed = display.lam * display.votes_proba + (1 - display.lam) * display.base_proba
    np.testing.assert_allclose(display.proba, mixed)
    show(display, f"votes_and_base_{kind}")
    assert len(display.axes_) == 2 + min(7, inner.knn_.n_neighbors_)
    order = np.argsort(-display.proba, kind="stable")[:5]
    drawn = display.axes_[-1].containers
    sides = display.votes_proba, display.base_proba, display.proba
    assert len(drawn) == 3
    for bars, proba in zip(drawn, sides):
        np.testing.assert_allclose([bar.get_width() for bar in bars], proba[order])
    legend = [text.get_text() for text in display.axes_[-1].get_legend().texts]
    assert legend == [f"votes (share {inner.lam:.2g})", "base", "mixture"]


def test_votes_alone_have_no_sides(split):
    X, y, queries, _ = split
    display = NeighborsDisplay.from_estimator(SoftKNNClassifier(5).fit(X, y), X[0])
    assert display.votes_proba is display.base_proba is display.lam is None


def test_neighbours_of_an_image_on_disk(split, tmp_path):
    from PIL import Image

    X, y, _, _ = split
    paths = []
    for i in range(40):
        paths.append(str(tmp_path / f"{i}.png"))
        Image.fromarray((X[i].reshape(8, 8) * 255).astype(np.uint8)).save(paths[-1])
    read = FunctionTransformer(
        lambda files: np.array([np.asarray(Image.open(f)).ravel() for f in files])
    )
    pipe = make_pipeline(read, SoftKNNClassifier(3)).fit(paths, y[:40])
    display = NeighborsDisplay.from_estimator(pipe, paths[7], images=paths)
    assert display.query_image == paths[7]
    assert display.neighbor_images[0] == paths[7]
    assert display.distances[0] == 0
    show(display, "neighbors_of_a_path")


def test_neighbours_need_a_knn(split):
    X, y, queries, _ = split
    base = LogisticRegression().fit(X, y)
    with pytest.raises(ValueError, match="LogisticRegression.*keeps no neighbours"):
        NeighborsDisplay.from_estimator(base, queries[0])


def test_tuning_map_holds_the_best_over_the_other_parameters(split):
    X, y, _, _ = split
    grid = {
        "clf__k": [2, 8, "mean"],
        "clf__tau": [0.5, 0.05],
        "clf__alpha": [0, 0.01],
        "clf__lambda": [0.3, 0.9],
    }
    pipe = Pipeline([("scale", StandardScaler()), ("clf", JointKNNClassifier())])
    search = GridSearchCV(pipe, grid, cv=2, n_jobs=2).fit(X[:200], y[:200])
    results = search.cv_results_
    display = TuningDisplay.from_cv_results(results, x="tau", y="n_neighbors")
    assert display.x_values == [0.05, 0.5] and display.y_values == [2, 8, "mean"]
    for i, k in enumerate(display.y_values):
        for j, tau in enumerate(display.x_values):
            want = max(
                score
                for score, p in zip(results["mean_test_score"], results["params"])
                if p["clf__k"] == k and p["clf__tau"] == tau
            )
            assert display.scores[i, j] == want
    show(display, "tuning")
    display = TuningDisplay.from_cv_results(results, x="clf__alpha", y="lambda")
    assert (display.x_name, display.y_name) == ("alpha", "lambda")
    show(display, "tuning_alpha_lambda")
    with pytest.raises(ValueError, match="'gamma' names 0 parameters.*clf__k"):
        TuningDisplay.from_cv_results(results, x="gamma")
    with pytest.raises(ValueError, match="'mean_loss' is no column.*mean_test_score"):
        TuningDisplay.from_cv_results(results, score="mean_loss")


def test_a_large_tuning_map_with_gaps(split):
    rng = np.random.default_rng(0)
    taus, ks = np.geomspace(1e-3, 10, 21), [2**i for i in range(10)]
    points = [(t, k) for t in taus for k in ks if rng.random() > 0.1]
    results = {
        "param_tau": np.ma.array([t for t, _ in points]),
        "param_k": np.ma.array([k for _, k in points], dtype=object),
        "mean_test_score": rng.random(len(points)),
    }
    display = TuningDisplay.from_cv_results(results)
    assert np.isnan(display.scores).sum() == 210 - len(points)
    show(display, "tuning_large")


def test_hard_examples_are_the_largest_modulations(split):
    X, y, _, _ = split
    y = y.copy()
    y[[20, 40, 60]] = (y[[20, 40, 60]] + 1) % 10
    clf = KNNWeightedLogisticRegression(20, tau=1.0).fit(X, y)
    display = HardExamplesDisplay.from_estimator(
        clf, y=y, images=X.reshape(-1, 8, 8), n_examples=8
    )
    assert clf.modulation_[display.row_ids].min() >= np.sort(clf.modulation_)[-8]
    want = -np.log(np.maximum(display.knn_proba, np.exp(-100.0)))
    np.testing.assert_allclose(display.modulation, want, rtol=1e-6)
    assert {20, 40, 60} <= set(display.row_ids)
    assert display.labels == [str(c) for c in y[display.row_ids]]
    show(display, "hard_examples")
    assert len(display.axes_) == 8
    show(HardExamplesDisplay.from_estimator(clf), "hard_examples_bars")
    with pytest.raises(ValueError, match="weighs no training rows"):
        HardExamplesDisplay.from_estimator(SoftKNNClassifier(5).fit(X, y))


def test_hard_examples_show_the_label_that_neighbours_suggest(split):
    X, y, _, _ = split
    bad = y.copy()
    bad[[20, 40, 60]] = (bad[[20, 40, 60]] + 1) % 10
    proba = SoftKNNClassifier(20, tau=1.0).fit(X, bad).predict_proba(None)
    proba[np.arange(len(X)), bad] = -1
    want = proba.argmax(axis=1).astype(str)
    joint = JointKNNClassifier(20, tau=1.0).fit(X, bad)
    guided = KNNWeightedLogisticRegression(20, tau=1.0).fit(X, bad)
    for model, rows in (joint, None), (guided, X):
        display = HardExamplesDisplay.from_estimator(model, X=rows, y=bad)
        assert display.suggested == list(want[display.row_ids])
        show(display, f"suggested_{type(model).__name__}")
        texts = [text.get_text() for text in display.axes_[0].get_yticklabels()]
        first = display.row_ids[0]
        assert texts[0] == f"{bad[first]} → {want[first]}? ({first})"
    assert HardExamplesDisplay.from_estimator(guided, y=bad).suggested is None
    grown = JointKNNClassifier(20).fit(X[:400], bad[:400])
    grown.partial_fit(X[400:], bad[400:])
    # Rows of the base and of the votes are no longer the same.
    assert HardExamplesDisplay.from_estimator(grown).suggested is None


def test_hard_examples_of_an_audit(split):
    X, y, _, _ = split
    bad = y.copy()
    bad[[20, 40, 60]] = (bad[[20, 40, 60]] + 1) % 10
    pytest.importorskip("pandas")
    audit = LabelAudit().fit(X, bad)
    display = HardExamplesDisplay.from_estimator(
        audit, images=X.reshape(-1, 8, 8), n_examples=5
    )
    np.testing.assert_array_equal(
        display.row_ids, np.argsort(audit.label_quality_, kind="stable")[:5]
    )
    assert {20, 40, 60} <= set(display.row_ids)
    assert display.labels == [str(c) for c in bad[display.row_ids]]
    suggested = audit.suggested_labels_[display.row_ids]
    assert display.suggested == [str(c) for c in suggested]
    np.testing.assert_array_equal(
        display.knn_proba, audit.label_quality_[display.row_ids]
    )
    show(display, "hard_examples_of_an_audit")
    assert f"→ {suggested[0]}?" in display.axes_[0].get_title()


def test_per_class_scores_equal_scikit_learn(split):
    X, y, queries, labels = split
    joint = JointKNNClassifier(8, lam=0.6).fit(X, y)
    display = PerClassDisplay.from_estimator(joint, queries, labels)
    assert joint.lam == 0.6
    models = {
        "kNN": joint.knn_.predict(queries),
        "BASE": joint.estimator_.predict(queries),
        "JOINT": joint.predict(queries),
    }
    assert list(display.precision) == list(models)
    for name, predicted in models.items():
        np.testing.assert_array_equal(
            display.precision[name],
            precision_score(labels, predicted, average=None, zero_division=0),
        )
        np.testing.assert_array_equal(
            display.recall[name], recall_score(labels, predicted, average=None)
        )
    np.testing.assert_array_equal(display.support, np.bincount(labels))
    show(display, "per_class")
    with pytest.raises(ValueError, match="no kNN side"):
        PerClassDisplay.from_estimator(SoftKNNClassifier(5).fit(X, y), queries, labels)
    with pytest.raises(ValueError, match="2 names for 10 classes"):
        PerClassDisplay.from_estimator(joint, queries, labels, class_names=["a", "b"])


@pytest.mark.parametrize("widths", [(4, 7), (90, 200)])
def test_cka_equals_its_definition(widths):
    rng = np.random.default_rng(0)
    A = rng.normal(size=(60, widths[0]))
    B = A[:, :2] @ rng.normal(size=(2, widths[1])) + rng.normal(size=(60, widths[1]))
    H = np.eye(60) - 1 / 60
    K, L = H @ A @ A.T @ H, H @ B @ B.T @ H

    def hsic(P, Q):
        return np.trace(P @ Q)

    want = hsic(K, L) / np.sqrt(hsic(K, K) * hsic(L, L))
    assert linear_cka(A, B) == pytest.approx(want, rel=1e-10)
    assert linear_cka(A, B) == pytest.approx(linear_cka(B, 3 * A + 1), rel=1e-10)


def test_cka_display(split):
    X = split[0]
    blocks = {"top": slice(0, 32), "bottom": slice(32, 64), "all": slice(0, 64)}
    display = CKADisplay.from_features(X, blocks)
    assert display.similarity[0, 1] == linear_cka(X[:, 32:], X[:, :32])
    assert display.similarity[1, 0] == display.similarity[0, 1]
    np.testing.assert_array_equal(np.diag(display.similarity), 1)
    show(display, "cka")
    assert linear_cka(np.ones((5, 2)), X[:5]) == 0
    with pytest.raises(ValueError, match="A has 5 rows and B has 4"):
        linear_cka(X[:5], X[:4])
    with pytest.raises(ValueError, match="blocks=None needs X to be a dict"):
        CKADisplay.from_features(X)


def test_displays_fill_axes_of_the_caller(split):
    X, y, queries, labels = split
    joint = JointKNNClassifier(8).fit(X, y)
    figure, axes = plt.subplots(2, 2, figsize=(12, 8))
    for axis, display in [
        (axes[0, 0], NeighborsDisplay.from_estimator(joint, queries[0], n_neighbors=2)),
        (axes[0, 1], HardExamplesDisplay.from_estimator(joint)),
    ]:
        assert display.plot(axis).figure_ is figure
    display = PerClassDisplay.from_estimator(joint, queries, labels)
    assert display.plot(axes[1]).figure_ is figure


NAMES = ["$x_{1}$", "a$b", "_c_", "{d", "50%^2", "\\\\alpha$", "#1 & ~", "$$"]


@pytest.mark.parametrize("name", NAMES)
def test_names_are_drawn_as_they_stand(name):
    figure = plt.figure()
    texts = [
        figure.text(0, 0, plain_text(name)),
        figure.text(0, 0, name, parse_math=False),
    ]
    figure.canvas.draw()
    sizes = [text.get_window_extent().bounds for text in texts]
    assert sizes[0] == sizes[1]


def test_names_for_tex_are_escaped():
    with matplotlib.rc_context({"text.usetex": True}):
        assert plain_text(r"\$x_{1}$") == r"\textbackslash{}\$x\_\{1\}\$"


def test_displays_take_any_class_names(split):
    X, y, queries, labels = split
    names = np.array([*NAMES, r"$\frac$", "$_{$"])
    y, labels = names[y], names[labels]
    joint = JointKNNClassifier(8).fit(X, y)
    first = NeighborsDisplay.from_estimator(joint, queries[0], true_label=labels[0])
    show(first, "odd_names")
    images = X.reshape(-1, 8, 8)
    show(
        NeighborsDisplay.from_estimator(joint, queries[0], images=images), "odd_images"
    )
    show(HardExamplesDisplay.from_estimator(joint, y=y), "odd_hard")
    show(HardExamplesDisplay.from_estimator(joint, y=y, images=images), "odd_pictures")
    show(PerClassDisplay.from_estimator(joint, queries, labels), "odd_per_class")
    predictions = {r"$\frac$": y, "$_{$": y}
    show(PerClassDisplay.from_predictions(y, predictions), "odd_models")
    show(CKADisplay.from_features({name: X[:50] for name in names}), "odd_cka")
    odd = {"k": [2, 4], "modulation": ["nll", "focal"]}
    search = NeighborSearchCV(JointKNNClassifier(), odd, cv=2).fit(X[:99], y[:99])
    show(TuningDisplay.from_cv_results(search, x="modulation"), "tuning_words")


@pytest.mark.parametrize("kind", [NeighborSearchCV, GridSearchCV])
def test_displays_look_into_searches_and_pipelines(kind, split):
    X, y, queries, labels = split
    pipe = make_pipeline(StandardScaler(), JointKNNClassifier())
    grid = {"jointknnclassifier__k": [4, 8], "jointknnclassifier__tau": [0.1, 0.5]}
    search = kind(pipe, grid, cv=2)
    nested = make_pipeline(PCA(20), search).fit(X, y)
    fitted = nested[-1].best_estimator_
    joint = fitted[-1]
    rows = fitted[0].transform(nested[0].transform(queries))

    found = NeighborsDisplay.from_estimator(nested, queries[0])
    want = NeighborsDisplay.from_estimator(joint, rows[0])
    np.testing.assert_array_equal(found.neighbor_ids, want.neighbor_ids)
    np.testing.assert_allclose(found.proba, want.proba)
    found = HardExamplesDisplay.from_estimator(nested)
    np.testing.assert_array_equal(
        found.knn_proba, HardExamplesDisplay.from_estimator(joint).knn_proba
    )
    found = PerClassDisplay.from_estimator(nested, queries, labels)
    want = PerClassDisplay.from_estimator(joint, rows, labels)
    for name, recall in want.recall.items():
        np.testing.assert_array_equal(found.recall[name], recall)
    found = TuningDisplay.from_cv_results(nested[-1])
    want = TuningDisplay.from_cv_results(nested[-1].cv_results_)
    np.testing.assert_array_equal(found.scores, want.scores)


def test_a_search_without_a_refit_says_what_to_do(split):
    X, y, *_ = split
    search = NeighborSearchCV(SoftKNNClassifier(), {"k": [2, 4]}, cv=2, refit=False)
    search.fit(X[:99], y[:99])
    for display, rows in ((HardExamplesDisplay, ()), (NeighborsDisplay, (X[0],))):
        with pytest.raises(ValueError, match="refit=False left NeighborSearchCV"):
            display.from_estimator(search, *rows)
