"""The commands about what is there already: runs, the cache, settings."""

from __future__ import annotations

from typing import Any

from studio import commands as run_command
from studio.parsers.shared import add_cache_dir, add_runs_dir, folder


def add_runs(commands: Any) -> None:
    """Past runs."""
    runs = commands.add_parser(
        "runs",
        help="list, rename or annotate past runs",
        description="List past runs. RUN is a run's id, its folder, or 'latest'.",
    )
    add_runs_dir(runs)
    runs.add_argument("--rename", nargs=2, metavar=("RUN", "NAME"), help="give a run another name")
    runs.add_argument("--note", nargs=2, metavar=("RUN", "TEXT"), help="keep a note with a run")
    runs.add_argument("--command", metavar="RUN", dest="repeat", help="print what repeats a run")
    runs.add_argument("--json", action="store_true", help="print one JSON object a line")
    runs.set_defaults(command=run_command.runs)


def add_export(commands: Any) -> None:
    """A run in a format of another tool."""
    export = commands.add_parser(
        "export",
        help="take a run's labels, images or model away in a format of another tool",
        description="Write a run into a folder in one of the formats; without --to they are "
        "listed. docs/export.md says what each is.",
    )
    add = export.add_argument
    add("run", metavar="RUN", nargs="?", help="the run's id, its folder, or 'latest'")
    add("--to", metavar="FORMAT", help="the format")
    add("--out", type=folder, metavar="DIR", help="a folder that is not there yet, or is empty")
    add(
        "--only",
        default="everything",
        metavar="WHICH",
        help="'clean': leave out images whose label is noisy (default: %(default)s)",
    )
    add("--links", action="store_true", help="make links to the images in place of copies")
    add(
        "--push",
        metavar="OWNER/NAME",
        help="send it to the Hugging Face hub in place of a folder: --to huggingface or timm; the "
        "repository is private, and the images in it leave this machine",
    )
    add("--public", action="store_true", help="with --push: everybody may see it")
    add_runs_dir(export)
    export.set_defaults(command=run_command.export)


def add_cache(commands: Any) -> None:
    """What the cache holds."""
    cache = commands.add_parser(
        "cache",
        help="say what the cache holds, empty it, or keep it within a limit",
        description="Say what the cache holds. What is deleted is made again when it is needed; "
        "uploads, given labels and what the page remembers always stay.",
    )
    add_cache_dir(cache)
    how = cache.add_mutually_exclusive_group()
    how.add_argument("--clear", action="store_true", help="delete all that can be made again")
    how.add_argument(
        "--limit", metavar="SIZE", help="delete what was not used for longest, down to 20GB, say"
    )
    cache.set_defaults(command=run_command.cache)


def add_settings(commands: Any) -> None:
    """Every setting."""
    settings = commands.add_parser(
        "settings",
        help="list all settings, with where their defaults come from",
        description="List all settings that `fit --set NAME=VALUE` takes.",
    )
    settings.set_defaults(command=run_command.settings)
