"""Faults, attacks and awkward files, tried against the studio; what is right is said by each.

    python tools/attack.py                      # what there is
    python tools/attack.py KIND FOLDER          # tries one kind; FOLDER takes all that it makes

Everything is made in FOLDER, all traffic stays on 127.0.0.1, and each line that is printed says
what was tried and what came of it. The exit code is 1 when something did not hold.
docs/reliability.md has the results.

Each section of that document is a module in tools/attacks/, with a list KINDS.
"""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import attacks
from attacks.kind import Kind


def kinds() -> list[Kind]:
    """All kinds, section by section."""
    found: list[Kind] = []
    for module in pkgutil.iter_modules(attacks.__path__):
        found.extend(getattr(importlib.import_module(f"attacks.{module.name}"), "KINDS", ()))
    return found


def main() -> int:
    """Try one kind."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(title="kinds", required=True, metavar="KIND")
    for kind in kinds():
        command = commands.add_parser(kind.name, help=kind.help, description=kind.help)
        command.add_argument("folder", type=Path, help="takes everything that is made")
        command.set_defaults(attack=kind)
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # for this process's torch and its children's
    options.folder.mkdir(parents=True, exist_ok=True)
    tries = failed = 0
    for outcome in options.attack.run(options.folder.resolve()):
        tries += 1
        failed += not outcome.held
        print(f"{'held  ' if outcome.held else 'FAILED'} {outcome.case}: {outcome.saw}", flush=True)
    print(f"{tries - failed} of {tries} held")
    return 1 if failed or not tries else 0


if __name__ == "__main__":
    sys.exit(main())
