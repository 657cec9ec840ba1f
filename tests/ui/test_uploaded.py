from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from studio.errors import FolderError, RunError
from studio.images.uploads import reading
from studio.session.session import Session
from studio.ui.data.tab import DataTab
from studio.ui.prompts.tab import PromptsTab
from studio.ui.uploaded import paths_of, several, single


@pytest.fixture
def uploads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "up"
    folder.mkdir()
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(folder))
    return folder


def sent(*paths: object) -> list[dict[str, Any]]:
    return [{"path": str(path), "meta": {"_type": "gradio.FileData"}} for path in paths]


def test_what_was_not_uploaded_is_passed_over_there_or_not(uploads: Path, tmp_path: Path) -> None:
    mine, other = uploads / "x" / "a.jpg", tmp_path / "b.jpg"
    mine.parent.mkdir()
    for file in (mine, other):
        file.write_bytes(b"x")
    given = sent(mine, other, uploads / "none.jpg", f"{uploads}/../b.jpg", "/etc/passwd", "a\0b")
    assert paths_of(given) == [str(mine)]
    junk: list[Any] = [None, 3, "x", {}, [{}], [None], {"path": 5}, [[str(mine)]], str(mine)]
    assert [paths_of(value) for value in junk] == [[]] * len(junk)
    assert several(lambda files: files)(given) == [str(mine)]
    assert single(lambda file: file)(sent(mine)[0]) == str(mine)
    assert single(lambda file: file)("/etc/passwd") is None


def test_files_are_gone_once_they_were_read_and_errors_call_them_by_name(
    uploads: Path, session: Session
) -> None:
    def arrive(name: str, content: bytes) -> str:
        file = uploads / "mark" / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(content)
        return str(file)

    data, prompts = DataTab(session), PromptsTab(session)
    data.names_from_file(arrive("n.txt", b"cat\ndog"))
    assert session.data.state.names == ["cat", "dog"]
    for take, name, content in (
        (data.names_from_file, "n.txt", b"\xff\xfe\x00"), (prompts.take_file, "p.json", b"[" * 99),
        (prompts.take_file, "p.json", b"7"),
    ):  # fmt: skip
        with pytest.raises(gr.Error) as caught:
            take(arrive(name, content))
        assert str(uploads) not in str(caught.value.message)
    assert list(uploads.iterdir()) == []


def test_reading_keeps_the_kind_of_error(tmp_path: Path) -> None:
    file = tmp_path / "mark" / "a.txt"
    file.parent.mkdir()
    file.write_text("x")
    with pytest.raises(RunError, match=r"^a\.txt is odd"), reading(str(file)):
        raise RunError(f"{file} is odd")
    assert not file.exists()
    with pytest.raises(FolderError, match="did not arrive"), reading(None):
        pass
