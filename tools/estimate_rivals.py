"""Other indicators of how many zero-shot labels are right, to compare the estimate's own with.

None sees a true label. Arrays as in `studio.scores`: pictures (N, d) unit features, p (N, C).
"""

from __future__ import annotations

import numpy as np
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_mutual_info_score

from studio.scores.cleanliness import neighbour_share


def rivals(pictures: np.ndarray, p: np.ndarray) -> dict[str, float]:
    """By name."""
    labels, count = p.argmax(1), p.shape[1]
    sizes = np.bincount(labels, minlength=count) / len(labels)
    even = float((sizes**2).sum())  # what random labels of these sizes would share
    share = float(neighbour_share(pictures, labels).mean())
    mean = p.mean(0)
    entropy = float(-(p * np.log(p + 1e-12)).sum(1).mean())
    return {
        "classes": float(np.log(count)),
        "neighbours": (share - even) / max(1 - even, 1e-9),
        "class means": consistency(pictures, labels, count),
        "groups": groups(pictures, labels, count),
        "information": float(-(mean * np.log(mean + 1e-12)).sum() - entropy) / np.log(count),
        "entropy": entropy / float(np.log(count)),
        "sizes": float(np.exp(-(sizes * np.log(sizes + 1e-12)).sum())) / count,
    }


def rivals_after(pictures: np.ndarray, p: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Of labels (N,) that training led to, by name."""
    rows, count = np.arange(len(labels)), p.shape[1]
    sizes = np.bincount(labels, minlength=count) / len(labels)
    even = float((sizes**2).sum())
    share = float(neighbour_share(pictures, labels).mean())
    return {
        "all names": logit(float(p[rows, labels].mean())),
        "kept": logit(float((p.argmax(1) == labels).mean())),
        "neighbours after": (share - even) / max(1 - even, 1e-9),
        "sizes after": float(np.exp(-(sizes * np.log(sizes + 1e-12)).sum())) / count,
        "group margin": margin(p, labels),
    }


def margin(p: np.ndarray, labels: np.ndarray) -> float:
    """How much likelier the images of a label are to have its name than the best other one, all of
    them together and compared with the whole folder: in log-odds, mean over images.
    """
    count = p.shape[1]
    logs = np.log(np.maximum(p, 1e-9))
    groups = np.zeros((count, count))
    np.add.at(groups, labels, logs)
    sizes = np.bincount(labels, minlength=count)
    groups = groups / np.maximum(sizes, 1)[:, None] - logs.mean(0)
    own = groups.diagonal().copy()
    np.fill_diagonal(groups, -np.inf)
    return float(((own - groups.max(1)) * sizes).sum() / len(labels))


def logit(share: float) -> float:
    share = min(max(share, 1e-4), 1 - 1e-4)
    return float(np.log(share / (1 - share)))


def consistency(pictures: np.ndarray, labels: np.ndarray, count: int) -> float:
    """Share of labels that the class means of the other half of the images give as well."""
    half, right = np.random.default_rng(0).random(len(labels)) < 0.5, 0
    for part in (half, ~half):
        means = np.zeros((count, pictures.shape[1]))
        np.add.at(means, labels[part], pictures[part])
        lengths = np.linalg.norm(means, axis=1)
        found = pictures[~part] @ (means / np.maximum(lengths, 1e-12)[:, None]).T
        found[:, lengths == 0] = -2
        right += int((found.argmax(1) == labels[~part]).sum())
    return right / len(labels)


def groups(pictures: np.ndarray, labels: np.ndarray, count: int) -> float:
    """Adjusted mutual information of the labels with as many groups of the images (k-means)."""
    model = KMeans(min(count, len(pictures) // 2), n_init=1, max_iter=20, random_state=0)
    return float(adjusted_mutual_info_score(labels, model.fit_predict(pictures)))
