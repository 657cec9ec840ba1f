from __future__ import annotations

from pathlib import Path

from studio.images.folder import Folder, ImageFile, Refused
from studio.scores.estimate import Estimate
from studio.views import data

EVIL = "<script>alert(1)</script>"


def preview(**changes: object) -> str:
    values: dict[str, object] = {
        "class_names": ["cat", "dog", "bird"], "counts": [5, 20, 0],
        "best": lambda c, n: [c], "confidence": lambda i: 0.9, "picture": lambda i: f"{i}.jpg",
        "path": lambda i: f"{i}", "verdict": "It knows them well.", "level": "promising",
        "accuracy": None, "model": "embedded", "stale": False,
    }  # fmt: skip
    return data.preview_html(**{**values, **changes})  # type: ignore[arg-type]


def test_one_step_is_current() -> None:
    for number in range(3):
        html = data.steps(number)
        assert html.count('aria-current="step"') == 1
        assert html.count("step-done") == number


def test_refused_files_are_counted_by_reason_and_listed() -> None:
    refused = [Refused("a.jpg", "corrupt", "bad magic"), Refused("b.jpg", "corrupt", "bad magic"),
               Refused(EVIL, "too large", "200 MP")]  # fmt: skip
    html = data.refused_html(refused)
    assert "3 files were refused: 2 corrupt, 1 too large" in html
    assert "bad magic" in html
    assert EVIL not in html
    assert data.refused_html([]) == ""


def test_a_long_list_of_refused_files_is_cut() -> None:
    html = data.refused_html([Refused(f"{i}.jpg", "corrupt", "x") for i in range(1000)])
    assert html.count("<tr>") < 250
    assert "800 more" in html


def test_the_folder_is_shown_with_counts_and_a_sample() -> None:
    images = tuple(ImageFile(f"{EVIL}{i}.jpg", 1000, 0) for i in range(100))
    folder = Folder(Path("/photos"), images, (Refused("x", "corrupt", ""),))
    html = data.folder_html(folder, source="folder", classes=3, picture=lambda i: f"{i}.jpg")
    assert html.count("<img") == data.SAMPLE
    assert EVIL not in html
    assert "/photos" in html
    hidden = data.folder_html(folder, source="upload", classes=0, picture=lambda i: "")
    assert "/photos" not in hidden
    assert "<img" not in hidden


def test_the_verdict_is_the_first_thing_that_is_said() -> None:
    good, bad = preview(), preview(level="near chance", verdict="Labels are near chance.")
    assert "notice-good" in good
    assert "notice-warn" in preview(level="doubtful")
    assert "notice-good" not in preview(verdict="", level="")
    assert "The model knows nothing about these images." in bad
    assert bad.index("near chance") < bad.index("class-row")


def test_classes_are_listed_by_size_and_empty_ones_named() -> None:
    html = preview()
    assert html.index(">dog<") < html.index(">cat<")
    assert "1 class without any image" in html
    assert "bird" in html
    assert "5 images" in html


def test_many_classes_send_pictures_for_some_only() -> None:
    names = [f"class {i}" for i in range(300)]
    html = preview(class_names=names, counts=[2] * 300, best=lambda c, n: [c] * n)
    assert html.count("<img") == data.CLASSES_WITH_PICTURES * data.PICTURES_PER_CLASS
    assert "class 299" in html


def test_old_labels_are_said_to_be_old() -> None:
    assert "label again" in preview(stale=True)
    assert "label again" not in preview()


def test_an_estimated_accuracy_stands_beside_the_known_one() -> None:
    html = preview(accuracy=0.71, estimate=Estimate(0.62, 0.5, 0.74))
    assert "about 62 %" in html
    assert "50 to 74 %" in html
    assert "71.0 %" in html
    assert "estimated" not in preview()
