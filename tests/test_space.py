"""What a Hugging Face Space starts: the page is public, under its own names only."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from studio.clip.presets import presets
from studio.session.limits import ON_LENT_GPU
from tools.attacks.client import ROOT, Page, Server, serving

pytestmark = pytest.mark.slow

HOST = "ann-coft.hf.space"


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`app.py` as a Space with a lent GPU starts it, with a stand-in for what lends it."""
    environment = {
        "SPACE_ID": "ann/coft", "SPACE_HOST": HOST, "SPACES_ZERO_GPU": "true",
        "PYTHONPATH": str(ROOT / "tests" / "stand_ins"), "STUDIO_DEVICE": "",
    }  # fmt: skip
    with serving(tmp_path_factory.mktemp("space"), env=environment) as server:
        yield server


@pytest.fixture(scope="module")
def page(space: Server) -> Page:
    return Page(space.port, headers={"Host": HOST})


def part(page: Page, name: str) -> dict[str, Any]:
    """The properties of a part of the page."""
    (found,) = (c["props"] for c in page.components if c["props"].get("elem_id") == name)
    return dict(found)


def shown(page: Page, name: str) -> bool:
    """Whether a part is to be seen: it, and all that it lies in."""
    hidden = {c["id"] for c in page.components if c["props"].get("visible") is False}
    (wanted,) = (c["id"] for c in page.components if c["props"].get("elem_id") == name)

    def way(node: dict[str, Any]) -> list[int] | None:
        if node["id"] == wanted:
            return [wanted]
        ways = (way(child) for child in node.get("children") or [])
        return next(([node["id"], *found] for found in ways if found), None)

    found = way(json.loads(page.get("/config").body)["layout"])
    assert found
    return not hidden.intersection(found)


def test_it_says_its_limits_and_offers_the_models_of_the_list(page: Page) -> None:
    text = next(
        c["props"]["value"]
        for c in page.components
        if 'id="limits"' in str(c["props"].get("value"))
    )
    for sentence in ON_LENT_GPU.sentences():
        assert sentence in text
    for name in ("model", "train-model"):
        field = part(page, name)
        assert [value for _, value in field["choices"]] == presets()
        assert not field["allow_custom_value"]
        assert "local checkpoint" not in field["info"]
    assert shown(page, "account")
    assert shown(page, "upload")


def test_it_does_not_say_that_what_is_sent_to_it_stays_at_home(page: Page) -> None:
    assert "stay on this machine" not in page.get("/config").body.decode()


def test_no_path_can_be_typed_or_read(page: Page, space: Server) -> None:
    assert not shown(page, "folder-path")
    for event in page.named("use_path"):
        answer = page.call(event, ["/etc", *[None] * (len(event["inputs"]) - 1)])
        assert "cannot be opened from here" in answer.line + str(answer.out)
    for path in ("/etc/passwd", str(space.log), str(ROOT / "app.py")):
        assert page.get(f"/gradio_api/file={path}").status in (403, 404), path
    config = page.get("/config").body.decode() + page.get("/").body.decode()
    for path in (space.cache.parent, ROOT, Path.home()):
        assert f"{path}/" not in config, path


def test_it_answers_under_the_names_of_the_space_only(page: Page, space: Server) -> None:
    assert page.get("/").status == 200
    for name, status in (
        (f"x--{HOST}", 200),
        ("evil.example", 403),
        ("hf.space.evil.example", 403),
    ):
        assert page.get("/", headers={"Host": name}).status == status, name
    # Its visitors have rooms: a page that keeps no cookie is nobody's.
    assert page.cookie
    assert Page(space.port, headers={"Host": HOST}).cookie != page.cookie
