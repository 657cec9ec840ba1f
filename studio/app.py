"""CoFT Studio in the browser: `coft-studio`, or `python app.py` in a checkout."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from studio.errors import one_line
from studio.memory import keep_freed_memory
from studio.places import default_cache_dir, default_runs_dir, has_display, is_loopback


def main() -> None:
    """Read the flags, build the page, serve it."""
    public = "SPACE_ID" in os.environ  # on a Hugging Face Space
    parser = argparse.ArgumentParser(description="CoFT Studio, in the browser.")
    add = parser.add_argument
    add("--host", default="0.0.0.0" if public else "127.0.0.1", help="address to listen on")
    add("--port", type=int, default=7860, help="port to listen on (default: %(default)s)")
    add("--runs", type=Path, default=default_runs_dir(), help="where runs are kept")
    add("--cache", type=Path, default=default_cache_dir(), help="where features and such are kept")
    add("--root", type=Path, action="append", default=[], help="only open folders in here")
    add("--no-browser", action="store_true", help="do not open the page in a browser")
    args = parser.parse_args()

    keep_freed_memory()
    with one_line():
        _serve(args, public=public)


def _serve(args: argparse.Namespace, *, public: bool) -> None:
    # Here, because gradio takes seconds and `--help` must answer at once.
    from studio.ui.page import Options, serve

    options = Options(
        runs_dir=args.runs.expanduser().resolve(),
        cache_dir=args.cache.expanduser().resolve(),
        roots=tuple(root.expanduser().resolve() for root in args.root),
        public=public,
        local=is_loopback(args.host),
    )
    # Where its user sits: not on a Space, and not on a server that is reached from elsewhere.
    here = options.local and not public and has_display()
    serve(options, host=args.host, port=args.port, browser=here and not args.no_browser)


if __name__ == "__main__":
    main()
