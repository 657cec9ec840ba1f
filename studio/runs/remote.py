"""A run as a Job of Hugging Face: the same command, on the account of whoever asks for it.

The Job works in the Space's own image. Its images and what was typed lie in a private bucket of
that account, into which it copies the run's folder while it grows (`runs.mirror`); the page reads
it from there as any other run (`runs.follow`). The account's token is kept nowhere.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from studio.errors import RunError
from studio.files import _json
from studio.images.folder import class_text, scan
from studio.runs.checking import CLAIMED_FILE
from studio.runs.given_table import COLUMNS, GIVEN_FILE, write_corrections
from studio.runs.request import JobRequest
from studio.runs.table import row_text
from studio.settings import Settings

FLAVORS: Mapping[str, float] = {"t4-small": 0.40, "l4x1": 0.80, "a100-large": 2.50, "h200": 5.00}
"""Hardware that can be chosen, and its price in dollars an hour (Hugging Face, November 2026)."""

MOUNT, BUCKET = "/studio", "coft-studio"
"""Where the Job sees its bucket, and what that is called."""

_OWNER = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,95})")


@dataclass(frozen=True)
class RemoteJob:
    """What is asked of the hub.

    Attributes:
        name: Of the run, and of its folder in the bucket.
        owner: The account that pays.
        image: The container, as `run_job` takes it.
        flavor: The hardware.
        minutes: After which it is ended, whatever it is at.
        command: What runs in it.
        files: What is put into the bucket before, by its name there.
    """

    name: str
    owner: str
    image: str
    flavor: str
    minutes: int
    command: tuple[str, ...]
    files: Mapping[str, Path | bytes] = field(repr=False)

    @property
    def bucket(self) -> str:
        """The bucket, OWNER/NAME."""
        return f"{self.owner}/{BUCKET}"

    @property
    def most(self) -> float:
        """What it can cost at most, in dollars."""
        return FLAVORS[self.flavor] * self.minutes / 60

    @property
    def sentence(self) -> str:
        """What is about to happen, for people."""
        return (
            f"{len(self.files):,} files go into the private bucket {self.bucket}. The Job runs on "
            f"{self.flavor} for {self.minutes} minutes at most: {self.most:.2f} $ at most, on the "
            f"account {self.owner}."
        )


def planned(
    request: JobRequest, *, name: str, owner: str, space: str, flavor: str, minutes: int = 60
) -> RemoteJob:
    """The Job of a request. Nothing is sent.

    Args:
        request: The run, as it would be started here.
        name: Of the run's folder.
        owner: The account that pays.
        space: OWNER/NAME of the Space, whose image has the studio in it.
        flavor: One of FLAVORS.
        minutes: After which it is ended.

    Raises:
        RunError: The account or the hardware cannot be what they are said to be.
        StudioError: The images cannot be read.
    """
    if not _OWNER.fullmatch(owner):
        raise RunError(f"{owner!r} is no name of an account.")
    if flavor not in FLAVORS:
        raise RunError(f"There is no hardware {flavor!r}; choose one of {', '.join(FLAVORS)}.")
    if not 1 <= minutes <= 24 * 60:
        raise RunError("A Job takes between 1 minute and 24 hours.")
    folder = scan(request.folder, follow_links=request.follow_links)
    files: dict[str, Path | bytes] = {
        f"{name}/images/{image.path}": folder.root / image.path for image in folder.images
    }
    place = f"{MOUNT}/{name}"
    command = ["python", "-m", "studio", "fit", f"{place}/images"]
    for option, file, data in _inputs(request):
        files[f"{name}/{file}"] = data
        command += [option, f"{place}/{file}"]
    command += ["--method", request.method, "--model", request.model]
    command += ["--name", request.name or name, *_settings(request.settings)]
    # On the Job's own disk: a bucket need not know locks, nor lines that are appended.
    command += ["--runs", "/tmp/runs", "--cache", "/tmp/cache", "--mirror", f"{place}/run"]
    return RemoteJob(
        name, owner, f"hf.co/spaces/{space}", flavor, minutes, tuple(command), files
    )  # fmt: skip


def _inputs(request: JobRequest) -> Iterator[tuple[str, str, bytes]]:
    """Options that name a file, the file, and what is in it."""
    if request.class_names is not None:
        yield "--names", "names.txt", class_text(request.class_names, request.aliases).encode()
    if request.prompts is not None:
        yield "--prompts", "prompts.json", _json(request.prompts.to_dict()).encode()
    if request.labels:
        yield (
            "--labels",
            CLAIMED_FILE,
            "".join(map(row_text, (COLUMNS[:2], *request.labels.items()))).encode(),
        )
    if request.corrections:
        yield "--corrections", GIVEN_FILE, corrections_csv(request)


def corrections_csv(request: JobRequest) -> bytes:
    """The corrections of a request as `fit --corrections` reads them."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        return write_corrections(Path(folder) / GIVEN_FILE, request.corrections).read_bytes()


def _settings(settings: Settings) -> list[str]:
    """`--set` for whatever is not the default."""
    default, found = Settings().to_dict(), []
    for name, value in settings.to_dict().items():
        if value != default[name]:
            text = str(value).lower() if isinstance(value, bool) else str(value)
            found += ["--set", f"{name}={text}"]
    return found


def submit(job: RemoteJob, *, token: str, api: Any = None) -> str:
    """Put the files into the bucket and start the Job; its id.

    Args:
        job: See `planned`.
        token: Of the account that pays, with the right to start Jobs and to write to its buckets.
        api: `huggingface_hub.HfApi`, or what stands in for it.

    Raises:
        RunError: The hub refuses; the token is in no message.
    """
    from huggingface_hub import HfApi, Volume

    hub = HfApi(token=token) if api is None else api
    try:
        hub.create_bucket(job.bucket, private=True, exist_ok=True)
        hub.batch_bucket_files(job.bucket, add=[(data, name) for name, data in job.files.items()])
        started = hub.run_job(
            image=job.image, command=list(job.command), flavor=job.flavor,
            timeout=f"{job.minutes}m", namespace=job.owner, labels={"coft-studio": job.name},
            volumes=[Volume(type="bucket", source=job.bucket, mount_path=MOUNT)],
        )  # fmt: skip
    except Exception as error:  # of whatever the hub's library uses
        raise RunError(refusal(error, token)) from None
    return str(started.id)


def refusal(error: Exception, token: str) -> str:
    """What the hub said, in one line and without the token."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    said = " ".join(lines[0].split())[:300]
    if token:
        said = said.replace(token, "...")
    return f"Hugging Face refuses: {said}"


def shown(job: RemoteJob) -> str:
    """The command of a Job, as one types it."""
    return shlex.join(job.command)
