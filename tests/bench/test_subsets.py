"""Subsets of labelled sets: what stays, that the list stays whole, and that it is drawn once."""

from __future__ import annotations

from pathlib import Path

import pytest

from studio.bench.command import told
from studio.bench.plan import LabelledSet, subsets
from studio.bench.subsets import Subset
from studio.errors import SettingsError


def test_a_share_of_the_classes_stays_and_two_at_least() -> None:
    sizes = {f"class {i}": 30 for i in range(10)}
    kept = Subset(present=0.5).keep(sizes, seed=0)
    assert len(kept) == 5
    assert set(kept.values()) == {30}
    assert len(Subset(present=0.01).keep(sizes, seed=0)) == 2
    assert kept == Subset(present=0.5).keep(sizes, seed=0)
    assert set(kept) != set(Subset(present=0.5).keep(sizes, seed=1))


def test_a_tail_falls_geometrically_from_the_largest_to_the_smallest() -> None:
    kept = Subset(tail=10).keep(dict.fromkeys("abc", 100), seed=3)
    assert list(kept.values()) == [100, 32, 10]
    assert min(Subset(tail=50).keep(dict.fromkeys("abc", 4), seed=3).values()) == 1


@pytest.mark.parametrize("wrong", [{"present": 0.0}, {"present": 1.5}, {"tail": 0.1}])
def test_shares_and_tails_that_cannot_be_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(SettingsError, match=f"--{next(iter(wrong))} is"):
        Subset(**wrong)


def test_both_parts_lose_the_same_classes_and_the_list_stays_whole(tmp_path: Path) -> None:
    root = tmp_path / "letters"
    for part, number in (("train", 8), ("test", 4)):
        for name in "abcd":
            (root / part / name).mkdir(parents=True)
            for i in range(number):
                (root / part / name / f"{i}.jpg").write_bytes(b"an image")
    (root / "classes.txt").write_text("a\nb\nc\nd\n")
    (data,) = subsets([LabelledSet(root)], Subset(present=0.5), into=tmp_path / "out", seeds=[5])[5]
    assert data.name == "letters-present-0.5"
    left = [sorted(path.name for path in part.iterdir()) for part in (data.train, data.test)]
    assert left[0] == left[1]
    assert len(left[0]) == 2
    assert len(list((data.train / left[0][0]).iterdir())) == 8
    assert data.names.read_text() == "a\nb\nc\nd\n"
    (data.test / left[0][0] / "0.jpg").unlink()  # cut once
    Subset(present=0.5).cut(root, tmp_path / "out" / "seed-5", seed=5)
    assert not (data.test / left[0][0] / "0.jpg").exists()
    assert (root / "test" / left[0][0] / "0.jpg").exists()


def test_sets_as_they_are_are_not_cut(tmp_path: Path) -> None:
    whole = LabelledSet(tmp_path / "letters")
    assert subsets([whole], Subset(), into=tmp_path / "out", seeds=[0]) == {0: [whole]}
    assert not (tmp_path / "out").exists()


def test_what_a_run_said_of_itself_is_told_beside_the_truth() -> None:
    row = {
        "knowledge": "promising",
        "estimated_zero_shot_accuracy": 0.5,
        "estimated_zero_shot_accuracy_low": 0.4,
        "estimated_zero_shot_accuracy_high": 0.6,
    }
    assert told(row) == " (promising; estimated before 50 % (40 to 60))"
    assert told({}) == ""
