from __future__ import annotations

import pytest

from studio.errors import SettingsError
from studio.prompts.templates import TEMPLATES, sentences


def test_the_plain_sentence_is_the_papers():
    assert sentences("hot air balloon", "plain") == ["a photo of a hot air balloon."]


def test_the_bare_name_stays_bare():
    assert sentences("t-shirt", "name") == ["t-shirt"]


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_template_names_the_class_once_and_differs_from_the_others(name: str):
    result = sentences("zebra", name)
    assert len(set(result)) == len(TEMPLATES[name])
    assert all(sentence.count("zebra") == 1 and "{" not in sentence for sentence in result)


def test_names_and_sentences_may_hold_braces():
    assert sentences("a{0}b{}", ["{x} is a {}"]) == ["{x} is a a{0}b{}"]


def test_finished_sentences_pass_through():
    assert sentences("cat", ["A small furry animal.", "the {}"]) == [
        "A small furry animal.",
        "the cat",
    ]


def test_an_unknown_set_is_refused_and_the_known_ones_are_named():
    with pytest.raises(SettingsError, match="plain, name, ensemble"):
        sentences("cat", "fancy")


def test_no_template_at_all_is_refused():
    with pytest.raises(SettingsError, match="at least one"):
        sentences("cat", [])
