from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn.functional import normalize

from studio.clip import texts as module
from studio.clip.backbone import load_backbone
from studio.clip.encode import class_vectors
from studio.clip.texts import TextTower


@pytest.fixture
def tower(tiny_model: Path) -> TextTower:
    return TextTower(load_backbone(str(tiny_model), device="cpu"))


def test_one_template_each_is_what_class_vectors_makes(tower: TextTower):
    names, templates = ["cat", "hot dog"], ["a {}.", "the {}"]
    texts = [[[t.replace("{}", name) for t in templates]] for name in names]
    expected = class_vectors(tower.backbone, names, templates)
    assert torch.allclose(tower.class_vectors(texts), expected, atol=1e-6)


def test_groups_weigh_the_same_however_many_sentences_they_have(tower: TextTower):
    vectors = tower.class_vectors([[["a cat"], ["it purrs", "it has fur"]], [["a dog"]]])
    features = tower.features(["a cat", "it purrs", "it has fur", "a dog"])
    told = normalize(features[1:3].mean(0), dim=-1)
    assert torch.allclose(vectors[0], normalize(features[0] + told, dim=-1), atol=1e-6)
    assert torch.allclose(vectors[1], features[3], atol=1e-6)
    assert torch.allclose(vectors.norm(dim=-1), torch.ones(2))


def test_each_sentence_is_encoded_once(tower: TextTower, monkeypatch: pytest.MonkeyPatch):
    asked: list[list[str]] = []
    real = module.encode_texts

    def counted(backbone, sentences):
        asked.append(list(sentences))
        return real(backbone, sentences)

    monkeypatch.setattr(module, "encode_texts", counted)
    first = tower.class_vectors([[["a", "b"]], [["b"], ["a"]]])
    tower.class_vectors([[["a", "b"]], [["c"]]])
    assert asked == [["a", "b"], ["c"]]
    monkeypatch.setattr(module, "_REMEMBERED", 1)
    assert torch.equal(tower.class_vectors([[["a", "b"]], [["d", "a"]]])[0], first[0])
    tower.features(["a"])
    assert asked[2:] == [["d"], ["a"]], "what is forgotten is encoded again"


def test_texts_work_without_the_image_tower(tiny_model: Path):
    tower = TextTower(load_backbone(str(tiny_model), device="cpu"))
    before, mark = tower.features(["a cat"]), tower.backbone.fingerprint
    tower = TextTower(load_backbone(str(tiny_model), device="cpu"))
    tower.let_go_of_images()
    assert torch.equal(tower.features(["a cat"]), before)
    assert tower.backbone.fingerprint == mark
    assert sum(p.numel() for p in tower.backbone.visual.parameters()) == 0


def test_sentences_longer_than_the_model_reads_are_found(tower: TextTower):
    long = "word " * 60
    assert tower.cut_short(["a cat", long, "a dog"]) == [long]
    assert tower.cut_short([]) == []
