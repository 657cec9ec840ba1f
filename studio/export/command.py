"""`python -m studio export`: a run, in one of the formats, in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from studio.errors import RunError
from studio.export.formats import FORMATS, Format, copying, format_of
from studio.export.push import push_run
from studio.export.subject import EVERYTHING, Subject
from studio.export.write import check_folder, write_folder
from studio.numbers import plural, size
from studio.progress import Begin, unheard
from studio.runs.command import text_table
from studio.runs.run import Run
from studio.runs.store import RunStore

if TYPE_CHECKING:
    import argparse


def export(options: argparse.Namespace, *, begin: Begin = unheard) -> int:
    """Write the export, or list what there is to choose from. begin: as of `export_run`."""
    if options.to is None:
        rows = [(format.name, format.about) for format in FORMATS.values()]
        print(text_table(("format", "what it is"), rows))
        return 0
    if options.run is None or (options.out is None) == (options.push is None):
        raise RunError(
            "Give a run, and --out DIR or --push OWNER/NAME; `python -m studio runs` lists "
            "the runs."
        )
    run = RunStore(options.runs).find(options.run)
    if options.push is not None:
        print(push_run(
            run, options.to, options.push, only=options.only, public=options.public, begin=begin
        ))  # fmt: skip
        return 0
    names = export_run(
        run, options.to, options.out, only=options.only, links=options.links, begin=begin
    )
    written = sum((options.out / name).stat().st_size for name in names)
    print(f"{plural(len(names), 'file')}, {size(written)}: {options.out}")
    return 0


def export_run(
    run: Run,
    to: str,
    out: Path,
    *,
    only: str = EVERYTHING,
    links: bool = False,
    begin: Begin = unheard,
) -> list[str]:
    """Write a run's export into a folder; returns the names of its files.

    Args:
        run: A run with final labels.
        to: A name in `formats.FORMATS`.
        out: A folder that is not there yet, or is empty.
        only: One of `subject.ONLY`.
        links: Make links to the images in place of copies.
        begin: Told of each step, and how far it is. What it raises ends the export, of which
            nothing is left then.

    Raises:
        StudioError: The run has no labels, the folder is not empty, or something that the format
            needs is missing.
    """
    chosen: Format = format_of(to)
    check_folder(out.expanduser())  # before minutes are spent on what is to go into it
    subject = Subject.of(run, only=only, begin=begin)
    return write_folder(
        chosen.entries(subject), out.expanduser(), links=links, told=copying(chosen, subject)
    )
