"""The hub: what is fetched and how, each thing that can go wrong, and that no pickle is opened."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from studio.clip import hub as hub_module
from studio.clip.backbone import build_model, load_backbone
from studio.clip.hub import Hub
from studio.errors import ModelError, Stopped
from studio.progress import Progress
from tests.clip.hub_server import FakeHub, serving, use
from tests.clip.small_hub import as_folder, repository
from tests.coft.conftest import tiny_config

REPO, FILE = "makers/some", "open_clip_model.safetensors"
CONTENT = bytes(range(256)) * 32_000  # 8.2 MB


@pytest.fixture
def stocked(hub: FakeHub) -> FakeHub:
    hub.repos[REPO] = {FILE: CONTENT, "open_clip_pytorch_model.bin": b"a pickle"}
    return hub


class Seen:
    """What a page or a terminal is told."""

    def __init__(self) -> None:
        self.titles: list[str] = []
        self.steps: list[tuple[int, int]] = []

    def begin(self, title: str) -> Progress:
        self.titles.append(title)
        return lambda done, total: self.steps.append((done, total))


def test_a_file_is_fetched_once_and_told_in_megabytes(stocked: FakeHub) -> None:
    seen = Seen()
    path = Hub(REPO, begin=seen.begin).get(FILE)
    assert path.read_bytes() == CONTENT
    assert path.suffix == ".safetensors"
    assert seen.titles == ["Fetching makers/some (8 MB)"]
    assert seen.steps[-1] == (8, 8)
    assert seen.steps == sorted(seen.steps)
    stocked.asked.clear()
    assert Hub(REPO).get(FILE) == path
    assert stocked.asked == [], "what is here is asked of nobody"


def test_a_filled_cache_works_without_network_and_offline(
    stocked: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    path = Hub(REPO).get(FILE)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    assert Hub(REPO).get(FILE) == path
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert Hub(REPO).get(FILE) == path
    with pytest.raises(ModelError, match="HF_HUB_OFFLINE"):
        Hub("makers/other").get(FILE)


def test_a_body_that_breaks_off_goes_on_where_it_was(stocked: FakeHub) -> None:
    stocked.break_at, stocked.breaks = 3_000_000, 1
    assert Hub(REPO).get(FILE).read_bytes() == CONTENT
    ranges = [asked for method, _, asked in stocked.asked if method == "GET"]
    assert ranges[0] == ""
    assert ranges[1].startswith("bytes=")
    assert stocked.sent < 1.1 * len(CONTENT)


def test_what_was_stopped_goes_on_where_it_was(stocked: FakeHub) -> None:
    seen = Seen()
    stocked.pause = 0.02
    with pytest.raises(Stopped):
        Hub(REPO, begin=seen.begin, stop=lambda: bool(seen.steps) and seen.steps[-1][0] >= 3).get(
            FILE
        )
    stopped_at = seen.steps[-1][0]
    assert stopped_at < 8
    time.sleep(0.2)  # what is still under way comes to nothing
    stocked.pause = 0.0
    assert Hub(REPO).get(FILE).read_bytes() == CONTENT
    last = [asked for method, _, asked in stocked.asked if method == "GET"][-1]
    assert int(last[6:-1]) >= (stopped_at - 1) * 1_000_000


def test_a_damaged_file_is_not_kept(stocked: FakeHub) -> None:
    stocked.corrupt = True
    with pytest.raises(ModelError, match="damaged"):
        Hub(REPO).get(FILE)
    stocked.corrupt = False
    assert Hub(REPO).get(FILE).read_bytes() == CONTENT


CAUSES = [
    ((401, "RepoNotFound"), "no repository makers/some"),
    ((404, "RepoNotFound"), "no repository makers/some"),
    ((403, "GatedRepo"), "gated"),
    ((401, "GatedRepo"), "gated"),
    ((403, ""), r"refuses makers/some \(403\)"),
    ((404, "EntryNotFound"), "lacks a file"),
    ((429, ""), "too many requests"),
    ((500, ""), r"trouble of its own \(500\)"),
    ((503, ""), r"trouble of its own \(503\)"),
    ((407, ""), "name and a password"),
]


@pytest.mark.parametrize(("error", "says"), CAUSES)
@pytest.mark.parametrize("what", ["files", "get"])
def test_each_refusal_has_a_line_of_its_own(
    error: tuple[int, str], says: str, what: str, stocked: FakeHub
) -> None:
    stocked.errors[REPO] = error
    began = time.monotonic()
    with pytest.raises(ModelError, match=says) as caught:
        Hub(REPO).files() if what == "files" else Hub(REPO).get(FILE)
    assert "\n" not in str(caught.value)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("what", ["files", "get"])
def test_nobody_there_is_told_at_once(
    what: str, hub: FakeHub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    use(monkeypatch, "http://127.0.0.1:9", str(tmp_path))
    with pytest.raises(ModelError, match=r"127.0.0.1:9 cannot be reached.*embedded"):
        Hub(REPO).files() if what == "files" else Hub(REPO).get(FILE)


def test_a_dead_proxy_is_named_without_its_password(
    stocked: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import close_session

    # A page that was made in this process asks no proxy for its own machine, where this hub is.
    for variable in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("http_proxy", "http://me:secret@127.0.0.1:9")
    close_session()
    try:
        with pytest.raises(ModelError, match=r"proxy 127.0.0.1:9 does not let us") as caught:
            Hub(REPO).files()
        assert "secret" not in str(caught.value)
    finally:
        close_session()


def test_a_silent_hub_is_out_of_reach_soon(
    stocked: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert hub_module.SILENCE_S <= 15
    assert hub_module._REQUEST_S < hub_module.SILENCE_S
    stocked.silent = True
    monkeypatch.setattr(hub_module, "_REQUEST_S", 0.5)
    with pytest.raises(ModelError, match="does not answer"):
        Hub(REPO).files()
    monkeypatch.setattr(hub_module, "_REQUEST_S", 60.0)  # a client that waits and waits
    monkeypatch.setattr(hub_module, "SILENCE_S", 1.0)
    began = time.monotonic()
    with pytest.raises(ModelError, match="does not answer"):
        Hub(REPO).get(FILE)
    assert time.monotonic() - began < 5
    with pytest.raises(Stopped):
        Hub(REPO, stop=lambda: True).get(FILE)


def test_a_connection_that_dries_up_says_how_far_it_came(
    stocked: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    stocked.pause = 2.5
    monkeypatch.setattr(hub_module, "SILENCE_S", 1.0)
    monkeypatch.setattr(hub_module, "_PIECE", 65536)
    with pytest.raises(ModelError, match=r"of 8 MB; start again"):
        Hub(REPO).get(FILE)


def test_a_full_disk_is_told_before_and_while_it_fills(
    stocked: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(9, 9, 1_000_000))
        with pytest.raises(ModelError, match="needs 8 MB more"):
            Hub(REPO).get(FILE)

    def full(*_: Any) -> int:
        raise OSError(28, "No space left on device", "/cache/file")

    monkeypatch.setattr(hub_module._Pieces, "write", full)
    with pytest.raises(ModelError, match="disk is full"):
        Hub(REPO).get(FILE)


def test_another_page_that_wants_the_same_waits(stocked: FakeHub) -> None:
    import threading

    stocked.pause = 0.005
    found: list[Path] = []
    threads = [threading.Thread(target=lambda: found.append(Hub(REPO).get(FILE))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(found) == 2
    assert stocked.bodies().count(FILE) == 1


def test_a_hub_cannot_choose_where_a_file_is_put(stocked: FakeHub) -> None:
    stocked.tag = "../../../outside"
    with pytest.raises(ModelError, match="does not answer as the Hugging Face hub does"):
        Hub(REPO).get(FILE)
    assert FILE not in stocked.bodies()


@pytest.mark.parametrize("name", [
    "nobody", "a/b/c", "../a", "a/..", "a b/c", "http://x/y", "a/b.git", "-a/b", "a./b", "a/b--c",
    "a/" + 97 * "b",
])  # fmt: skip
def test_what_is_no_repository_is_not_asked_for(name: str, hub: FakeHub) -> None:
    with pytest.raises(ModelError, match="OWNER/NAME"):
        Hub(name)


# --- no pickle, from nowhere ---------------------------------------------------------------------


def test_a_repository_with_pickles_only_is_refused(hub: FakeHub) -> None:
    config = json.dumps({"model_cfg": tiny_config()}).encode()
    hub.repos[REPO] = {"open_clip_config.json": config, "open_clip_pytorch_model.bin": b"pickle"}
    with pytest.raises(ModelError, match="can run code"):
        load_backbone(f"hf-hub:{REPO}", device="cpu")
    with pytest.raises(ModelError, match="never fetched"):
        Hub(REPO).get("open_clip_pytorch_model.bin")
    assert "open_clip_pytorch_model.bin" not in hub.bodies()


def test_a_preset_without_safetensors_is_refused(hub: FakeHub) -> None:
    hub.repos["timm/vit_base_patch16_clip_224.openai"] = {"open_clip_pytorch_model.bin": b"x"}
    with pytest.raises(ModelError, match="can run code"):
        load_backbone("ViT-B-16", device="cpu")
    assert hub.bodies() == ["vit_base_patch16_clip_224.openai"], "the list of files, nothing else"


BAD: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "timm from the hub": (
        lambda c: c["vision_cfg"].update(timm_model_name="hf-hub:makers/some"), "timm does not"
    ),
    "timm from a folder": (
        lambda c: c["vision_cfg"].update(timm_model_name="local-dir:/tmp"), "timm does not"
    ),
    "text from the hub": (
        lambda c: c["text_cfg"].update(hf_model_name="roberta-base"), "text tower"
    ),
    "pre-trained": (lambda c: c.update(pretrained=True), "cannot be built"),
    "nltk": (
        lambda c: c["text_cfg"].update(tokenizer_kwargs={"reduction_mask": "syntax"}), "reads text"
    ),
    "vocabulary": (
        lambda c: c["text_cfg"].update(tokenizer_kwargs={"bpe_path": "/x"}), "reads text"
    ),
    "not square": (lambda c: c["vision_cfg"].update(image_size=[224, 288]), "224 x 288"),
    "CoCa": (lambda c: c.update(multimodal_cfg={}), "CoCa"),
}  # fmt: skip


@pytest.mark.parametrize("bad", list(BAD))
@pytest.mark.parametrize("form", ["hub", "folder", "run"])
def test_configurations_that_would_fetch_or_do_not_fit_are_refused(
    bad: str, form: str, stocked: FakeHub, tmp_path: Path
) -> None:
    change, says = BAD[bad]
    config = tiny_config()
    change(config)
    text = json.dumps({"model_cfg": config}).encode()
    stocked.repos[REPO]["open_clip_config.json"] = text
    folder = as_folder({"open_clip_config.json": text, FILE: CONTENT}, tmp_path / "model")
    load: dict[str, Callable[[], Any]] = {
        "hub": lambda: load_backbone(f"hf-hub:{REPO}", device="cpu"),
        "folder": lambda: load_backbone(str(folder), device="cpu"),
        "run": lambda: build_model(config),
    }
    with pytest.raises(ModelError, match=says) as caught:
        load[form]()
    assert "\n" not in str(caught.value)
    if bad != "pre-trained":
        assert FILE not in stocked.bodies(), "said before the weights are fetched"
    if form != "hub":
        assert stocked.asked == []


def test_pretrained_towers_are_not_fetched_for_a_configuration(
    hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.coft.conftest import convolutional_config

    config = convolutional_config()
    config["vision_cfg"]["timm_model_pretrained"] = True
    build_model(config)
    assert hub.asked == []


def test_listed_models_that_do_not_work_are_refused_before_anything_is_asked(hub: FakeHub) -> None:
    for name in ("coca_ViT-B-32:laion2b_s13b_b90k", "roberta-ViT-B-32:laion2b_s12b_b32k"):
        with pytest.raises(ModelError):
            load_backbone(name, device="cpu")
    assert hub.asked == []


def test_a_folders_tokenizer_is_not_fetched(hub: FakeHub, families: list[str], tmp_path: Path):
    files = repository("tiny-SigLIP2")
    hub.repos["makers/tiny-SigLIP2"] = dict(files)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        rest = {other: content for other, content in files.items() if other != name}
        folder = as_folder(rest, tmp_path / name)
        with pytest.raises(ModelError, match=rf"needs the {name} of makers/tiny-SigLIP2"):
            load_backbone(str(folder), device="cpu")
    assert hub.asked == []


def test_a_word_is_no_special_token_that_the_settings_do_not_name(
    families: list[str], tmp_path: Path
) -> None:
    """ "None" is a token of Gemma's vocabulary."""
    files = repository("tiny-SigLIP2")
    settings, inner = (json.loads(files[n]) for n in ("tokenizer_config.json", "tokenizer.json"))
    del settings["pad_token"], settings["bos_token"]
    inner["model"]["vocab"]["None"] = len(inner["model"]["vocab"])
    files["tokenizer_config.json"] = json.dumps(settings | {"add_bos_token": True}).encode()
    files["tokenizer.json"] = json.dumps(inner).encode()
    row = load_backbone(str(as_folder(files, tmp_path / "model")), device="cpu").tokenizer(["a"])
    assert inner["model"]["vocab"]["None"] not in row[0].tolist()


def test_a_tokenizer_has_the_name_that_the_hub_gives_it_now(
    hub: FakeHub, families: list[str]
) -> None:
    """CLIPA's is BERT's, which open_clip calls by a name without an owner."""
    files = repository("tiny-SigLIP2")
    config = json.loads(files["open_clip_config.json"])
    config["model_cfg"]["text_cfg"]["hf_tokenizer_name"] = "bert-base-uncased"
    tokenizer = {n: c for n, c in files.items() if "tokenizer" in n}
    hub.repos["google-bert/bert-base-uncased"] = tokenizer
    hub.repos[REPO] = {n: c for n, c in files.items() if n not in tokenizer}
    hub.repos[REPO]["open_clip_config.json"] = json.dumps(config).encode()
    assert load_backbone(f"hf-hub:{REPO}", device="cpu").tokenizer(["a dog"]).any()


def test_a_tokenizer_of_another_repository_is_in_the_cache_as_well(
    hub: FakeHub, families: list[str]
) -> None:
    """With the network gone, where the model's own repository has no tokenizer."""
    files = repository("tiny-SigLIP2")
    hub.repos["makers/tiny-SigLIP2"] = dict(files)
    hub.repos["others/tuned"] = {n: c for n, c in files.items() if "tokenizer" not in n}
    cold = load_backbone("hf-hub:others/tuned", device="cpu")
    hub.errors = {"others/tuned": (503, ""), "makers/tiny-SigLIP2": (503, "")}
    warm = load_backbone("hf-hub:others/tuned", device="cpu")
    assert torch.equal(warm.tokenizer(["a dog"]), cold.tokenizer(["a dog"]))


def test_a_revision_reads_by_its_own_tokenizer(hub: FakeHub, families: list[str]) -> None:
    files = repository("tiny-SigLIP2")
    hub.repos["makers/tiny-SigLIP2"] = {n: c for n, c in files.items() if "tokenizer" not in n}
    hub.revisions["makers/tiny-SigLIP2", "v1"] = files
    assert load_backbone("hf-hub:makers/tiny-SigLIP2@v1", device="cpu").tokenizer(["a dog"]).any()


def test_a_configuration_that_is_no_text_is_refused(hub: FakeHub, families: list[str]) -> None:
    hub.repos[REPO] = repository("tiny-vit") | {"open_clip_config.json": b"\xff\xfe{"}
    with pytest.raises(ModelError, match="is damaged"):
        load_backbone(f"hf-hub:{REPO}", device="cpu")


def test_without_the_library_for_its_texts_nothing_is_fetched(
    hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(ModelError, match="pip install tokenizers"):
        load_backbone("ViT-B-16-SigLIP2", device="cpu")
    assert hub.asked == []


def test_the_environment_names_the_hub(tmp_path: Path) -> None:
    """HF_ENDPOINT and HF_HUB_CACHE, as a user sets them, in a process of its own."""
    with serving(FakeHub()) as hub:
        hub.repos[REPO] = {FILE: CONTENT}
        code = f"from studio.clip.hub import Hub; print(Hub({REPO!r}).get({FILE!r}))"
        own = {"HF_ENDPOINT": hub.endpoint, "HF_HUB_CACHE": str(tmp_path), "HF_HUB_OFFLINE": "0"}
        done = subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, **own}, capture_output=True, text=True,
            cwd=Path(__file__).parents[2], check=True,
        )  # fmt: skip
    assert Path(done.stdout.strip()).is_relative_to(tmp_path)
    assert done.stderr == ""
