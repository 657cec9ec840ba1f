"""Options that several commands have."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import NoReturn

from studio.errors import USER_ERROR
from studio.places import default_cache_dir, default_runs_dir


class Parser(argparse.ArgumentParser):
    """Says in one line what is wrong, as every other error of a user does."""

    def error(self, message: str) -> NoReturn:
        """End the program."""
        self.exit(USER_ERROR, f"error: {message}; see `{self.prog} --help`\n")


def folder(text: str) -> Path:
    """A folder, which need not be there yet; a file is none, nor is what would lie below one."""
    path = Path(text).expanduser()
    for place in (path, *path.parents):
        if os.path.exists(place) and not os.path.isdir(place):
            raise argparse.ArgumentTypeError(f"{place} is a file, not a folder")
    return path


def above_zero(text: str) -> int:
    """A number of images: none or fewer are no wish."""
    number = int(text) if text.strip().lstrip("+-").isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"give a whole number from 1 on, not {text!r}")
    return number


def add_names(parser: argparse.ArgumentParser) -> None:
    """Where class names and prompts come from."""
    parser.add_argument(
        "--names",
        type=Path,
        metavar="FILE",
        help="class names, one a line, or lines FOLDER<TAB>NAME, or a list of another tool "
        "(default: the sub-folders' names)",
    )
    parser.add_argument(
        "--classes",
        metavar="NAMES",
        help="class names on the command line, separated by commas, or as in --names FILE",
    )
    parser.add_argument(
        "--prompts",
        type=Path,
        metavar="FILE",
        help="templates and sentences for the first labels, from the page or from `prompts`",
    )


def add_over(parser: argparse.ArgumentParser) -> None:
    """Whether what the command wrote before may be written over."""
    parser.add_argument(
        "--over",
        action="store_true",
        help="write FILE anew where an earlier one is there, with whatever was changed in it",
    )


def add_follow_links(parser: argparse.ArgumentParser) -> None:
    """Whether links out of a folder are followed."""
    parser.add_argument(
        "--follow-links",
        action="store_true",
        help="take the images that links lead to, out of the folder as well",
    )


def add_runs_dir(parser: argparse.ArgumentParser) -> None:
    """Where runs are kept."""
    parser.add_argument(
        "--runs",
        type=folder,
        metavar="DIR",
        default=str(default_runs_dir()),  # as a text, for argparse to look at it as well
        help="where runs are kept (default: the environment's STUDIO_RUNS, else ./runs)",
    )


def add_cache_dir(parser: argparse.ArgumentParser) -> None:
    """Where the cache is."""
    parser.add_argument(
        "--cache",
        type=folder,
        metavar="DIR",
        default=str(default_cache_dir()),
        help="where decoded images and features are kept (default: %(default)s)",
    )
