"""What a run's model cannot learn, said before it is fetched, or before any image is read."""

from __future__ import annotations

from studio.clip.backbone import Backbone
from studio.coft.prompts import PromptTemplate
from studio.images.folder import Folder, propose_class_names
from studio.methods import METHODS
from studio.runs.request import JobRequest


def told_of_prompts(request: JobRequest, backbone: Backbone, found: Folder) -> str:
    """What is to be said about the prompts that will be learned, see `PromptTemplate.warning`.

    Raises:
        ModelError: the class names have no room in the texts that the model reads.
    """
    if not METHODS[request.method].prompts:
        return ""
    names = list(request.class_names or propose_class_names(found))
    return PromptTemplate(backbone, names, n_ctx=request.settings.n_ctx).warning
