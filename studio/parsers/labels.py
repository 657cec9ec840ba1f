"""The commands that label images, and those that come before: models and prompts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from studio import commands as run_command
from studio.methods import METHODS
from studio.parsers.shared import (
    above_zero,
    add_cache_dir,
    add_follow_links,
    add_names,
    add_over,
    add_runs_dir,
    folder,
)


def add_models(commands: Any) -> None:
    """The models that have a name, or those at hand ranked."""
    models = commands.add_parser(
        "models",
        help="list the models that have a name, or rank those at hand for a folder",
        description="List the models that have a name: size, licence, accuracy on ImageNet, and "
        "whether they are on this machine. With --rank FOLDER: which of those that are here suits "
        "these images, told without a label.",
    )
    add = models.add_argument
    add("--rank", type=folder, metavar="FOLDER", help="rank models for the images of this folder")
    add_names(models)
    add(
        "--model",
        action="append",
        default=[],
        metavar="MODEL",
        help="rank this one as well, fetched if it is not here; may be given many times",
    )
    add_cache_dir(models)
    models.set_defaults(command=run_command.models)


def add_prompts(commands: Any) -> None:
    """Class names to sentences."""
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
    add_over(prompts)
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
    add_cache_dir(prompts)
    prompts.set_defaults(command=run_command.prompts)


def add_judge(commands: Any) -> None:
    """A vision-language model's answers about a few images."""
    judge = commands.add_parser(
        "judge",
        help="have a vision-language model say what a few well-chosen images show",
        description="Ask a vision-language model behind an OpenAI-compatible address "
        "(JUDGE_BASE_URL or OPENAI_BASE_URL, else OpenAI; a server of this machine too) what "
        "images show. What "
        "would be sent to whom and what it costs is printed, and nothing is sent before you say "
        "yes. Started again, it goes on where it was stopped.",
    )
    add = judge.add_argument
    add("target", metavar="RUN|FOLDER", help="a run's id or 'latest', or a folder of images")
    number = judge.add_mutually_exclusive_group()
    number.add_argument(
        "--budget",
        default="2C",
        metavar="N",
        help="how many images are asked about, or 2C for two per class (default: %(default)s)",
    )
    number.add_argument(
        "--checks",
        default="",
        metavar="N",
        help="instead: show it so many images that are drawn by chance, 60 say, to tell how many "
        "labels are right; what it says changes none of them",
    )
    add("--judge", default="", metavar="NAME", help="the vision-language model (or JUDGE_MODEL)")
    add("--url", default="", metavar="URL", help="its address, up to /v1 (or JUDGE_BASE_URL)")
    add("--about", default="", metavar="TEXT", help="what the images show, in your words")
    add(
        "--price",
        default="",
        metavar="IN/OUT",
        help="US dollars per million tokens sent and written, for the cost",
    )
    add("--yes", action="store_true", help="send without being asked; for scripts")
    add("--dry-run", action="store_true", help="print what would be sent; nothing is")
    add_names(judge)
    add("--model", default="embedded", help="of a folder's first labels (default: %(default)s)")
    add(
        "--out",
        type=Path,
        metavar="FILE",
        help="a CSV of all that is corrected and judged, for `fit --corrections` (a folder's "
        "default: judged.csv); with --checks: of what it said of each image",
    )
    add_over(judge)
    add_runs_dir(judge)
    add_cache_dir(judge)
    judge.set_defaults(command=run_command.judge)


def add_suggest(commands: Any) -> None:
    """Which images are worth an answer."""
    suggest = commands.add_parser(
        "suggest",
        help="list the images whose answers would say most about all the others",
        description="Write a CSV of the images that are worth an answer, the one worth most "
        "first: path, pseudo-label, shortlist (names with | between them) and why. Nothing is "
        "asked and nothing leaves this machine. What is answered already counts.",
    )
    add = suggest.add_argument
    add("target", metavar="RUN|FOLDER", help="a run's id or 'latest', or a folder of images")
    add("--budget", default="2C", metavar="N", help="how many images, or 2C for two per class "
        "(default: %(default)s)")  # fmt: skip
    add("--out", type=Path, required=True, metavar="FILE", help="the CSV to write")
    add_over(suggest)
    add_names(suggest)
    add("--model", default="embedded", help="of a folder's first labels (default: %(default)s)")
    add_runs_dir(suggest)
    add_cache_dir(suggest)
    suggest.set_defaults(command=run_command.suggest)


def add_checks(commands: Any) -> None:
    """How many labels are right, from few checked images."""
    checks = commands.add_parser(
        "checks",
        help="tell from a few checked images how many of a run's labels are right",
        description="With --out, write a CSV of images that are drawn for it; say in its column "
        "`label` what each image shows. With --answers, say how many of all labels are right, with "
        "an interval, and what ten more answers would bring. With neither, a person's corrections "
        "of the images that would be drawn count, and what a judge's checks say is printed by "
        "itself (`judge --checks`). Where they speak clearly for other labels of "
        "the run than those after training, labels.csv and exports take those from then on.",
    )
    add = checks.add_argument
    add("run", metavar="RUN", help="a run's id or 'latest'")
    add(
        "--number", type=above_zero, default=40, metavar="N",
        help="images to draw (default: %(default)s)",
    )  # fmt: skip
    one = checks.add_mutually_exclusive_group().add_argument  # each is a command of its own
    one("--out", type=Path, metavar="FILE", help="the CSV to write")
    one("--answers", type=Path, metavar="FILE", help="that CSV with its column `label` filled in")
    one(
        "--keep", metavar="LABELS",
        help="have these labels leave, whatever answers say: zero-shot, phase1 or final; `answers` "
        "leaves it to the answers again",
    )  # fmt: skip
    add_runs_dir(checks)
    checks.set_defaults(command=run_command.checks)


def add_fit(commands: Any) -> None:
    """A folder to labels and a classifier."""
    fit = commands.add_parser(
        "fit",
        help="label the images of a folder and train a classifier",
        description="Label the images of a folder and train a classifier; nobody annotates "
        "anything. Sub-folders that are called like a class are used for scoring only.",
    )
    fit.add_argument(
        "folder",
        nargs="?",
        metavar="FOLDER",
        help="the images; 'demo' is a set that the studio draws itself",
    )
    fit.add_argument(
        "--resume",
        metavar="RUN",
        help="go on with a run that was paused, stopped or cut off, in place of FOLDER: its id, "
        "its folder, or 'latest'",
    )
    fit.add_argument(
        "--as-is",
        action="store_true",
        help="with --resume: train no further, and label all images with what it has learned",
    )
    add_names(fit)
    fit.add_argument(
        "--splits",
        choices=["auto", "yes", "no"],
        default="auto",
        help="yes: the outer sub-folders (train, test, ...) are parts of a split set, and the "
        "folders in them are the classes; no: they are the classes (default: as they look)",
    )
    add_follow_links(fit)
    fit.add_argument(
        "--test", type=folder, metavar="FOLDER", help="measure accuracies on these images instead"
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
        "--consensus-model",
        metavar="MODEL",
        help="start from first labels on which --model and this model agree; same as --set "
        "consensus_model=MODEL",
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
    fit.add_argument(
        "--processes",
        type=int,
        default=1,
        metavar="N",
        help="share the work among N processes of this machine: on the CPU, or with a GPU each "
        "(default: %(default)s)",
    )
    add_runs_dir(fit)
    add_cache_dir(fit)
    fit.add_argument(
        "--json", action="store_true", help="the last line on stdout is the result as JSON"
    )
    fit.add_argument(
        "--mirror",
        type=folder,
        metavar="DIR",
        help="keep a copy of the run's folder here while it works, for others to read: a bucket "
        "that is mounted, say",
    )
    fit.set_defaults(command=run_command.fit)


def add_predict(commands: Any) -> None:
    """Another folder's labels, by a run's classifier."""
    predict = commands.add_parser(
        "predict",
        help="label another folder with a run's classifier",
        description="Label the images of another folder with a run's classifier.",
    )
    predict.add_argument("run", metavar="RUN", help="the run's id, its folder, or 'latest'")
    predict.add_argument("folder", type=folder, metavar="FOLDER", help="the images")
    predict.add_argument("--out", type=Path, required=True, metavar="FILE", help="a CSV file")
    add_over(predict)
    add_follow_links(predict)
    add_runs_dir(predict)
    add_cache_dir(predict)
    predict.set_defaults(command=run_command.predict)
