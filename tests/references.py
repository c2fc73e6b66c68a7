"""Plain float64 loops that the library is compared with."""

import math

import numpy as np


def prepare(train, queries, preprocessing):
    """Preprocess row by row with Python's own arithmetic on numpy rows."""
    train = np.asarray(train, dtype=np.float64)
    queries = np.asarray(queries, dtype=np.float64)

    def unit(rows):
        out = []
        for row in rows:
            norm = math.sqrt(math.fsum(v * v for v in row))
            out.append(row / norm if norm > 0 else row * 0.0)
        return np.array(out).reshape(rows.shape)

    def mean(rows):
        return np.array([math.fsum(column) / len(rows) for column in rows.T])

    if preprocessing == "center-l2":
        center = mean(train)
        return unit(train - center), unit(queries - center)
    if preprocessing == "l2-center":
        train, queries = unit(train), unit(queries)
        center = mean(train)
        return train - center, queries - center
    if preprocessing == "l2":
        return unit(train), unit(queries)
    return train, queries


def distance(a, b, metric):
    if metric == "cosine":
        na, nb = math.sqrt(math.fsum(a * a)), math.sqrt(math.fsum(b * b))
        return 1.0 if na == 0 or nb == 0 else 1.0 - math.fsum(a * b) / (na * nb)
    d2 = math.fsum((a - b) ** 2)
    return d2 if metric == "sqeuclidean" else math.sqrt(d2)


def sorted_neighbors(train, query, k, metric, skip=None):
    """(distance, row) of the k nearest, ties to the lower row."""
    pairs = [
        (distance(row, query, metric), i) for i, row in enumerate(train) if i != skip
    ]
    return sorted(pairs)[:k]


def votes(neighbors, labels, tau, n_classes):
    """Softmax of -d / tau over the neighbours, summed by class."""
    nearest = neighbors[0][0]
    weights = [math.exp(-((d - nearest) / tau)) for d, _ in neighbors]
    total = math.fsum(weights)
    out = np.zeros(n_classes)
    for w, (_, i) in zip(weights, neighbors):
        out[labels[i]] += w / total
    return out


def soft_knn_proba(
    train, labels, queries, k, tau, metric="sqeuclidean", preprocessing="center-l2"
):
    """Probabilities of SoftKNNClassifier for queries."""
    labels = np.asarray(labels)
    train, queries = prepare(train, queries, preprocessing)
    n_classes = labels.max() + 1
    return np.array(
        [
            votes(sorted_neighbors(train, q, k, metric), labels, tau, n_classes)
            for q in queries
        ]
    )


def leave_one_out_proba(
    train, labels, k, tau, metric="sqeuclidean", preprocessing="center-l2"
):
    """The same for each training row without itself, statistics of all rows held."""
    labels = np.asarray(labels)
    train, _ = prepare(train, train, preprocessing)
    n_classes = labels.max() + 1
    return np.array(
        [
            votes(sorted_neighbors(train, q, k, metric, skip=i), labels, tau, n_classes)
            for i, q in enumerate(train)
        ]
    )


def minimise_weighted_logistic(X, codes, weights, C, n_classes, tol=1e-12):
    """Exact minimiser of sum w_i CE_i + |W|^2 / (2C), by damped Newton steps.

    Returns probabilities on ``X``. Softmax over all classes (for two classes the
    symmetric form would halve the penalty, so it is a single logit instead).
    """
    n, d = X.shape
    Z = np.column_stack([X, np.ones(n)])
    ridge = np.append(np.full(d, 1 / C), 0.0)
    if n_classes == 2:
        w = np.zeros(d + 1)
        for _ in range(200):
            p = 1 / (1 + np.exp(-Z @ w))
            grad = Z.T @ (weights * (p - codes)) + ridge * w
            hess = (Z * (weights * p * (1 - p))[:, None]).T @ Z + np.diag(ridge)
            step = np.linalg.lstsq(hess, grad, rcond=None)[0]
            w -= step
            if np.abs(step).max() < tol:
                break
        p = 1 / (1 + np.exp(-Z @ w))
        return np.column_stack([1 - p, p])
    target = np.eye(n_classes)[codes]
    W = np.zeros((n_classes, d + 1))

    def proba(W):
        s = Z @ W.T
        s -= s.max(axis=1, keepdims=True)
        e = np.exp(s)
        return e / e.sum(axis=1, keepdims=True)

    def loss(W):
        s = Z @ W.T
        top = s.max(axis=1)
        log_z = np.log(np.exp(s - top[:, None]).sum(axis=1)) + top
        nll = log_z - s[np.arange(n), codes]
        return weights @ nll + (ridge * W**2).sum() / 2

    for _ in range(200):
        P = proba(W)
        grad = (weights[:, None] * (P - target)).T @ Z + ridge * W
        hess = np.zeros((n_classes, d + 1, n_classes, d + 1))
        for a in range(n_classes):
            for b in range(n_classes):
                h = weights * P[:, a] * ((a == b) - P[:, b])
                hess[a, :, b, :] = (Z * h[:, None]).T @ Z
                if a == b:
                    hess[a, :, b, :] += np.diag(ridge)
        size = n_classes * (d + 1)
        step = np.linalg.lstsq(
            hess.reshape(size, size), grad.reshape(size), rcond=1e-14
        )[0].reshape(W.shape)
        scale = 1.0
        while loss(W - scale * step) > loss(W) + 1e-13 and scale > 1e-6:
            scale /= 2
        W = W - scale * step
        if np.abs(step).max() < tol:
            break
    return proba(W)
