"""An export on the Hugging Face hub: only when somebody asks for it, and private unless told."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from studio.errors import RunError, StudioError
from studio.export.formats import FORMATS, copying, format_of
from studio.export.subject import EVERYTHING, Subject
from studio.export.write import write_folder
from studio.progress import Begin, unheard
from studio.runs.run import Run

_NAME = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*", re.ASCII)


def push_run(
    run: Run,
    to: str,
    repository: str,
    *,
    only: str = EVERYTHING,
    public: bool = False,
    begin: Begin = unheard,
) -> str:
    """Put a run's export into a repository of the hub, which is made if there is none.

    Args:
        run: A run with final labels.
        to: A format that the hub knows: "huggingface" or "timm".
        repository: OWNER/NAME.
        only: One of `subject.ONLY`.
        public: Whether everybody may see it; a repository that is public already is refused
            without.
        begin: Told of each step while the files are made and sent. What it raises ends it.

    Returns:
        The repository's address.

    Raises:
        StudioError: There is no such format, the hub refuses, or it cannot be reached.
    """
    chosen = format_of(to)
    if not chosen.hub:
        known = " or ".join(name for name, format in FORMATS.items() if format.hub)
        raise RunError(f"The hub has no place for the format {to}; push {known}.")
    if not _NAME.fullmatch(repository):
        raise RunError(f"A repository is given as OWNER/NAME, as in anna/pets, not {repository!r}.")
    subject = Subject.of(run, only=only, begin=begin)
    with tempfile.TemporaryDirectory(prefix="coft-push-") as place:
        folder = Path(place) / "export"
        told = copying(chosen, subject)
        write_folder(chosen.entries(subject), folder, links=True, told=told)
        sending = begin(f"Sending to {repository}")  # its client has a bar of its own
        sending(0, 1)
        address = _send(folder, repository, kind=chosen.hub, public=public)
        sending(1, 1)
        return address


def _send(folder: Path, repository: str, *, kind: str, public: bool) -> str:
    from huggingface_hub import HfApi, constants

    api = HfApi(endpoint=constants.ENDPOINT)
    host = urlsplit(api.endpoint).netloc
    try:
        made = api.create_repo(repository, repo_type=kind, private=not public, exist_ok=True)
        if not public and not api.repo_info(repository, repo_type=kind).private:
            raise RunError(
                f"{repository} is public on {host}; say --public, or choose another name."
            )
        api.upload_folder(
            repo_id=repository, folder_path=str(folder), repo_type=kind,
            commit_message="Export of CoFT Studio",
        )  # fmt: skip
    except StudioError:
        raise
    except Exception as error:  # whatever the client and the libraries below it raise
        raise StudioError(_why(error, repository, host)) from error
    return str(made)


def _why(error: BaseException, repository: str, host: str) -> str:
    """The line for what the hub's client raised; its kinds are told by their names."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    status = getattr(getattr(error, "response", None), "status_code", None)
    if "OfflineModeIsEnabled" in kinds:
        return "HF_HUB_OFFLINE forbids to send anything; unset it."
    if status == 401 or "LocalTokenNotFoundError" in kinds:
        return (
            f"{host} does not know who you are; run `hf auth login`, or set HF_TOKEN to a token "
            "that may write."
        )
    if status == 403:
        return f"{host} does not let you write to {repository} (403); check the token's rights."
    if isinstance(status, int):
        return f"{host} answers {status} for {repository}; try again later."
    first = (str(error).strip() or type(error).__name__).splitlines()[0][:160]
    return f"{repository} could not be sent to {host}: {first}"
