"""The embedded model at other sizes than its own."""

from __future__ import annotations

import pytest
import torch

from studio.clip.backbone import load_backbone
from studio.clip.encode import preprocess
from studio.errors import ModelError


def test_the_embedded_model_looks_at_the_size_that_is_asked_for() -> None:
    own, small = load_backbone("embedded", device="cpu"), load_backbone("embedded@96", device="cpu")
    assert (own.image_size, small.image_size) == (224, 96)
    assert small.config["vision_cfg"]["image_size"] == 96, "what is exported says so"
    assert own.fingerprint != small.fingerprint, "features of both would be mixed up"
    assert own.center == small.center
    canvases = torch.zeros(1, 3, 224, 224, dtype=torch.uint8)
    assert preprocess(canvases, small).shape == (1, 3, 96, 96)
    assert load_backbone("embedded@224", device="cpu").fingerprint == own.fingerprint


@pytest.mark.parametrize("size", ["", "0", "100", "99999", "-96", "big", "96@96", "²"])
def test_a_size_that_cannot_be_is_refused_in_one_line(size: str) -> None:
    with pytest.raises(ModelError, match="multiple of 32 pixels from 64 to 512") as caught:
        load_backbone(f"embedded@{size}", device="cpu")
    assert "\n" not in str(caught.value)
