"""Each command that README and the guides show is run here, or it is said where.

Other documents tell how figures were measured, in hours and on data sets that are no part of the
repository: their commands are parsed only (test_documents.py).
"""

from __future__ import annotations

import csv
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest

import studio
from studio.cli import main
from tests.ask.vision_server import sees
from tests.prompts.chat_server import KEY, ChatServer
from tests.test_documents import DOCUMENTS, commands

GUIDES = {
    "README.md", "agents.md", "export.md", "guide.md", "judge.md", "models.md", "python.md",
    "reliability.md",
}  # fmt: skip
NAMES = ("red square", "green circle", "blue line")
IN_ORDER = (
    "settings", "models", "cache", "fit --help", "prompts --names names.txt --out prompts.json",
    "models --rank FOLDER --names names.txt", "fit FOLDER --names names.txt", "fit FOLDER",
    "runs --command RUN", "suggest RUN --budget 2C --out ask.csv", "judge RUN --budget 2C",
    "predict RUN OTHER_FOLDER --out labels.csv", "predict RUN FOLDER --out more.csv",
    "fit FOLDER --labels labels.csv", "export RUN --to imagefolder --out DIR",
    "export RUN --to FORMAT --out DIR", "fit FOLDER --corrections labels.csv",
    "checks RUN --out checks.csv", "checks RUN --answers checks.csv", "fit FOLDER --mirror DIR",
    "judge FOLDER --names names.txt --budget 40 --url http://localhost:11434/v1 --judge qwen2.5vl",
    "fit FOLDER --names names.txt --corrections judged.csv", "judge RUN --checks 60", "checks RUN",
    "judge FOLDER --names names.txt --checks 60 --out said.csv",
)  # fmt: skip
"""What is run here. Each takes what those before it have written."""

ELSEWHERE = {
    "fit --resume RUN": ("runs/test_resume.py", "a_paused_run_ends_at_once_and_goes_on"),
    "fit --resume RUN --as-is": ("test_cli.py", "ctrl_c_pauses_and_the_run_goes_on"),
    "bench --data SETS --methods zero-shot coft coft+ --out DIR": (
        "bench/test_bench.py", "a_benchmark_of_real_fits_goes_on_where_it_ended",
    ),
    "paper flowers102": ("paper/test_command.py", "a_real_fit_of_a_real_process"),
}  # fmt: skip
"""What takes longer to set up, and the test that runs it."""


def shown() -> set[str]:
    """The commands of the guides."""
    guides = [path for path in DOCUMENTS if path.name in GUIDES and "embedded" not in path.parts]
    found = {command.partition(" [")[0] for path in guides for command in commands(path)}
    return {c for c in found if " " in c or c in ("settings", "models", "cache")}


def test_every_command_of_the_guides_is_run() -> None:
    assert shown() == {*IN_ORDER, *ELSEWHERE}
    for file, name in ELSEWHERE.values():
        text = (Path(__file__).parent / file).read_text(encoding="utf-8")
        assert f"def test_{name}" in text, name


class Typist:
    """Types what the guides show, with a folder, a small model and few steps of training."""

    def __init__(self, images: Path, model: Path, settings: dict[str, Any], url: str) -> None:
        self._images, self._url = images, url
        self._model = ["--model", str(model)]
        self._quick = [f"--set={name}={value}" for name, value in settings.items()]

    def words(self, command: str) -> list[str]:
        """What is typed; RUN is the run that was made first."""
        run = str(next(iter(sorted(Path("runs").glob("2*"))), "none"))
        meant = {
            "FOLDER": str(self._images), "OTHER_FOLDER": str(self._images), "RUN": run,
            "DIR": re.sub(r"\W+", "-", command), "FORMAT": "csv",
            "http://localhost:11434/v1": self._url,
        }  # fmt: skip
        typed = [meant.get(word, word) for word in shlex.split(command)]
        name, rest = typed[0], typed[1:]
        if name == "fit" and "--help" not in rest:
            typed += [*self._model, *self._quick]
            # Two of them have to train; what the others show does not hang on it.
            typed += [] if {"--names", "--labels"} & {*rest} else ["--method", "zero-shot"]
        if name == "models" and rest:
            typed += self._model
        if name == "judge":
            typed += ["--yes", *([] if run in typed else self._model)]
        return typed

    def prepare(self, command: str) -> None:
        """What a person does before: corrects an image, fills a column in."""
        if command == "export RUN --to FORMAT --out DIR":
            run = studio.load(self.words("runs RUN")[1])
            run.correct({str(run.labels[0]["path"]): NAMES[0]})
        if command == "fit FOLDER --corrections labels.csv":
            shutil.copy("export-RUN-to-FORMAT-out-DIR/labels.csv", "labels.csv")
        if command == "checks RUN --answers checks.csv":
            with open("checks.csv", encoding="utf-8", newline="") as file:
                rows = list(csv.DictReader(file))
            with open("checks.csv", "w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, rows[0])
                writer.writeheader()
                for row in rows:
                    shows = row["path"].partition("/")[0].replace("_", " ")
                    writer.writerow({**row, "label": shows})


@pytest.mark.slow
def test_they_do_what_the_guides_say(
    image_folder: Path, tiny_model: Path, quick_settings: dict[str, Any], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STUDIO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("STUDIO_RUNS", str(tmp_path / "runs"))
    (tmp_path / "names.txt").write_text("\n".join(NAMES), encoding="utf-8")
    with ChatServer() as server:
        for name, value in (("BASE_URL", server.url), ("MODEL", "seer"), ("API_KEY", KEY)):
            monkeypatch.setenv(f"OPENAI_{name}", value)
            monkeypatch.delenv(f"JUDGE_{name}", raising=False)
        server.then = sees
        typist = Typist(image_folder, tiny_model, quick_settings, server.url)
        for command in IN_ORDER:
            typist.prepare(command)
            try:
                code = main(typist.words(command))
            except SystemExit as end:  # of --help
                code = int(end.code or 0)
            told = capsys.readouterr()
            assert code == 0, f"{command}: {told.err}"
    for file in ("prompts.json", "ask.csv", "labels.csv", "judged.csv", "said.csv"):
        assert (tmp_path / file).stat().st_size > 0, file
    assert len(list((tmp_path / "export-RUN-to-imagefolder-out-DIR").rglob("*.png"))) == 36
    assert (tmp_path / "fit-FOLDER-mirror-DIR").is_dir()
