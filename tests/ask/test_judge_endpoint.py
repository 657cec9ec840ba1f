"""Whom the judge's questions go to, with which key, and what that costs."""

from __future__ import annotations

import pytest

from studio.ask.judge_cost import Price, image_tokens, images_wanted, judge_budget, price_of
from studio.ask.judge_endpoint import DEFAULT_JUDGE, find_judge, judge_address
from studio.errors import PromptError
from studio.prompts.endpoint import DEFAULT_URL, stays_here

KEY, OTHER = "sk-openai-key-1234", "sk-judge-key-5678"
LOCAL, AWAY = "http://localhost:11434/v1", "https://example.com/v1"


def test_what_is_typed_goes_before_the_environment():
    found = find_judge(model="m", base_url=LOCAL, key="k", environ={"JUDGE_BASE_URL": AWAY})
    assert (found.base_url, found.model, found.key) == (LOCAL, "m", "k")


def test_the_judge_has_an_environment_of_its_own():
    own = {"JUDGE_BASE_URL": AWAY, "JUDGE_MODEL": "sees", "JUDGE_API_KEY": OTHER,
           "OPENAI_API_KEY": KEY, "OPENAI_MODEL": "reads"}  # fmt: skip
    found = find_judge(environ=own)
    assert (found.base_url, found.model, found.key) == (AWAY, "sees", OTHER)
    shared = find_judge(environ={"OPENAI_BASE_URL": AWAY, "OPENAI_API_KEY": KEY,
                                 "OPENAI_MODEL": "both"})  # fmt: skip
    assert (shared.base_url, shared.model, shared.key) == (AWAY, "both", KEY)
    assert find_judge(environ={"OPENAI_API_KEY": KEY}).model == DEFAULT_JUDGE
    assert judge_address(environ={}) == DEFAULT_URL


@pytest.mark.parametrize(
    "environ",
    [{"JUDGE_BASE_URL": AWAY, "OPENAI_API_KEY": KEY},
     {"JUDGE_BASE_URL": AWAY, "OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": "https://other.com/v1"}],
)  # fmt: skip
def test_a_key_never_goes_to_another_address(environ: dict[str, str]):
    with pytest.raises(PromptError, match=r"no key for example\.com"):
        find_judge(environ=environ)
    with pytest.raises(PromptError, match=r"no key for elsewhere\.com"):
        find_judge(base_url="https://elsewhere.com/v1", environ={"JUDGE_API_KEY": OTHER})


def test_a_server_on_this_machine_needs_no_key_but_among_strangers():
    found = find_judge(base_url=LOCAL, environ={"OPENAI_API_KEY": KEY})
    assert KEY not in found.key
    assert found.key
    with pytest.raises(PromptError, match="no key"):
        find_judge(public=True, environ={"JUDGE_BASE_URL": LOCAL})
    with pytest.raises(PromptError, match="No other address"):
        find_judge(public=True, base_url=LOCAL, key="k", environ={})


@pytest.mark.parametrize(
    ("url", "model", "here"),
    [(LOCAL, "qwen2.5vl", True), ("http://127.0.0.1:8000/v1", "m", True),
     ("http://[::1]:8000/v1", "m", True), ("http://vlm.localhost:1/v1", "m", True),
     (LOCAL, "qwen3-vl:235b-cloud", False), ("http://192.168.1.5/v1", "m", False),
     (DEFAULT_URL, "m", False), ("http://localhost.example.com/v1", "m", False)],
)  # fmt: skip
def test_it_is_known_whether_the_images_stay(url: str, model: str, here: bool):
    assert stays_here(url, model) is here


def test_a_budget_grows_with_the_images_and_a_price_makes_dollars():
    none, ten = judge_budget(0, model="m"), judge_budget(10, model="m", price=Price(1.0, 2.0))
    assert (none.questions, none.at_most, none.tokens_in) == (0, 0, 0)
    assert (ten.questions, ten.probes) == (20, 2)
    assert ten.at_most >= 22
    assert ten.dollars == pytest.approx((ten.tokens_in + 2 * ten.tokens_out) / 1e6)
    assert judge_budget(10, model="m", about="x" * 400).tokens_in - ten.tokens_in == 22 * 100
    assert judge_budget(10, model="m").dollars is None


def test_models_whose_images_are_known_to_cost_more_are_counted_so():
    assert image_tokens("gpt-4o-mini-2024-07-18") == 2833
    assert image_tokens("openai/gpt-4o") == 85
    assert image_tokens("gpt-4.1-mini") == 415
    assert 200 < image_tokens("qwen2.5vl:7b") < 700


def test_a_price_is_known_only_for_its_own_host():
    assert price_of("gpt-4o-mini", "api.openai.com") == Price(0.15, 0.60, dated=True)
    assert price_of("gpt-4o-mini", "proxy.example.com") is None
    assert price_of("new-model", "api.openai.com") is None


def test_a_price_is_that_of_the_model_itself_and_of_its_dated_versions():
    assert price_of("gpt-4o-2024-08-06", "api.openai.com") == price_of("gpt-4o", "api.openai.com")
    for other in ("gpt-4o-audio-preview", "gpt-4o-2024-05-13", "gpt-4.1-mini-long", "my-gpt-4o"):
        assert price_of(other, "api.openai.com") is None


@pytest.mark.parametrize(
    ("text", "price"),
    [("0.40/1.60", Price(0.4, 1.6)), (" $0.4 / $1.6 ", Price(0.4, 1.6)), ("2, 8", Price(2, 8)),
     ("0.40,1.60", Price(0.4, 1.6)),
     ("3", Price(3, 3)), ("", None), ("  ", None)],
)  # fmt: skip
def test_prices_are_read(text: str, price: Price | None):
    assert Price.parse(text) == price


@pytest.mark.parametrize("text", ["cheap", "1/2/3", "-1", "1e9e", "NaN", "0,40"])
def test_what_is_no_price_is_refused(text: str):
    with pytest.raises(PromptError, match="million tokens"):
        Price.parse(text)


def test_a_budget_is_a_number_of_images_or_so_many_a_class():
    assert images_wanted("2C", classes=10) == 20
    assert images_wanted(" 1.5c", classes=10) == 15
    assert images_wanted("40", classes=10) == 40
    for text in ("0", "-1", "C", "two", "1.5", "", "0C", "9" * 400):
        with pytest.raises(PromptError, match="budget"):
            images_wanted(text, classes=10)
