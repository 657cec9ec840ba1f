"""The command line: `python -m studio fit | prompts | predict | bench | paper | models | ...`.

Everything heavy is imported inside `studio.commands`, so that `--help` answers at once.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from studio import commands as run_command
from studio.errors import INTERRUPTED, StudioError
from studio.memory import keep_freed_memory
from studio.methods import METHODS
from studio.places import default_cache_dir, default_runs_dir

USER_ERROR = 2


class _Parser(argparse.ArgumentParser):
    """Says in one line what is wrong, as every other error of a user does."""

    def error(self, message: str) -> NoReturn:
        self.exit(USER_ERROR, f"error: {message}; see `{self.prog} --help`\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code: 0, 2 for what the user can put right, 130 after Ctrl-C."""
    options = _parser().parse_args(arguments)
    keep_freed_memory()
    try:
        code: int = options.command(options)
        return code
    except StudioError as error:
        print(f"error: {_one_line(error)}", file=sys.stderr)
        return USER_ERROR
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # `python -m studio runs | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m studio",
        description="A folder of unlabelled images becomes labels and a classifier.",
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_fit(commands)
    _add_prompts(commands)
    _add_predict(commands)
    _add_export(commands)
    _add_bench(commands)
    _add_paper(commands)

    runs = commands.add_parser(
        "runs",
        help="list, rename or annotate past runs",
        description="List past runs. RUN is a run's id, its folder, or 'latest'.",
    )
    _add_runs_dir(runs)
    runs.add_argument("--rename", nargs=2, metavar=("RUN", "NAME"), help="give a run another name")
    runs.add_argument("--note", nargs=2, metavar=("RUN", "TEXT"), help="keep a note with a run")
    runs.add_argument("--command", metavar="RUN", dest="repeat", help="print what repeats a run")
    runs.add_argument("--json", action="store_true", help="print one JSON object a line")
    runs.set_defaults(command=run_command.runs)

    _add_models(commands)

    cache = commands.add_parser(
        "cache",
        help="say what the cache holds, empty it, or keep it within a limit",
        description="Say what the cache holds. What is let go is made anew when it is needed; "
        "uploads, given labels and what the page remembers always stay.",
    )
    _add_cache_dir(cache)
    how = cache.add_mutually_exclusive_group()
    how.add_argument("--clear", action="store_true", help="let go of all that can be made anew")
    how.add_argument(
        "--limit", metavar="SIZE", help="let go of what was not used for longest, down to 20GB, say"
    )
    cache.set_defaults(command=run_command.cache)

    settings = commands.add_parser(
        "settings",
        help="list all settings, with where their defaults come from",
        description="List all settings that `fit --set NAME=VALUE` takes.",
    )
    settings.set_defaults(command=run_command.settings)
    return parser


def _add_models(commands: Any) -> None:
    models = commands.add_parser(
        "models",
        help="list the models that have a name, or rank those at hand for a folder",
        description="List the models that have a name: size, licence, accuracy on ImageNet, and "
        "whether they are on this machine. With --rank FOLDER: which of those that are here suits "
        "these images, told without a label.",
    )
    add = models.add_argument
    add("--rank", type=Path, metavar="FOLDER", help="rank models for the images of this folder")
    _add_names(models)
    add(
        "--model",
        action="append",
        default=[],
        metavar="MODEL",
        help="rank this one as well, fetched if it is not here; may be given many times",
    )
    _add_cache_dir(models)
    models.set_defaults(command=run_command.models)


def _add_names(parser: argparse.ArgumentParser) -> None:
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


def _add_fit(commands: Any) -> None:
    fit = commands.add_parser(
        "fit",
        help="label the images of a folder and train a classifier",
        description="Label the images of a folder and train a classifier; nobody annotates "
        "anything. Sub-folders that are called like a class are used for scoring only.",
    )
    fit.add_argument(
        "folder", metavar="FOLDER", help="the images; 'demo' is a set that the studio draws itself"
    )
    _add_names(fit)
    fit.add_argument(
        "--splits",
        choices=["auto", "yes", "no"],
        default="auto",
        help="yes: the outer sub-folders (train, test, ...) are parts of a split set, and the "
        "folders in them are the classes; no: they are the classes (default: as they look)",
    )
    _add_follow_links(fit)
    fit.add_argument(
        "--test", type=Path, metavar="FOLDER", help="measure accuracies on these images instead"
    )
    fit.add_argument(
        "--model",
        default="embedded",
        help="one of `python -m studio models`, or as said there (default: %(default)s)",
    )
    fit.add_argument(
        "--phase2-model",
        metavar="MODEL",
        help="fine-tune and ship this model on the labels that --model finds clean, e.g. a "
        "smaller one; same as --set phase2_model=MODEL",
    )
    fit.add_argument(
        "--method",
        default="coft",
        metavar="NAME",
        help=f"one of {', '.join(METHODS)} (default: %(default)s)",
    )
    fit.add_argument("--name", metavar="NAME", help="what the run is called (default: the folder)")
    fit.add_argument("--seed", default=None, metavar="N", help="same as --set seed=N (default: 0)")
    fit.add_argument(
        "--set",
        action="append",
        default=[],
        dest="overrides",
        metavar="NAME=VALUE",
        help="change a setting, see `python -m studio settings`; may be given many times",
    )
    fit.add_argument(
        "--corrections",
        metavar="FILE|RUN",
        help="take these labels as given and leave rejected images out: a CSV with the columns "
        "path,label[,correction], such as an exported labels.csv, or a run that was corrected",
    )
    fit.add_argument(
        "--labels",
        type=Path,
        metavar="FILE",
        help="check these labels, which may be wrong, instead of labelling: a CSV with the columns "
        "path,label; the run's checked.csv has the least clean first",
    )
    _add_runs_dir(fit)
    _add_cache_dir(fit)
    fit.add_argument(
        "--json", action="store_true", help="the last line on stdout is the result as JSON"
    )
    fit.set_defaults(command=run_command.fit)


def _add_prompts(commands: Any) -> None:
    prompts = commands.add_parser(
        "prompts",
        help="have a language model write sentences about each class, for `fit --prompts`",
        description="Class names become a prompts file. Only the names and the description are "
        "sent, with the key in OPENAI_API_KEY, to OPENAI_BASE_URL or OpenAI; the budget is printed "
        "before. Exit code 1: something is missing from the file.",
    )
    add = prompts.add_argument
    add("--names", type=Path, required=True, metavar="FILE", help="class names, one a line")
    add("--out", type=Path, required=True, metavar="FILE", help="the prompts file to write")
    add("--description", default="", metavar="TEXT", help="what the images show, in your words")
    add("--sentences", type=int, default=4, metavar="N", help="a class (default: %(default)s)")
    add("--templates", type=int, default=0, metavar="N", help="for all (default: %(default)s)")
    add("--model", default="", metavar="NAME", help="the language model (or OPENAI_MODEL)")
    add(
        "--hand-written",
        default="",
        choices=["plain", "name", "ensemble"],
        help="write these templates instead; nothing is sent",
    )
    add("--dry-run", action="store_true", help="print the budget only; nothing is sent")
    _add_cache_dir(prompts)
    prompts.set_defaults(command=run_command.prompts)


def _add_predict(commands: Any) -> None:
    predict = commands.add_parser(
        "predict",
        help="label another folder with a run's classifier",
        description="Label the images of another folder with a run's classifier.",
    )
    predict.add_argument("run", metavar="RUN", help="the run's id, its folder, or 'latest'")
    predict.add_argument("folder", type=Path, metavar="FOLDER", help="the images")
    predict.add_argument("--out", type=Path, required=True, metavar="FILE", help="a CSV file")
    _add_follow_links(predict)
    _add_runs_dir(predict)
    _add_cache_dir(predict)
    predict.set_defaults(command=run_command.predict)


def _add_export(commands: Any) -> None:
    export = commands.add_parser(
        "export",
        help="take a run's labels, images or model away in a format of another tool",
        description="Write a run into a folder in one of the formats; without --to they are "
        "listed. docs/export.md says what each is.",
    )
    add = export.add_argument
    add("run", metavar="RUN", nargs="?", help="the run's id, its folder, or 'latest'")
    add("--to", metavar="FORMAT", help="the format")
    add("--out", type=Path, metavar="DIR", help="a folder that is not there yet, or is empty")
    add(
        "--only",
        default="everything",
        metavar="WHICH",
        help="'clean': leave out images whose label is noisy (default: %(default)s)",
    )
    add("--links", action="store_true", help="make links to the images in place of copies")
    _add_runs_dir(export)
    export.set_defaults(command=run_command.export)


def _add_bench(commands: Any) -> None:
    bench = commands.add_parser(
        "bench",
        help="compare methods and settings on labelled sets",
        description="Fit labelled sets without their labels, measure on their test images, and "
        "write OUT/results.jsonl and OUT/tables.md. Started again, it goes on where it ended.",
    )
    bench.add_argument(
        "--data",
        type=Path,
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
        "class, prompts=DIR takes DIR/SET.json, model=MODEL another model (default: %(default)s)",
    )
    bench.add_argument(
        "--seeds", type=int, nargs="+", default=[0, 1, 2], metavar="N", help="default: %(default)s"
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
    bench.add_argument("--out", type=Path, required=True, metavar="DIR", help="results and runs")
    _add_cache_dir(bench)
    bench.set_defaults(command=run_command.bench)


def _add_paper(commands: Any) -> None:
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
    add("--seeds", type=int, nargs="+", default=[0, 1, 2], metavar="N", help="default: %(default)s")
    add(
        "--data",
        type=Path,
        metavar="DIR",
        default=Path("data"),
        help="where downloads, sets and results are kept (default: ./%(default)s)",
    )
    add("--dry-run", action="store_true", help="say what would be done; nothing is fetched")
    _add_cache_dir(paper)
    paper.set_defaults(command=run_command.paper)


def _add_follow_links(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--follow-links",
        action="store_true",
        help="take the images that links lead to, out of the folder as well",
    )


def _add_runs_dir(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--runs",
        type=Path,
        metavar="DIR",
        default=default_runs_dir(),
        help="where runs are kept (default: the environment's STUDIO_RUNS, else ./runs)",
    )


def _add_cache_dir(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--cache",
        type=Path,
        metavar="DIR",
        default=default_cache_dir(),
        help="where decoded images and features are kept (default: %(default)s)",
    )


def _one_line(error: StudioError) -> str:
    return " ".join(str(error).split())
