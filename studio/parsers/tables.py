"""The commands that make tables: of methods on labelled sets, and beside the paper's."""

from __future__ import annotations

from typing import Any

from studio import commands as run_command
from studio.parsers.shared import add_cache_dir, folder


def add_bench(commands: Any) -> None:
    """Methods and settings on labelled sets."""
    bench = commands.add_parser(
        "bench",
        help="compare methods and settings on labelled sets",
        description="Fit labelled sets without their labels, measure on their test images, and "
        "write OUT/results.jsonl and OUT/tables.md. Started again, it goes on where it ended.",
    )
    bench.add_argument(
        "--data",
        type=folder,
        nargs="+",
        required=True,
        metavar="DIR",
        help="sets with train/, test/ and classes.txt, or folders of such sets",
    )
    bench.add_argument(
        "--methods",
        nargs="+",
        default=["zero-shot", "coft", "coft+"],
        metavar="METHOD[:KEY=VALUE,...]",
        help="methods, each with settings of its own if need be; shots=N gives N true labels a "
        "class, prompts=DIR takes DIR/SET.json, model=MODEL another model "
        "(default: zero-shot coft coft+)",
    )
    bench.add_argument(
        "--seeds", type=int, nargs="+", default=[0, 1, 2], metavar="N", help="default: 0 1 2"
    )
    bench.add_argument(
        "--present",
        type=float,
        default=1.0,
        metavar="SHARE",
        help="keep the images of this share of the listed classes, and list all (default: 1)",
    )
    bench.add_argument(
        "--tail",
        type=float,
        default=1.0,
        metavar="TIMES",
        help="keep so many times more images of the largest class than of the smallest, e.g. 50 "
        "(default: 1)",
    )
    bench.add_argument("--model", default="embedded", help="a preset or a local checkpoint")
    bench.add_argument("--out", type=folder, required=True, metavar="DIR", help="results and runs")
    add_cache_dir(bench)
    bench.set_defaults(command=run_command.bench)


def add_paper(commands: Any) -> None:
    """A row of the paper's tables."""
    paper = commands.add_parser(
        "paper",
        help="repeat a row of the paper's tables on its own data set",
        description="Fetch one of the paper's data sets (size, licence and source are said first), "
        "lay out train and test as CoOp does, fit, and print the paper's figure beside ours. "
        "Started again, it goes on where it ended. docs/paper.md says more.",
    )
    add = paper.add_argument
    add("set", metavar="SET", help="e.g. flowers102; docs/paper.md lists all ten")
    add(
        "--method",
        nargs="+",
        default=["coft+"],
        dest="methods",
        metavar="METHOD[:KEY=VALUE,...]",
        help="as in `bench`, e.g. coft+:preset=paper (default: coft+)",
    )
    add("--model", default="ViT-B-16", help="as in `fit` (default: %(default)s, the paper's)")
    add("--seeds", type=int, nargs="+", default=[0, 1, 2], metavar="N", help="default: 0 1 2")
    add(
        "--data",
        type=folder,
        metavar="DIR",
        default="data",
        help="where downloads, sets and results are kept (default: ./%(default)s)",
    )
    add("--dry-run", action="store_true", help="say what would be done; nothing is fetched")
    add_cache_dir(paper)
    paper.set_defaults(command=run_command.paper)
