"""What a message says of commands and options, said of tools: a program has no terminal at hand.

Messages are written once, for people; here is the one place where they are put for a program.
"""

from __future__ import annotations

import re

_ID = r"(?P<run>[^\s;,.]+)"
_SAID: tuple[tuple[str, str], ...] = (
    (r"`python -m studio runs` lists", "`list_runs` lists"),
    (r"`python -m studio models` lists", "`list_models` lists"),
    (r"`python -m studio settings` lists them", "the description of `fit` lists them"),
    (rf"python -m studio fit --resume {_ID} (goes on|begins it again)",
     r"the Train tab of the page goes on with it, and `fit` with like=\g<run> begins anew"),
    (rf"python -m studio runs --command {_ID} prints the command that starts it again",
     r"`fit` with like=\g<run> starts it again"),
    (r", or with `fit --labels`", ""),
    (r"with --corrections FILE", "with `correct`"),
    (r"give the names, one a line \(command line: --names FILE\)",
     "give `class_names` to `open_folder`"),
    (r"\(`--to model`\)", "(`format`: model)"),
    (r"follow them with --follow-links, on the page with", "follow them on the page with"),
)  # fmt: skip
_RULES = tuple((re.compile(pattern), instead) for pattern, instead in _SAID)


def for_programs(text: str) -> str:
    """The message with tools in the place of commands and their options.

    Options of the studio itself stay (`--runs`, `--cache`, `--root`): whoever started it gives
    them, and the program can tell.
    """
    for pattern, instead in _RULES:
        text = pattern.sub(instead, text)
    return text
