"""The command line: `python -m studio fit | prompts | predict | bench | paper | models | ...`.

Everything heavy is imported inside `studio.commands`, so that `--help` answers at once.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from studio.errors import INTERRUPTED, USER_ERROR, StudioError, WriteError, leave
from studio.memory import keep_freed_memory
from studio.parsers.kept import add_cache, add_export, add_runs, add_settings
from studio.parsers.labels import (
    add_checks,
    add_fit,
    add_judge,
    add_models,
    add_predict,
    add_prompts,
    add_suggest,
)
from studio.parsers.shared import Parser
from studio.parsers.tables import add_bench, add_paper
from studio.room import CACHE, RUNS, within

MOST_SHOWN = 3  # arguments that a command does not take: a pattern may stand for thousands of files

_COMMANDS = (
    add_fit, add_suggest, add_checks, add_judge, add_prompts, add_predict, add_export, add_bench,
    add_paper, add_runs, add_models, add_cache, add_settings,
)  # fmt: skip
"""In the order in which `--help` lists them."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code: 0, 2 for what the user can put right, 130 after Ctrl-C."""
    options = _parsed(arguments)
    keep_freed_memory()
    try:
        code: int = options.command(options)
        return code
    except WriteError as error:
        print(f"error: {_one_line(within(error, _places(options)))}", file=sys.stderr)
        return USER_ERROR
    except StudioError as error:
        print(f"error: {_one_line(error)}", file=sys.stderr)
        return USER_ERROR
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # `python -m studio runs | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options of a command; what it does not take is said of that command.

    argparse would name the whole program, whose `--help` lists none of a command's options.
    """
    parser = _parser()
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        shown = " ".join(map(repr, unknown[:MOST_SHOWN]))
        more = f" and {len(unknown) - MOST_SHOWN} more" if len(unknown) > MOST_SHOWN else ""
        parser.prog += f" {options.name_of_command}"
        parser.error(f"`{options.name_of_command}` does not take {shown}{more}")
    return options


def program() -> NoReturn:
    """The command line as a program, which ends with the exit code."""
    code = main()
    if code == INTERRUPTED:
        leave(code)
    sys.exit(code)


def _parser() -> Parser:
    parser = Parser(
        prog="python -m studio",
        description="A folder of unlabelled images becomes labels and a classifier.",
    )
    commands = parser.add_subparsers(
        title="commands", required=True, metavar="COMMAND", dest="name_of_command"
    )
    for add in _COMMANDS:
        add(commands)
    return parser


def _places(options: argparse.Namespace) -> dict[str, Path]:
    """The folders that this command's own options choose, by what they are for."""
    named = {RUNS: getattr(options, "runs", None), CACHE: getattr(options, "cache", None)}
    return {what: folder for what, folder in named.items() if folder is not None}


def _one_line(error: StudioError) -> str:
    return " ".join(str(error).split())
