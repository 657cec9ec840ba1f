"""What a run's model cannot learn, said before it is fetched, or before any image is read."""

from __future__ import annotations

from studio.clip.backbone import Backbone
from studio.clip.sources import find_source
from studio.coft.adaptable import check_adaptable
from studio.coft.prompts import PromptTemplate
from studio.images.folder import Folder, propose_class_names
from studio.methods import METHODS
from studio.progress import Begin, Stop
from studio.runs.request import JobRequest


def check_tower(request: JobRequest, *, begin: Begin, stop: Stop) -> None:
    """Of a model, nothing but its configuration is fetched for it.

    Raises:
        ModelError: the method learns a visual adapter, which the model's image tower does not take.
        Stopped: `stop` said so.
    """
    if METHODS[request.method].adapter:
        source = find_source(request.model, begin=begin, stop=stop)
        check_adaptable(source.config, size=source.preprocess.size, name=request.model)


def told_of_prompts(request: JobRequest, backbone: Backbone, found: Folder) -> str:
    """What is to be said about the prompts that will be learned, see `PromptTemplate.warning`.

    Raises:
        ModelError: the class names have no room in the texts that the model reads.
    """
    if not METHODS[request.method].prompts:
        return ""
    names = list(request.class_names or propose_class_names(found))
    return PromptTemplate(backbone, names, n_ctx=request.settings.n_ctx).warning
