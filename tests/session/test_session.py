from __future__ import annotations

from pathlib import Path

import pytest

from studio.errors import FolderError, RunError
from studio.places import is_loopback
from studio.runs.store import RunStore
from studio.runs.worker import Worker
from studio.session.options import Options
from studio.session.session import Session


def make(tmp_path: Path, **options: object) -> Session:
    chosen = Options(runs_dir=tmp_path / "runs", cache_dir=tmp_path / "cache", **options)  # type: ignore[arg-type]
    return Session(chosen, Worker(RunStore(chosen.runs_dir), cache_dir=chosen.cache_dir))


def test_typed_folders_stay_within_the_roots(tmp_path: Path) -> None:
    root, other = tmp_path / "photos", tmp_path / "photos2"
    for folder in (root / "cats", other):
        folder.mkdir(parents=True)
    (root / "out").symlink_to(other)
    session = make(tmp_path, roots=(root,))
    assert session.folders.typed(f' "{root}/cats" ') == root / "cats"
    for bad in (str(other), f"{root}/../photos2", f"{root}/out", "/etc", "", "\0", "~"):
        with pytest.raises(FolderError):
            session.folders.typed(bad)


def test_on_a_space_no_path_is_opened_and_on_the_network_only_within_roots(tmp_path: Path) -> None:
    with pytest.raises(FolderError, match="upload"):
        make(tmp_path, public=True).folders.typed(str(tmp_path))
    with pytest.raises(FolderError, match="upload"):
        make(tmp_path, public=True, roots=(tmp_path,)).folders.typed(str(tmp_path))
    with pytest.raises(FolderError, match="upload"):
        make(tmp_path, local=False).folders.typed(str(tmp_path))
    inside = make(tmp_path, local=False, roots=(tmp_path,))
    assert inside.folders.typed(str(tmp_path)) == tmp_path


def test_loopback_addresses() -> None:
    assert all(is_loopback(host) for host in ("127.0.0.1", "localhost", "::1", "127.9.9.9"))
    assert not any(is_loopback(host) for host in ("0.0.0.0", "192.168.1.2", "::", "example.org"))


@pytest.mark.parametrize("run_id", ["", None, 7, "../../etc", "20200101-000000-x", "a\0b", [1]])
def test_ids_from_a_page_are_checked(session: Session, run_id: object) -> None:
    assert session.chosen(run_id) is None
    if isinstance(run_id, str):
        with pytest.raises((RunError, ValueError)):
            session.reader(run_id)


def test_thumbnails_are_served_from_their_own_folder_only(loaded: Session) -> None:
    view = loaded.data.state
    assert view.folder is not None
    assert view.canvases is not None
    url = loaded.pictures.small(view.folder, view.canvases, 0)
    file = Path(url.removeprefix("gradio_api/file="))
    assert file.is_relative_to(loaded.options.cache_dir / "thumbs")
    large = loaded.pictures.large(view.folder, 0)
    assert large != url
    assert Path(large.removeprefix("gradio_api/file=")).is_file()
