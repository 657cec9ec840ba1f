"""Settings from text, their checks and their presets."""

from __future__ import annotations

import pytest

from studio.errors import SettingsError
from studio.settings import PAPER, Settings, describe


def test_text_becomes_values_of_the_right_type() -> None:
    chosen = Settings.from_overrides({"k": " 8 ", "phase1_lr": "1e-2", "k_cap": "no"})
    assert (chosen.k, chosen.phase1_lr, chosen.k_cap) == (8, 0.01, False)
    assert Settings.from_dict(chosen.to_dict()) == chosen


def test_all_faults_are_listed_at_once() -> None:
    wrong = {"k": "many", "nonsense": "1", "filter": "maybe", "momentum": "2"}
    with pytest.raises(SettingsError) as caught:
        Settings.from_overrides(wrong)
    for part in ("k must be a whole number", "no setting 'nonsense'"):
        assert part in str(caught.value)
    with pytest.raises(SettingsError, match=r"momentum must be between.*; filter must be one of"):
        Settings.from_overrides({"filter": "maybe", "momentum": "2"})
    with pytest.raises(SettingsError, match="unknown names nonsense"):
        Settings.from_dict({"nonsense": 1})


def test_a_setting_is_still_read_under_the_name_it_had() -> None:
    assert Settings.from_overrides({"belief": "hard"}).label_weights == "hard"
    assert Settings.from_overrides({"preset": "paper", "belief": "soft"}).label_weights == "soft"
    old = {name: value for name, value in Settings().to_dict().items() if name != "label_weights"}
    assert Settings.from_dict({**old, "belief": "hard"}) == Settings(label_weights="hard")
    assert "belief" not in Settings(label_weights="hard").to_dict()
    assert "belief" not in {item.name for item in describe()}
    with pytest.raises(SettingsError, match="label_weights must be one of soft, hard"):
        Settings.from_dict({"belief": "firm"})


def test_a_whole_number_is_good_where_a_number_is_wanted() -> None:
    assert isinstance(Settings(phase1_lr=1).phase1_lr, float)
    with pytest.raises(SettingsError, match="k must be a whole number"):
        Settings(k=1.5)  # type: ignore[arg-type]


def test_the_papers_preset_is_a_start_that_can_be_changed() -> None:
    paper = Settings.from_overrides({"preset": "paper", "k": "8"})
    assert paper.filter == "peer_clean"
    assert paper.complement == "uniform"
    assert paper.prior_correction == 0
    assert paper.k == 8
    assert Settings.from_overrides({"preset": "paper", "filter": "none"}).filter == "none"
    assert Settings.from_overrides({"preset": "studio"}) == Settings()
    names = {item.name for item in describe()}
    assert all(name in names for name in PAPER)
    assert Settings.from_overrides({**PAPER, "preset": "paper"}).to_dict() != Settings().to_dict()


def test_every_setting_says_what_it_is_and_where_its_default_comes_from() -> None:
    for item in describe():
        assert item.help, item.name
        assert item.source, item.name
        assert not item.options or item.default in item.options
