"""Labels that spread over a graph of images and class texts: ZLaP and ECALP. Nothing is trained.

ZLaP: Stojnic, Kalantidis and Tolias, CVPR 2024, arXiv:2404.04072, transductive, at the settings of
its released example: 5 nearest images, the image itself among them, and 5 nearest texts, the cosine
of a text to the power 5, alpha 0.3. An edge counts both ways, weights are divided by the roots of
both ends' degrees, and scores solve (I - alpha W) y = texts.

ECALP: Li, Su, Goodge, Jia and Xu, ICLR 2025, arXiv:2412.18303, at its fixed settings: 8 nearest
images, 3 nearest texts, every weight to the power 10, 3 steps in which texts keep their labels. How
near images are is told by those numbers of a feature in which the texts differ.

Both written from papers and released programs (MIT), in code of our own.

Departs: cosines in the joint space of `studio.clip.space`, where one below 0 is no edge. ECALP is
made for images that come one after the other, each joining the graph of those before; here all are
there at once. A given label is kept like a text's, a rejected image has no edges. Scores are
brought to sum 1. What is shipped is a linear head, the Gaussians of the labels found beside the
texts (both papers look new images up in the graph).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn.functional import normalize, one_hot

from studio.baselines.shipping import ship_together
from studio.baselines.transclip import DIVISOR
from studio.coft.events import Event
from studio.coft.gaussians import moments
from studio.coft.given import REJECTED
from studio.coft.parts import fixed
from studio.coft.task import Task
from studio.coft.transduction import Assigned
from studio.scores.graph import KEPT, closest, is_exact

ZLAP_NEAREST, ZLAP_POWER, ZLAP_ALPHA, ZLAP_STEPS = 5, 5.0, 0.3, 20
"""The steps leave less than 0.3 ** 20 of the solution out."""
ROWS = 1024
"""Images whose cosines are held at a time."""
ECALP_IMAGES, ECALP_TEXTS, ECALP_POWER, ECALP_STEPS = 8, 3, 10.0, 3


def fit_zlap(task: Task) -> Iterator[Event]:
    """Label all images by ZLaP; see the module."""
    yield from ship_together(task, _once(task, zlap), count=1, temperature=DIVISOR)


def fit_ecalp(task: Task) -> Iterator[Event]:
    """Label all images by ECALP; see the module."""
    yield from ship_together(task, _once(task, ecalp), count=1, temperature=DIVISOR)


def zlap(
    pictures: Tensor, texts: Tensor, given: Tensor, candidates: Tensor | None = None
) -> Tensor:
    """(N, C) scores from unit features (N, d), class vectors (C, d) and given labels (N,).

    candidates: see `studio.scores.graph.closest`.
    """
    classes, usable = len(texts), given != REJECTED
    some = None if is_exact(len(pictures)) else candidates
    near, weights = closest(pictures, count=ZLAP_NEAREST - 1, usable=usable, candidates=some)
    weights = weights.clamp_min(0.0)
    words, cosines = nearest(pictures, texts, count=ZLAP_NEAREST)
    graph = graph_of(near, weights, words, cosines**ZLAP_POWER, usable=usable, classes=classes)
    start = torch.cat([torch.eye(classes), _given(given, classes)])
    scores = start
    for _ in range(ZLAP_STEPS):
        scores = start + ZLAP_ALPHA * torch.sparse.mm(graph, scores)
    return scores[classes:]


def ecalp(
    pictures: Tensor, texts: Tensor, given: Tensor, candidates: Tensor | None = None
) -> Tensor:
    """(N, C) scores; arguments as of `zlap`."""
    classes, usable = len(texts), given != REJECTED
    telling = normalize(pictures * texts.var(0), dim=1)
    some: Tensor | None = None
    if not is_exact(len(pictures)):
        if candidates is None:
            candidates, _ = closest(pictures, count=KEPT)
        some = torch.cat([torch.arange(len(pictures))[:, None], candidates], dim=1)
    near, weights = nearest(telling, pictures, usable, count=ECALP_IMAGES, some=some)
    words, cosines = nearest(pictures, texts, count=ECALP_TEXTS)
    graph = graph_of(
        near, weights**ECALP_POWER, words, cosines**ECALP_POWER, usable=usable, classes=classes
    )
    kept = torch.cat([torch.eye(classes), _given(given, classes)])
    known = kept.sum(1, keepdim=True) > 0
    scores = kept
    for _ in range(ECALP_STEPS):
        scores = torch.where(known, kept, torch.sparse.mm(graph, scores))
    return scores[classes:]


def nearest(
    of: Tensor,
    among: Tensor,
    usable: Tensor | None = None,
    *,
    count: int,
    some: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """The nearest of unit vectors (M, d) to each of (N, d): indices and cosines, at least 0.

    Both are (N, k). usable: (M,) bool, who may be near; None: all; some: (N, K) who are compared
    with each; None: all.
    """
    indices, cosines = [], []
    for rows in torch.arange(len(of)).split(ROWS):
        if some is None:
            found = of[rows] @ among.T
        else:
            found = (among[some[rows]] @ of[rows, :, None])[..., 0]
        if usable is not None:
            found = found * (usable if some is None else usable[some[rows]])
        best = found.topk(min(count, found.shape[1]), dim=1)
        indices.append(best.indices if some is None else some[rows].gather(1, best.indices))
        cosines.append(best.values.clamp_min(0.0))
    return torch.cat(indices), torch.cat(cosines)


def graph_of(
    near: Tensor, weights: Tensor, words: Tensor, cosines: Tensor, *, usable: Tensor, classes: int
) -> Tensor:
    """Sparse (C + N, C + N): edges both ways, over the roots of both ends' degrees.

    near, weights: (N, k) images near each image; words, cosines: (N, m) texts near it; usable:
    (N,) bool, who has edges. Texts come first.
    """
    images = classes + torch.arange(len(near))
    ends = torch.cat([near + classes, words], dim=1)
    values = torch.cat([weights, cosines], dim=1) * usable[:, None]
    begin = images[:, None].expand_as(ends)
    edges = torch.stack([begin.flatten(), ends.flatten()])
    both = torch.cat([edges, edges.flip(0)], dim=1)
    values = values.flatten().repeat(2)
    nodes = classes + len(near)
    degrees = torch.zeros(nodes).index_add_(0, both[0], values)
    root = degrees.clamp_min(1e-12).rsqrt()
    scaled = values * root[both[0]] * root[both[1]]
    graph = torch.sparse_coo_tensor(both, scaled, (nodes, nodes), check_invariants=False)
    return graph.coalesce()


def _given(given: Tensor, classes: int) -> Tensor:
    """(N, C) ones for given labels (N,), else 0."""
    return one_hot(given.clamp_min(0), classes) * (given >= 0)[:, None].float()


def _once(task: Task, method: Callable[..., Tensor]) -> Iterator[Assigned]:
    """What a method finds, as assignments with the Gaussians of the labels."""
    pictures = task.start.pictures.float()
    texts = task.start.space.texts(task.class_vectors).float()
    scores = method(pictures, texts, task.given, task.candidates)
    total = scores.sum(1, keepdim=True)
    # An image without edges is labelled by the texts alone.
    z = torch.where(total > 0, scores / total.clamp_min(1e-30), task.start.probabilities)
    z = fixed(z, task.given)
    usable = (task.given != REJECTED)[:, None]
    found = one_hot(z.argmax(1), z.shape[1]) * usable
    means, variance = moments(pictures, found.float(), texts)
    yield Assigned(z, means, variance)
