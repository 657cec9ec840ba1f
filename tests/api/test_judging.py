"""`python -m studio judge` on a run and on a folder, against the local server."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import studio
from studio import cli
from studio.runs.corrections import Corrections, corrections_of
from studio.runs.given_table import read_corrections
from studio.runs.job import run_job
from studio.runs.request import JobRequest, create_run
from studio.runs.run import Run
from studio.runs.store import RunStore
from tests.ask.vision_server import is_test_picture, sees
from tests.prompts.chat_server import KEY, ChatServer, error

Command = Callable[..., "tuple[int, str]"]
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with ChatServer(key=None) as served:
        served.then = sees
        yield served


@pytest.fixture
def command(
    server: ChatServer, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Command:  # fmt: skip
    for name in ("BASE_URL", "API_KEY", "MODEL"):
        monkeypatch.delenv(f"OPENAI_{name}", raising=False)
        monkeypatch.delenv(f"JUDGE_{name}", raising=False)
    monkeypatch.setenv("JUDGE_BASE_URL", server.url)
    monkeypatch.setenv("JUDGE_MODEL", "seer")
    monkeypatch.chdir(tmp_path)

    def run(*more: str) -> tuple[int, str]:
        folders = ["--cache", str(tmp_path / "cache"), "--runs", str(tmp_path / "runs")]
        code = cli.main(["judge", *more, *folders])
        told = capsys.readouterr()
        assert KEY not in told.out + told.err
        assert "Traceback" not in told.err
        return code, told.err

    return run


@pytest.fixture
def run(tmp_path: Path, image_folder: Path, tiny_model: Path) -> Run:
    request = JobRequest(folder=image_folder, method="zero-shot", model=str(tiny_model))
    made = create_run(request, RunStore(tmp_path / "runs"))
    run_job(request, made, cache_dir=tmp_path / "cache", stop=lambda: False)
    return made


def test_a_run_is_judged_after_what_leaves_was_told(command: Command, run: Run, server: ChatServer):
    code, told = command(run.id, "--budget", "2C", "--yes", "--about", "shapes")
    assert code == 0, told
    lines = told.splitlines()
    host = server.url.split("/")[2]
    assert f"to {host}, model seer: 12 questions about 6 images" in lines[0]
    assert "the images stay on it" in lines[1]
    assert "class names and the description" in lines[1]
    assert "6 images judged" in told
    said = corrections_of(run)
    assert len(said) == 6
    for path, one in said.items():
        assert one.verdict == "judged"
        assert one.label.replace("_", " ") == path.split("/")[0].replace("_", " ")


def test_nothing_is_sent_without_a_yes(command: Command, run: Run, server: ChatServer,
                                       monkeypatch: pytest.MonkeyPatch):  # fmt: skip
    code, told = command(run.id)
    assert code == 2
    assert told.splitlines()[-1].startswith("error: nothing was sent: say yes with --yes")
    code, told = command(run.id, "--dry-run")
    assert code == 0
    assert "questions about 6 images" in told
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr(sys.stdin, "readline", lambda: "no\n")
    code, told = command(run.id)
    assert (code, told.splitlines()[-1][-16:]) == (130, "nothing was sent")
    assert server.requests == []
    monkeypatch.setattr(sys.stdin, "readline", lambda: "yes\n")
    assert command(run.id)[0] == 0
    assert len(corrections_of(run)) == 6


def test_a_folder_is_judged_for_the_page_and_for_a_fit(
    command: Command, image_folder: Path, tiny_model: Path, tmp_path: Path, server: ChatServer
):
    code, told = command(
        str(image_folder), "--model", str(tiny_model), "--budget", "3", "--yes"
    )  # fmt: skip
    assert code == 0, told
    said = read_corrections(tmp_path / "judged.csv")
    assert len(said) == 3
    assert {one.verdict for one in said.values()} == {"judged"}
    assert f"fit {image_folder} --corrections judged.csv" in told
    code, told = command(
        str(image_folder), "--model", str(tiny_model), "--budget", "2", "--yes", "--out", "all.csv"
    )
    assert len(read_corrections(tmp_path / "all.csv")) == 5, "kept with the folder"


@pytest.mark.parametrize("kind", ["--budget", "--checks"])
def test_an_edited_table_is_written_over_only_when_that_is_said(
    command: Command, run: Run, tmp_path: Path, server: ChatServer, kind: str
):
    table = tmp_path / "said.csv"
    words = (run.id, kind, "2", "--yes", "--out", "said.csv")
    assert command(*words)[0] == 0
    sent, edited = len(server.requests), table.read_text(encoding="utf-8-sig") + "\n"
    table.write_text(edited, encoding="utf-8")
    code, told = command(*words)
    assert code == 2
    assert "what was changed in it would be lost" in told.splitlines()[-1]
    assert "--over" in told.splitlines()[-1]
    assert (table.read_text(encoding="utf-8"), len(server.requests)) == (edited, sent)
    assert command(*words, "--dry-run")[0] == 0, "nothing is written"
    assert command(run.id, kind, "4", *words[3:], "--over")[0] == 0
    assert table.read_text(encoding="utf-8-sig") != edited


def test_a_failure_halfway_goes_on_with_the_same_command(
    command: Command, run: Run, server: ChatServer
):
    server.then = until_money_is_gone(server)
    code, told = command(run.id, "--yes")
    assert code == 1
    assert "quota" in told
    kept = len(corrections_of(run))
    assert 0 < kept < 6
    server.then = sees
    code, told = command(run.id, "--yes")
    assert code == 0
    assert f"going on where {kept} of 6 images had been asked about" in told
    assert len(corrections_of(run)) == 6


def test_a_name_that_is_mended_halfway_loses_no_answer(
    command: Command, image_folder: Path, tiny_model: Path, tmp_path: Path, server: ChatServer
) -> None:
    def used_up(request: dict[str, Any]) -> Any:
        if is_test_picture(request) or len(server.requests) <= 2 + 6:
            return sees(request)
        return error(429, "no money", code="insufficient_quota")

    def go(*names: str, more: tuple[str, ...] = ()) -> tuple[int, str]:
        (tmp_path / "names.txt").write_text("\n".join(names))
        return command(
            str(image_folder), "--model", str(tiny_model), "--names", str(tmp_path / "names.txt"),
            "--budget", "6", "--yes", *more,
        )  # fmt: skip

    server.then = used_up
    names = ["red square", "green circle", "blue line"]
    code, told = go(*names)
    assert code == 1, told
    assert "the same command, with --over, goes on with it" in told, "the table is there"
    first = read_corrections(tmp_path / "judged.csv")
    mended = next(one.label for one in first.values() if one.label)
    gone = sum(one.label == mended for one in first.values())
    server.then = sees
    mend = (f"{name} thing" if name == mended else name for name in names)
    code, told = go(*mend, more=("--over",))
    assert code == 0, told
    assert f"{gone} answer{'s' * (gone > 1)} not in the table" in told
    after = read_corrections(tmp_path / "judged.csv")
    assert mended not in {one.label for one in after.values()}
    assert len(after) == 6 - gone


def until_money_is_gone(server: ChatServer) -> Callable[[dict[str, Any]], Any]:
    """Answers the test pictures and six questions."""

    def answer(request: dict[str, Any]) -> Any:
        if is_test_picture(request) or len(server.requests) <= 2 + 6:
            return sees(request)
        return error(429, "no money", code="insufficient_quota")

    return answer


def test_an_asking_whose_rest_was_answered_by_others_does_not_go_on(
    command: Command, run: Run, server: ChatServer
) -> None:
    server.then = until_money_is_gone(server)
    assert command(run.id, "--budget", "36", "--yes")[0] == 1
    paths = [path for path in run.images()["images"] if path not in corrections_of(run)]
    corrections = Corrections.of(run)
    corrections.add("rejected", dict.fromkeys(paths, ""))
    server.then = sees
    before = len(server.requests)
    code, told = command(run.id, "--budget", "36", "--yes")
    assert code == 2
    assert "there is nothing to ask" in told
    assert len(server.requests) == before


@pytest.mark.parametrize(
    ("more", "says"),
    [(("--budget", "lots"), "A budget is"), (("--url", "ftp://x"), "no address"),
     (("--price", "cheap"), "million tokens"), (("--url", "https://example.com/v1"), "no key for")],
)  # fmt: skip
def test_what_cannot_be_used_is_one_line_and_code_2(
    command: Command, run: Run, more: tuple[str, ...], says: str, server: ChatServer
):
    code, told = command(run.id, "--yes", *more)
    assert code == 2
    assert says in told.splitlines()[-1]
    assert server.requests == []


def test_there_must_be_such_a_run(command: Command):
    code, told = command("nothing", "--yes")
    assert code == 2
    assert len(told.splitlines()) == 1


@pytest.mark.slow
def test_help_says_what_it_does():
    done = subprocess.run(
        [sys.executable, "-m", "studio", "judge", "--help"], cwd=ROOT, env=dict(os.environ),
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0
    assert "nothing is sent before you say yes" in " ".join(done.stdout.split())


def test_checks_of_a_judge_tell_how_many_labels_are_right_and_change_none(
    command: Command, run: Run, server: ChatServer, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    before = studio.load(run.path).labels["label"]
    code, told = command(run.id, "--checks", "6", "--yes", "--out", "said.csv")
    assert code == 0, told
    assert "12 questions about 6 images" in told
    assert "drawn by chance to check the labels: what it says changes none of them" in told
    assert "The judge seer checked 6 images" in told or "that the judge seer checked" in told
    assert "No person has checked the same images" in told
    assert f"kept with run {run.id}, and in said.csv; no label was changed" in told
    rows = (tmp_path / "said.csv").read_text(encoding="utf-8-sig").splitlines()
    assert rows[0].startswith("path,pseudo-label,judge_check,judge_check_again")
    assert len(rows) == 7
    assert corrections_of(run) == {}, "no judged label"
    loaded = studio.load(run.path)
    assert loaded.labels["label"] == before
    checked = loaded.judge_checks()
    assert checked is not None
    labels = {row["path"]: row["label"] for row in loaded.labels}
    first = [row["path"] for row in loaded.checks(6)]
    right = sum(labels[path] == path.split("/")[0] for path in first)
    assert checked.share.checks == 6
    assert checked.share.seen == pytest.approx(right / 6, abs=0.2), "as this server sees them"

    whole = len(labels)
    code, told = command(run.id, "--checks", "600", "--yes")
    assert code == 0
    assert f"about {whole - 6} images" in told, "nothing is asked twice"
    sent = len(server.requests)
    code, told = command(run.id, "--checks", "6", "--yes")
    assert code == 2
    assert "This judge has checked every image already" in told
    assert len(server.requests) == sent
    chosen = loaded.checks(whole)[whole - 1]["path"]
    loaded.correct({chosen: labels[chosen]})
    assert not loaded.checked, "a person has answered none of the images that come first"
    assert cli.main(["checks", run.id, "--runs", str(tmp_path / "runs")]) == 0
    assert "the judge seer checked" in capsys.readouterr().out.replace("The", "the")
    code, told = command(run.id, "--budget", "2", "--yes")
    assert code == 0
    assert len(corrections_of(run)) == 1 + 2, "checks are no answers"


def test_a_persons_checks_stand_beside_a_judges(
    command: Command, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(run.id, "--checks", "6", "--yes")[0] == 0
    loaded = studio.load(run.path)
    names = {name.replace("_", " "): name for name in loaded.class_names}
    loaded.correct({
        row["path"]: names[row["path"].split("/")[0].replace("_", " ")]
        for row in loaded.checks(4)
    })  # fmt: skip
    checked = loaded.judge_checks()
    assert checked is not None
    assert (checked.share.checks, checked.share.both, checked.share.agreed) == (6, 4, 4)
    assert loaded.accuracy().checks == 4, "not ten"
    capsys.readouterr()
    assert cli.main(["checks", run.id, "--runs", str(tmp_path / "runs")]) == 0
    out = capsys.readouterr().out
    assert "Right among" in out, "which labels a person's checks speak for"
    assert "A person has checked 4 of the same images" in out
    assert "4 answered images were drawn by chance" in out or "from 4 checked images" in out


def test_checks_that_were_stopped_go_on_with_the_same_command(
    command: Command, run: Run, server: ChatServer
) -> None:
    server.then = until_money_is_gone(server)
    code, told = command(run.id, "--checks", "6", "--yes")
    assert code == 1
    assert "the same command goes on with it" in told
    server.then = sees
    code, told = command(run.id, "--checks", "6", "--yes")
    assert code == 0, told
    assert "of 6 images had been asked about" in told
    checked = studio.load(run.path).judge_checks()
    assert checked is not None
    assert checked.share.checks == 6
    assert corrections_of(run) == {}


def test_a_folder_is_checked_before_any_run(
    command: Command, image_folder: Path, tiny_model: Path, tmp_path: Path
) -> None:
    target = [str(image_folder), "--model", str(tiny_model)]
    code, told = command(*target, "--checks", "4", "--yes")
    assert code == 0, told
    assert "checked 4 images" in told or "from 4 images" in told
    assert not (tmp_path / "judged.csv").exists()
    with pytest.raises(SystemExit, match="2"):
        command(*target, "--checks", "4", "--budget", "3", "--yes")
    code, told = command(*target, "--checks", "2", "--yes")
    assert "checked 6 images" in told or "from 6 images" in told, "two more of the same judge"
