"""What a run's models cannot learn, said before they are fetched, or before any image is read."""

from __future__ import annotations

from studio.clip.backbone import Backbone
from studio.clip.presets import IMAGE_ONLY
from studio.clip.sources import find_source
from studio.coft.adaptable import check_adaptable, check_trainable
from studio.coft.prompts import PromptTemplate
from studio.images.folder import Folder, propose_class_names
from studio.methods import METHODS
from studio.progress import Begin, Stop
from studio.runs.request import JobRequest


def check_towers(request: JobRequest, *, begin: Begin, stop: Stop) -> None:
    """Of the models that a request names, nothing but their configurations is fetched for it: what
    is wrong with one of them is said before the weights of another come.

    Raises:
        ModelError: one is not there; the method learns a visual adapter, which the run's own image
            tower does not take; or it trains a tower as a whole that cannot be trained so.
        Stopped: `stop` said so.
    """
    method, settings = METHODS[request.method], request.settings
    own = find_source(request.model, begin=begin, stop=stop)
    shipped, name = own, request.model
    if settings.phase2_model:
        name = settings.phase2_model
        shipped = find_source(name, begin=begin, stop=stop)
    further = settings.consensus_model
    if further and not further.startswith(IMAGE_ONLY):
        find_source(further, begin=begin, stop=stop)
    if method.adapter:
        check_adaptable(own.config, size=own.preprocess.size, name=request.model)
    if method.fine_tunes and settings.phase2_epochs:
        check_trainable(shipped.config, size=shipped.preprocess.size, name=name)


def told_of_prompts(request: JobRequest, backbone: Backbone, found: Folder) -> str:
    """What is to be said about the prompts that will be learned, see `PromptTemplate.warning`.

    Raises:
        ModelError: the class names have no room in the texts that the model reads.
    """
    if not METHODS[request.method].prompts:
        return ""
    names = list(request.class_names or propose_class_names(found))
    return PromptTemplate(backbone, names, n_ctx=request.settings.n_ctx).warning
