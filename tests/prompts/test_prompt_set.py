from __future__ import annotations

import json
from pathlib import Path

import pytest

from studio.errors import PromptError
from studio.prompts.prompt_set import (
    MAX_LENGTH,
    MAX_SENTENCES,
    PromptSet,
    parse_sentences,
    parse_templates,
)

CATS = PromptSet(("a {}.",), {"cat": ("It purrs.", "a {} with braces")})


def test_templates_are_filled_and_a_classs_own_sentences_follow_as_they_are():
    texts = CATS.texts(["cat", "hot_dog"], ("{}.",))
    assert texts == [[["a cat."], ["It purrs.", "a {} with braces"]], [["a hot dog."]]]


def test_without_templates_the_models_own_is_used():
    assert PromptSet().texts(["cat"], ("a photo of a {}.",)) == [[["a photo of a cat."]]]
    assert PromptSet().is_default
    assert not CATS.is_default


def test_names_are_compared_as_everywhere():
    prompts = PromptSet((), {"Hot-Dog": ("a bun",)})
    assert prompts.of("hot_dog") == ("a bun",)
    assert prompts.strangers(["hot dog"]) == []
    assert prompts.with_sentences("hot dog", ["b"]).sentences == {"hot dog": ("b",)}
    assert prompts.with_sentences("HOT DOG", []).sentences == {}
    assert prompts.only(["hot dog", "cat"]).sentences == {"hot dog": ("a bun",)}
    assert prompts.only(["cat"]).is_default
    assert prompts.strangers(["cat"]) == ["Hot-Dog"]


def test_json_there_and_back(tmp_path: Path):
    file = tmp_path / "prompts.json"
    file.write_text(CATS.to_json(), encoding="utf-8")
    assert PromptSet.load(file) == CATS


def test_a_plain_object_of_sentences_is_taken_too(tmp_path: Path):
    file = tmp_path / "cupl.json"
    file.write_text(json.dumps({"cat": ["It purrs."], "dog": []}))
    assert PromptSet.load(file) == PromptSet((), {"cat": ("It purrs.",)})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no JSON"),
        ("{", "no JSON"),
        ("[1]", "no set of prompts"),
        ('{"format": 9}', "format 9"),
        ('{"templates": "a {}"}', "no set of prompts"),
        ('{"templates": [1]}', "no set of prompts"),
        ('{"templates": ["no place"]}', "has no {}"),
        ('{"sentences": {"cat": "It purrs."}}', "not a list"),
        ('{"sentences": {"": ["x"]}}', "no class name"),
        ('{"sentences": []}', ""),
    ],
)
def test_a_file_that_is_something_else_is_refused_in_one_line(tmp_path: Path, text: str, says: str):
    file = tmp_path / "x.json"
    file.write_text(text)
    if not says:
        assert PromptSet.load(file).is_default
        return
    with pytest.raises(PromptError, match=says) as told:
        PromptSet.load(file)
    assert "\n" not in str(told.value)


def test_a_file_that_is_not_there_or_no_text_is_refused(tmp_path: Path):
    with pytest.raises(PromptError, match="No such file"):
        PromptSet.load(tmp_path / "none.json")
    (tmp_path / "b.json").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(PromptError, match="UTF-8"):
        PromptSet.load(tmp_path / "b.json")


def test_all_faults_are_told_at_once():
    long = "x" * (MAX_LENGTH + 1)
    with pytest.raises(PromptError) as told:
        PromptSet.from_dict({"templates": ["a", "b"], "sentences": {"cat": [long]}})
    for part in ("“a”", "“b”", "longer than"):
        assert part in str(told.value)


def test_typed_text_is_tidied():
    assert parse_templates("  a \t {}. \n\n a {}.\nb {}") == ("a {}.", "b {}")
    assert parse_sentences("one\x00two\n \n", where="cat") == ("one two",)
    assert parse_templates(" \n") == ()
    with pytest.raises(PromptError, match="at most"):
        parse_sentences("\n".join(map(str, range(MAX_SENTENCES + 1))), where="cat")


def test_the_summary_counts():
    assert PromptSet().summary() == "the model's own template"
    assert CATS.summary() == "1 template and 2 sentences"
    assert PromptSet(("{}", "a {}")).summary() == "2 templates"


def test_sentences_can_be_added_to_those_that_are_there():
    old = PromptSet(("a {}.",), {"hot air balloon": ("one", "two")})
    new = PromptSet((), {"hot_air_balloon": ("two", "three"), "cat": ("a cat",)})
    both = old.adding(new)
    assert both.of("hot air balloon") == ("one", "two", "three")
    assert both.of("cat") == ("a cat",)
    assert set(both.sentences) == {"hot_air_balloon", "cat"}
    assert both.templates == old.templates
    full = old.adding(PromptSet((), {"cat": tuple(f"cat {i}" for i in range(100))}))
    assert len(full.of("cat")) == MAX_SENTENCES
