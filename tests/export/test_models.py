"""The model in other programs' forms: read by those programs, compared with the studio."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from studio.clip.encode import preprocess
from studio.errors import RunError, StudioError
from studio.export.command import export_run
from studio.export.formats import format_of
from studio.export.subject import Subject
from studio.images.resize import Resize
from studio.runs.model import load_classifier
from studio.runs.run import Run
from tests.clip.conftest import FAMILIES
from tests.export.conftest import CONVOLUTIONAL, NAMES, TRANSFORMER

MODELS: list[tuple[str, dict[str, Any]]] = [
    ("transformer", {"vision": TRANSFORMER}),
    ("transformer-pre", {"vision": TRANSFORMER, "head_input": "pre_proj"}),
    ("quickgelu", {"vision": TRANSFORMER, "more": {"quick_gelu": True}}),
    ("convolutional", {"vision": CONVOLUTIONAL}),
    ("convolutional-pre", {"vision": CONVOLUTIONAL, "head_input": "pre_proj"}),
    *(
        (name, {
            "vision": FAMILIES[name]["vision_cfg"], "embed_dim": 64, "more": {"custom_text": True},
        })
        for name in ("tiny-SigLIP2", "tiny-PE-Core", "tiny-MobileCLIP2")
    ),
]  # fmt: skip
EACH = pytest.mark.parametrize(
    "model",
    [
        pytest.param(m, id=name, marks=[pytest.mark.slow] if "convolutional" in name else [])
        for name, m in MODELS
    ],
)
# What lies before the projection is read in the same way in all families.
FAMILY = pytest.mark.parametrize(
    "model", [pytest.param(m, id=name) for name, m in MODELS if name != "convolutional-pre"]
)


def canvases(images: int, size: int) -> torch.Tensor:
    seed = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (images, 3, size, size), generator=seed, dtype=torch.uint8)


@pytest.mark.slow
def test_onnx_gives_the_studios_probabilities_at_any_batch(run: Run, out: Path) -> None:
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    shipped = load_classifier(run.path / "model", device="cpu")
    assert len(shipped.towers) == 2
    assert export_run(run, "onnx", out) == ["model.onnx"]
    session = runtime.InferenceSession(str(out / "model.onnx"))
    facts = session.get_modelmeta().custom_metadata_map
    assert json.loads(facts["names"]) == list(NAMES)
    size = json.loads(facts["image_size"])
    assert (json.loads(facts["resize"]), json.loads(facts["canvas_size"])) == ("crop", 224)
    mean, std = (np.float32(json.loads(facts[n])).reshape(3, 1, 1) for n in ("mean", "std"))
    for images in (1, 3):
        pictures = canvases(images, size)
        wanted = shipped.probabilities(pictures).numpy()
        (found,) = session.run(None, {"pixels": (pictures.numpy() / np.float32(255) - mean) / std})
        assert found.shape == (images, 3)
        assert np.abs(found - wanted).max() < 1e-4
        alone = shipped.each(pictures)[0].numpy()
        assert np.abs(found - alone).max() > 1e-3, "the mean of both, not the first"


@pytest.mark.slow
@FAMILY
def test_onnx_takes_every_family(
    model: dict[str, Any], with_model: Callable[..., Run], out: Path, families: list[str]
) -> None:
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    run = with_model(**model, models=1)  # both are in the file above, and take twice the time
    export_run(run, "onnx", out)
    shipped = load_classifier(run.path / "model", device="cpu")
    pictures = canvases(3, shipped.backbone.image_size)
    pixels = preprocess(pictures, shipped.backbone).numpy()
    (found,) = runtime.InferenceSession(str(out / "model.onnx")).run(None, {"pixels": pixels})
    assert np.abs(found - shipped.probabilities(pictures).numpy()).max() < 1e-3


@pytest.mark.slow
def test_an_onnx_file_that_disagrees_is_not_written(
    run: Run, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    monkeypatch.setattr("studio.export.onnx_file.SAME", -1.0)
    with pytest.raises(StudioError, match="does not give the studio's own probabilities"):
        export_run(run, "onnx", out)
    assert not out.exists()


def test_a_library_that_is_missing_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studio.export.onnx_file.installed", lambda name: name != "onnxruntime")
    with pytest.raises(StudioError, match="onnxruntime: `pip install onnx "):
        list(format_of("onnx").entries(Subject.of(run)))


def test_what_an_export_would_hold_is_told_without_making_it(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")

    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("made before it was wanted")

    monkeypatch.setattr("studio.runs.model.load_tensors", never)
    weights = sum(file.stat().st_size for file in (run.path / "model").glob("*.safetensors"))
    (entry,) = format_of("onnx").entries(Subject.of(run))
    assert (entry.size, entry.exact) == (weights, False)
    entries = list(format_of("timm").entries(Subject.of(run)))
    assert sum(entry.size for entry in entries if not entry.exact) == weights // 2 * 2


@EACH
def test_timm_loads_both_models(
    model: dict[str, Any], with_model: Callable[..., Run], out: Path, families: list[str]
) -> None:
    run = with_model(**model, resize=Resize("squash", "bilinear"))
    export_run(run, "timm", out)
    shipped = load_classifier(run.path / "model", device="cpu")
    pictures = canvases(2, shipped.backbone.image_size)
    pixels = preprocess(pictures, shipped.backbone)
    wanted = shipped.each(pictures)
    assert (wanted[0] - wanted[1]).abs().max() > 0.01
    for folder, expected in zip((out, out / "second"), wanted, strict=True):
        read = read_by_timm(folder)
        with torch.inference_mode():
            assert (read(pixels).softmax(-1) - expected).abs().max() < 1e-3


def read_by_timm(folder: Path) -> Any:
    import timm

    config = json.loads((folder / "config.json").read_text())
    assert config["label_names"] == ["class 0", "class 1", "class 2"]
    if not config["architecture"].endswith("_test"):
        return timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
    # The small towers of tests are made without timm's own factory, which is what reads folders.
    made = timm.create_model(config["architecture"], num_classes=3, **config["model_args"])
    made.load_state_dict(load_file(folder / "model.safetensors"))
    return made.eval()


def test_timm_reads_names_and_preprocessing(with_model: Callable[..., Run], out: Path) -> None:
    import timm

    export_run(with_model(TRANSFORMER, resize=Resize("squash", "bilinear")), "timm", out)
    read = timm.create_model(f"local-dir:{out}", pretrained=True)
    assert read.pretrained_cfg["label_names"] == ["class 0", "class 1", "class 2"]
    config = timm.data.resolve_model_data_config(read)
    assert tuple(config["input_size"]) == (3, 32, 32)
    assert [*config["mean"], *config["std"]] == [0.5] * 6
    assert (config["crop_mode"], config["crop_pct"]) == ("squash", 1.0)
    assert config["interpolation"] == "bilinear"


def test_a_usual_clip_transformer_has_timms_own_name() -> None:
    from studio.export.timm_folder import _architecture

    for width, layers, patch in ((768, 12, 16), (1024, 24, 14)):
        vision = {"image_size": 224, "patch_size": patch, "width": width, "layers": layers}
        size = {768: "base", 1024: "large"}[width]
        name, arguments = _architecture({"open_clip": {"vision_cfg": vision}})
        assert (name, arguments) == (f"vit_{size}_patch{patch}_clip_224", {})
        name, _ = _architecture({"open_clip": {"vision_cfg": vision, "quick_gelu": True}})
        assert name == f"vit_{size}_patch{patch}_clip_quickgelu_224"


def test_what_timm_has_no_counterpart_of_is_said(with_model: Callable[..., Run], out: Path) -> None:
    run = with_model(TRANSFORMER)
    file = run.path / "model" / "model.json"
    meta = json.loads(file.read_text())
    changes: tuple[tuple[dict[str, Any], str], ...] = (
        ({"kind": "phase1"}, "compares images with texts"),
        ({"visual_tokens": [1, 2, 64]}, "visual prompt tokens"),
        ({"open_clip": {"vision_cfg": {"layers": [1, 1, 1, 1]}}}, "no such residual network"),
    )
    for change, reason in changes:
        file.write_text(json.dumps({**meta, **change}))
        with pytest.raises(RunError, match=reason):
            export_run(run, "timm", out)
    assert not out.exists()


def test_a_transformer_that_is_not_quite_timms_is_not_written(
    with_model: Callable[..., Run], out: Path
) -> None:
    run = with_model({**TRANSFORMER, "pool_type": "avg"})
    with pytest.raises(StudioError, match="is not quite this model"):
        export_run(run, "timm", out)
    assert not out.exists()
