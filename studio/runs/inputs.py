"""What a fit is given, made from a folder and a model; the page's preview makes it the same way."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.functional import normalize

from studio.cache_folder import touch
from studio.clip.backbone import Backbone
from studio.clip.encode import class_vectors
from studio.clip.space import Space
from studio.clip.store import image_features
from studio.clip.texts import TextTower
from studio.errors import FolderError
from studio.files import replace_file
from studio.images.canvases import Canvases, canvas_size
from studio.images.folder import Folder
from studio.images.preparing import prepare
from studio.progress import Progress, Stop
from studio.prompts.prompt_set import PromptSet
from studio.prompts.templates import TEMPLATES
from studio.ranks import ALONE, Ranks
from studio.scores.graph_files import GraphFiles
from studio.scores.knowledge import OTHER_TEMPLATES, Knowledge, nouns
from studio.scores.knowledge import knowledge as judge
from studio.scores.strangers import stranger_score
from studio.settings import Settings
from studio.untrusted import Unreadable, load_tensors

BYTES_PER_IMAGE, _SMALL_FILES = 400, 2_000_000


def prompts_of(
    settings: Settings,
    backbone: Backbone,
    prompts: PromptSet | None,
    class_names: Sequence[str],
) -> PromptSet:
    """What the text tower reads about these classes: the user's own, else as the settings say."""
    prompts = (prompts or PromptSet()).only(class_names)
    if prompts.templates:
        return prompts
    model = settings.templates == "model"
    return prompts.with_templates((backbone.template,) if model else TEMPLATES[settings.templates])


def cut_warning(tower: TextTower, prompts: PromptSet, class_names: Sequence[str]) -> str:
    """Which sentences the model will not read to their ends, and which classes are the same to it
    then; "" where there are none. Of learned prompts see `PromptTemplate.warning`.
    """
    texts = [[text for group in own for text in group] for own in prompts.texts(class_names)]
    cut = tower.cut_short([*dict.fromkeys(text for own in texts for text in own)])
    if not cut:
        return ""
    example = cut[0] if len(cut[0]) <= 80 else f"{cut[0][:80]} …"
    many = f"{len(cut)} texts are" if len(cut) > 1 else "1 text is"
    said = f"{many} longer than this model reads and will be cut at a word, such as {example!r}."
    first: dict[tuple[int, ...], int] = {}
    longer = set(cut)
    for number, own in enumerate(texts):
        read = tuple(tower.backbone.tokenizer(own).flatten().tolist())
        other = first.setdefault(read, number)
        if texts[other] != own and not longer.isdisjoint([*texts[other], *own]):
            one, two = class_names[other], class_names[number]
            return f"{said} So {one!r} and {two!r} are the same to it; shorten these names."
    return said


def images_for(
    backbone: Backbone,
    root: Path,
    *,
    cache_dir: Path,
    progress: Progress | None = None,
    stop: Stop | None = None,
    follow_links: bool = False,
    note: Callable[[str], None] | None = None,
) -> tuple[Folder, Canvases]:
    """A folder and its images as this model wants them; see `studio.images.preparing.prepare`."""
    return prepare(
        root,
        cache_dir=cache_dir,
        size=canvas_size(backbone.image_size),
        resize=backbone.resize,
        progress=progress,
        stop=stop,
        follow_links=follow_links,
        note=note,
    )


def at_size(
    folder: Folder,
    canvases: Canvases,
    backbone: Backbone,
    *,
    cache_dir: Path,
    progress: Progress | None = None,
    stop: Stop | None = None,
) -> Canvases:
    """The folder's images as this model wants them, read again where need be.

    Raises:
        FolderError: the folder has changed meanwhile.
        Stopped: `stop` said so.
    """
    wanted = canvas_size(backbone.image_size)
    if canvases.size == wanted and canvases.resize == backbone.resize:
        return canvases
    found, read = images_for(
        backbone,
        folder.root,
        cache_dir=cache_dir,
        progress=progress,
        stop=stop,
        follow_links=folder.follows_links,
    )
    if [image.path for image in found.images] != [image.path for image in folder.images]:
        raise FolderError(f"{folder.root} changed while its images were read; start again.")
    return read


def bytes_of_run(shipped: Backbone, *, images: int, models: int) -> int:
    """About how many bytes a run's folder will need: weights of so many models, and its arrays.

    shipped: the model that is trained and kept, in single precision. Per image a run of 10 classes
    keeps BYTES_PER_IMAGE; the rest is events and small files.
    """
    weights = 4 * sum(tensor.numel() for tensor in shipped.visual.parameters())
    return models * weights + images * BYTES_PER_IMAGE + _SMALL_FILES


def encode(
    backbone: Backbone,
    folder: Folder,
    canvases: Canvases,
    cache_dir: Path,
    progress: Progress | None = None,
    stop: Stop | None = None,
    on_disk: bool = False,
    ranks: Ranks = ALONE,
) -> Tensor:
    """(N, d) raw features of the folder's images, computed once per image and model.

    on_disk: see `image_features`.

    Raises:
        Stopped: `stop` said so.
    """
    return image_features(
        backbone, canvases, keys=keys_of(folder, canvases), cache_dir=cache_dir,
        progress=progress, stop=stop, on_disk=on_disk, ranks=ranks,
    )  # fmt: skip


def keys_of(folder: Folder, canvases: Canvases) -> list[str]:
    """What each image is known by: by what its canvas shows, wherever it lies; where that was not
    written down, by its place and how its file stands.
    """
    kind = f"{canvases.size}{canvases.resize}"
    return [
        content or f"{folder.root}/{image.path}|{image.bytes}|{image.mtime_ns}|{kind}"
        for image, content in zip(folder.images, canvases.contents, strict=True)
    ]


def alike_ones(
    backbone: Backbone,
    features: Tensor,
    cache_dir: Path,
    progress: Progress | None = None,
    stop: Stop | None = None,
) -> tuple[Tensor, Tensor]:
    """(N, K) images that are most alike around the set's mean, and the same in the model's space.

    Of a model whose space is centred, as that of the small built-in one is, both are the same. Each
    is found once per image set and model. features: (N, d) raw.

    Raises:
        Stopped: `stop` said so.
    """
    graphs, gpu = GraphFiles(cache_dir), backbone.device.type == "cuda"
    around = graphs.of_features(features, gpu=gpu, progress=progress, stop=stop)
    own = around
    if not backbone.center:
        own = graphs.of(normalize(features, dim=1).numpy(), gpu=gpu, progress=progress, stop=stop)
    return torch.from_numpy(around.indices), torch.from_numpy(own.indices)


def zero_shot_probabilities(
    backbone: Backbone, *, features: Tensor, class_vectors: Tensor, of: Tensor
) -> Tensor:
    """(n, C) probabilities of the images `of` (n, d) in the space of the set `features` (N, d)."""
    space = Space.of(
        image_features=features,
        class_vectors=class_vectors,
        scale=backbone.logit_scale,
        center=backbone.center,
    )
    return space.probabilities(of, class_vectors)


def knowledge(
    backbone: Backbone,
    *,
    features: Tensor,
    class_vectors: Tensor,
    class_names: Sequence[str],
    templates: Sequence[str],
    cache_dir: Path,
    progress: Progress | None = None,
) -> Knowledge:
    """What the model seems to know about these images under these names, told without any label.

    The nouns to compare with are put into the same templates; sentences of single classes have no
    counterpart there.

    Args:
        backbone: The model.
        features: (N, d) raw.
        class_vectors: (C, d).
        class_names: The C names.
        templates: Those of the class vectors.
        cache_dir: Where the vectors of the nouns to compare with are kept.
        progress: Told (images done, N).
    """
    vectors = _cached_vectors(backbone, nouns(class_names), templates, cache_dir)
    return judge(
        features,
        class_vectors,
        noun_vectors=vectors,
        other_vectors=[
            _cached_vectors(backbone, class_names, [template], cache_dir)
            for template in OTHER_TEMPLATES
        ],
        logit_scale=backbone.logit_scale,
        center=backbone.center,
        progress=progress,
    )


def strangers(
    backbone: Backbone,
    *,
    features: Tensor,
    class_vectors: Tensor,
    class_names: Sequence[str],
    templates: Sequence[str],
    cache_dir: Path,
    candidates: Tensor | None = None,
    progress: Progress | None = None,
) -> Tensor:
    """(N,) float32, how far each image seems to be of none of the classes (`scores.strangers`).

    Args: as for `knowledge`; candidates: as of `Task`.
    """
    score = stranger_score(
        features,
        class_vectors,
        noun_vectors=_cached_vectors(backbone, nouns(class_names), templates, cache_dir),
        center=backbone.center,
        candidates=candidates,
        progress=progress,
    )
    return torch.from_numpy(score).float()


def _cached_vectors(
    backbone: Backbone, names: Sequence[str], templates: Sequence[str], cache_dir: Path
) -> Tensor:
    """Vectors of names from the cache: 500 nouns take a large text tower a minute on a CPU."""
    text = json.dumps([backbone.fingerprint, list(names), list(templates)])
    key = hashlib.sha256(text.encode()).hexdigest()[:24]
    path = cache_dir / "nouns" / f"{key}.safetensors"
    with contextlib.suppress(Unreadable, KeyError):
        vectors = load_tensors(path)["vectors"]
        if vectors.ndim == 2 and len(vectors) == len(names) and vectors.is_floating_point():
            touch(path)
            return vectors
    vectors = class_vectors(backbone, names, templates)
    with contextlib.suppress(OSError):  # a full disk costs time, not the run
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_file(path, lambda temporary: save_file({"vectors": vectors}, temporary))
    return vectors
