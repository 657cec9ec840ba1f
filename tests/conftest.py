"""What all tests share: no network, a cache of their own, and the rule for browser tests."""

from __future__ import annotations

import functools
import os
import shutil
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

# Before anything imports a hub client: a test that reaches for the network fails at once.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
# Before anything imports torch. The tensors of tests are small, and where several pytest workers
# share the cores, each with as many threads as there are cores, they stand in each other's way.
for _library in ("OMP", "MKL", "OPENBLAS", "NUMBA"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")

# Before anything loads a model. Tests compare features with plain open_clip's to float32's last
# digits, on whatever processor they run; tests of half precision ask for it.
os.environ.setdefault("STUDIO_PRECISION", "float32")

NO_CHROMIUM = "no Chromium found (Debian: apt-get install chromium-headless-shell)"
REQUIRE_BROWSER = os.environ.get("STUDIO_REQUIRE_BROWSER") == "1"
SHARED_DATA = Path(
    os.environ.get("STUDIO_SHARED_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data"
)


def find_chromium() -> str | None:
    """Path of a Chromium on this machine: STUDIO_CHROMIUM, else the usual names on PATH."""
    named = os.environ.get("STUDIO_CHROMIUM")
    if named:
        return named
    names = (
        "chromium-headless-shell",  # the same engine without windows: a third less work
        "chromium",
        "chromium-browser",
        "google-chrome",
        "google-chrome-stable",
    )
    return next((path for path in map(shutil.which, names) if path), None)


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of the Chromium that browser tests drive (with playwright's executable_path)."""
    path = find_chromium()
    if path is None:
        pytest.skip(NO_CHROMIUM)
    return path


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets beside the checkout; tests that need it skip without it."""
    if not SHARED_DATA.is_dir():
        pytest.skip("no ../shared/data beside the checkout and no STUDIO_SHARED_DATA")
    return SHARED_DATA


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Generator[None, None, None]:
    """Tests never read or fill the user's cache or runs folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STUDIO_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("STUDIO_RUNS", str(tmp_path_factory.mktemp("runs")))
        yield


# Browser tests from the longest file to the shortest, then all others: the workers of
# `pytest -n auto --dist loadfile --no-loadscope-reorder` then end at about the same time.
LONGEST_FIRST = ("test_studio", "test_explore", "test_correct", "test_page", "test_axe")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip browser tests where there is no Chromium, unless they are required."""
    if hasattr(config, "workerinput"):

        def place(item: pytest.Item) -> int:
            names = [*LONGEST_FIRST, item.path.stem]
            return names.index(item.path.stem) if "browser" in item.keywords else len(names)

        items.sort(key=place)
    if REQUIRE_BROWSER or find_chromium():
        return
    skip = pytest.mark.skip(reason=NO_CHROMIUM)
    for item in items:
        if "browser" in item.keywords:
            item.add_marker(skip)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With STUDIO_REQUIRE_BROWSER=1 a skipped browser test is a failed one."""
    report = yield
    if REQUIRE_BROWSER and report.skipped and "browser" in item.keywords:
        report.outcome = "failed"
        report.longrepr = (
            f"a browser test was skipped, but STUDIO_REQUIRE_BROWSER=1: {report.longrepr}"
        )
    return report


@pytest.fixture(scope="session")
def image_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """36 small pictures in three sub-folders that are called like their class, and a broken one."""
    import random

    from PIL import Image

    root = tmp_path_factory.mktemp("images") / "colours"
    colours = {
        "red_square": (200, 40, 40),
        "green_circle": (40, 200, 40),
        "blue_line": (40, 40, 200),
    }
    noise = random.Random(0)
    for name, colour in colours.items():
        (root / name).mkdir(parents=True)
        for number in range(12):
            shade = tuple(min(255, max(0, c + noise.randint(-40, 40))) for c in colour)
            picture = Image.new("RGB", (48, 40), shade)
            picture.paste(tuple(255 - c for c in shade), (number, number, number + 12, number + 9))
            picture.save(root / name / f"{number}.png")
    (root / "red_square" / "broken.png").write_bytes(b"no picture")
    return root


@pytest.fixture(scope="session")
def _one_tokenizer() -> Generator[None, None, None]:
    """Reading open_clip's vocabulary takes longer than a run of `tiny_model`; once is enough."""
    import open_clip

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(open_clip, "SimpleTokenizer", functools.cache(open_clip.SimpleTokenizer))
        yield


@pytest.fixture(scope="session")
def tiny_model(_one_tokenizer: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a very small open_clip model with random weights, which loads as any other."""
    return save_tiny_model(tmp_path_factory.mktemp("models") / "tiny", width=64)


@pytest.fixture(scope="session")
def other_tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another such model: narrower, and made for larger images than canvases usually are."""
    folder = tmp_path_factory.mktemp("models") / "other"
    return save_tiny_model(folder, width=32, image_size=256, patch_size=64)


def tiny_config(**vision: Any) -> dict[str, Any]:
    """An open_clip model_cfg of a two-block ViT with a two-block text tower."""
    tower = {
        "image_size": 32,
        "patch_size": 16,
        "width": 64,
        "layers": 2,
        "head_width": 32,
    } | vision
    text = {"context_length": 40, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2}
    return {"embed_dim": 16, "vision_cfg": tower, "text_cfg": text}


def save_tiny_model(
    folder: Path, *, width: int, image_size: int = 32, patch_size: int = 16
) -> Path:
    """Write a model folder with random weights."""
    import json

    import torch
    from safetensors.torch import save_file

    from studio.clip.backbone import build_model

    config = tiny_config(image_size=image_size, patch_size=patch_size, width=width)
    half = [0.5, 0.5, 0.5]
    folder.mkdir()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        state = build_model(config).state_dict()
    save_file({k: v.contiguous() for k, v in state.items()}, folder / "open_clip_model.safetensors")
    described = {
        "model_cfg": config,
        "preprocess_cfg": {"mean": half, "std": half, "size": image_size},
    }
    (folder / "open_clip_config.json").write_text(json.dumps(described))
    # Centred, so that random features spread over the classes.
    (folder / "studio.json").write_text(json.dumps({"center": True, "template": "a {}"}))
    return folder


QUICK_SETTINGS = {
    "k": 4, "seed_selection": "leaderboard", "n_ctx": 4, "n_visual_tokens": 2, "phase1_epochs": 2,
    "phase1_min_steps": 0, "phase1_batch": 8, "phase2_epochs": 1, "phase2_batch": 16,
    "filter": "none", "monitor_images": 8,
    # What is tested is training, under models of random weights.
    "train_near_chance": True, "first_label_weight": 0.0,
}  # fmt: skip


@pytest.fixture(scope="session")
def quick_settings() -> dict[str, object]:
    """Settings with which a fit of `image_folder` under `tiny_model` takes about a second."""
    return dict(QUICK_SETTINGS)
