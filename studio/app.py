"""CoFT Studio in the browser: `coft-studio`, or `python app.py` in a checkout."""

from __future__ import annotations

import argparse
import os
from contextlib import nullcontext
from pathlib import Path

from studio.errors import StudioError, leave, one_line
from studio.memory import keep_freed_memory
from studio.parsers.shared import Parser
from studio.places import default_cache_dir, default_runs_dir, has_display, is_loopback


def main() -> None:
    """Read the flags, build the page, serve it."""
    space = os.environ.get("SPACE_HOST", "") if "SPACE_ID" in os.environ else None
    parser = Parser(description="CoFT Studio, in the browser.")
    add = parser.add_argument
    add("--host", default="127.0.0.1" if space is None else "0.0.0.0", help="address to listen on")
    add("--port", type=int, default=7860, help="port to listen on (default: %(default)s)")
    add("--runs", type=Path, default=default_runs_dir(), help="where runs are kept")
    add("--cache", type=Path, default=default_cache_dir(), help="where features and such are kept")
    add("--root", type=Path, action="append", default=[], help="only open folders in here")
    add("--public", action="store_true", help="for strangers: a room for each, and limits")
    add("--allow-host", action="append", default=[], metavar="NAME", help="a proxy's name")
    add("--root-path", default="", metavar="/PATH", help="where that proxy shows the page")
    add("--mcp", action="store_true", help="offer tools to programs and agents (docs/agents.md)")
    add("--window", action="store_true", help="show the page in a window of its own, no browser")
    add("--no-browser", action="store_true", help="do not open the page in a browser")
    args = parser.parse_args()

    keep_freed_memory()
    code = 0
    try:
        with one_line():
            _serve(args, space=space)
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    leave(code)


def _serve(args: argparse.Namespace, *, space: str | None) -> None:
    """space: the name of the Hugging Face Space that this is; None: it is none."""
    for root in args.root:  # else the page would be there, and open nothing
        if not _real(root).is_dir():
            raise StudioError(f"--root {root}: there is no such folder; check the path.")
    if args.window:
        from studio.ui.window import check_window

        check_window()
    # Here, because gradio takes seconds and `--help` must answer at once. The package that lends a
    # GPU has to come before gradio and torch.
    print("Starting CoFT Studio. The first start takes longest.", flush=True)
    from studio.zero import slices_of_runs

    lent = slices_of_runs()
    from studio.ui.page import ON_LENT_GPU, Limits, Options, serve
    from studio.ui.window import Window

    public = args.public or space is not None
    options = Options(
        runs_dir=_real(args.runs),
        cache_dir=_real(args.cache),
        roots=tuple(map(_real, args.root)),
        public=public,
        local=is_loopback(args.host),
        limits=None if not public else Limits() if lent is None else ON_LENT_GPU,
        root=args.root_path.strip("/") and f"/{args.root_path.strip('/')}",
        tools=args.mcp,
        slices=lent,
        space=os.environ.get("SPACE_ID", ""),
    )
    names = args.allow_host + ([] if space is None else [space, "*.hf.space"])
    # Where its user sits: not on a Space, and not on a server that is reached from elsewhere.
    here = options.local and not public and has_display()
    browser = here and not args.no_browser and not args.window
    with Window(kept=options.cache_dir / "window") if args.window else nullcontext() as window:
        until = None if window is None else window.show
        serve(options, host=args.host, port=args.port, names=names, browser=browser, until=until)


def _real(path: Path) -> Path:
    """Where links lead; links in a circle are told of by whoever opens the folder."""
    return Path(os.path.realpath(path.expanduser()))


if __name__ == "__main__":
    main()
