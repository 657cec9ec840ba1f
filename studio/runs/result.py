"""What came of a run: result.json, which is also what `fit --json` prints."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from studio.numbers import about, interval, percent
from studio.scores.estimate import Estimate


@dataclass(frozen=True)
class CheckedLabels:
    """Labels that came with the images, judged (`fit --labels`). Shares in [0, 1].

    labels: how many; clean: the share that both models judge to be clean; accuracy: the share that
    is right, precision: of the clean ones; auroc, combined_auroc: how well the clean probability
    and the combined score rank right labels before wrong ones. None: not known.
    """

    labels: int
    clean: float | None = None
    accuracy: float | None = None
    precision: float | None = None
    auroc: float | None = None
    combined_auroc: float | None = None


@dataclass(frozen=True)
class RunResult:
    """What came of a run. None: not known, or not said by the version that made the run.

    Attributes:
        run, method, model, seed, folder: What the run was asked to do.
        images, refused, classes: How many.
        test_folder, test_images: Where accuracies were measured, when not on the images themselves.
        zero_shot_accuracy, accuracy: Share of right labels before training and at the end.
        single_accuracy: Mean of the models' accuracies alone.
        clean_fraction: THE share of clean labels, `Outcome.clean_share` of the latest stage.
        clean_precision: Share of right labels among those.
        agreement: Share of images that both models label alike.
        estimated_zero_shot_accuracy, estimated_accuracy, estimated_clean_precision: The same as
            without `estimated`, of the images that were fitted, estimated without a true label.
        checked: What came of labels that were to be checked; None: there were none.
        given_labels, given_rejected: Labels that a person gave, and images left out.
        judged_labels: Labels that a vision-language model judged, of other images.
        prompts: What the first labels were made with, in words.
        knowledge, knowledge_z: Whether the model knows such images, see `scores.knowledge`.
        stage: How far the labels came ("zero-shot", "phase1", "phase2", "trained").
        stopped: The user ended the run early.
        seconds: How long it took.
        settings: Every setting of the fit.
    """

    run: str | None = None
    method: str | None = None
    model: str | None = None
    seed: int | None = None
    folder: str | None = None
    images: int | None = None
    refused: int | None = None
    classes: int | None = None
    test_folder: str | None = None
    test_images: int | None = None
    zero_shot_accuracy: float | None = None
    accuracy: float | None = None
    single_accuracy: float | None = None
    clean_fraction: float | None = None
    clean_precision: float | None = None
    agreement: float | None = None
    estimated_zero_shot_accuracy: Estimate | None = None
    estimated_accuracy: Estimate | None = None
    estimated_clean_precision: Estimate | None = None
    checked: CheckedLabels | None = None
    given_labels: int | None = None
    given_rejected: int | None = None
    judged_labels: int | None = None
    prompts: str | None = None
    knowledge: str | None = None
    knowledge_z: float | None = None
    stage: str | None = None
    stopped: bool | None = None
    seconds: float | None = None
    settings: Mapping[str, Any] | None = None

    @property
    def judged_clean(self) -> float | None:
        """The share of clean labels; None where no label was judged, as before any training."""
        return None if self.stage == "zero-shot" else self.clean_fraction

    @property
    def measured_by(self) -> str:
        """What accuracies are measured by, behind `75.7 % right, `."""
        return "on the test folder" if self.test_folder else "by sub-folder names"

    @property
    def headline(self) -> str:
        """`57 % → about 74 % right (66 to 82 %), 83 % of the labels clean`, as far as known."""
        texts = []
        before, after = self.estimated_zero_shot_accuracy, self.estimated_accuracy
        if after is not None:
            trained = before is not None and self.stage != "zero-shot"
            start = f"{percent(before.accuracy)} → " if trained and before is not None else ""
            texts.append(f"{start}{about(after)} right ({interval(after)})")
        share = percent(self.clean_fraction)
        if self.judged_clean is not None:
            texts.append(f"{share} of the labels clean")
        elif self.clean_fraction is not None:
            texts.append(f"confidence above 50 % for {share} of the labels")
        return ", ".join(texts)

    @classmethod
    def from_dict(cls, value: object) -> RunResult:
        """From what `to_dict` wrote, in this or an older version.

        What is missing, unknown or of another type than it should be is passed over.
        """
        values = value if isinstance(value, Mapping) else {}
        return cls(**{f.name: _READ[str(f.type)](values, f.name) for f in fields(cls)})

    def to_dict(self) -> dict[str, Any]:
        """JSON-able and flat: an estimate is four values, those of checked labels begin so."""
        found: dict[str, Any] = {}
        for name in (f.name for f in fields(self)):
            value = getattr(self, name)
            if name == "checked":
                found |= {} if value is None else _checked_to_dict(value)
            elif name.startswith("estimated_"):
                parts = ("accuracy", "low", "high", "source")
                keys = (name, f"{name}_low", f"{name}_high", f"{name}_source")
                found |= {
                    k: getattr(value, part, None) for k, part in zip(keys, parts, strict=True)
                }
            else:
                found[name] = value
        return found


def _checked_to_dict(checked: CheckedLabels) -> dict[str, Any]:
    values = {f"checked_{f.name}": getattr(checked, f.name) for f in fields(checked)}
    # Its former name, for scripts that read it.
    return {**values, "checked_believed": checked.clean}


def _checked(values: Mapping[str, Any], _name: str) -> CheckedLabels | None:
    labels = _int(values, "checked_labels")
    if labels is None:
        return None
    clean = "checked_clean" if "checked_clean" in values else "checked_believed"
    shares = {f.name: _float(values, f"checked_{f.name}") for f in fields(CheckedLabels)}
    return CheckedLabels(**{**shares, "labels": labels, "clean": _float(values, clean)})  # type: ignore[arg-type]


def _estimate(values: Mapping[str, Any], name: str) -> Estimate | None:
    middle, low, high = (_float(values, f"{name}{end}") for end in ("", "_low", "_high"))
    if middle is None or low is None or high is None:
        return None
    source = values.get(f"{name}_source")
    said = source if isinstance(source, str) else ""  # earlier versions did not say
    return Estimate(middle, low, high, source=said)


def _float(values: Mapping[str, Any], name: str) -> float | None:
    value = values.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= _MOST:
        return None
    return float(value)


def _int(values: Mapping[str, Any], name: str) -> int | None:
    value = values.get(name)
    known = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST
    return value if known else None


_MOST = 2**53  # nothing that a run counts or measures is more; NaN is not less


def _of(kind: type) -> Callable[[Mapping[str, Any], str], Any]:
    def read(values: Mapping[str, Any], name: str) -> Any:
        value = values.get(name)
        return value if isinstance(value, kind) else None

    return read


_READ: dict[str, Callable[[Mapping[str, Any], str], Any]] = {
    "str | None": _of(str),
    "bool | None": _of(bool),
    "int | None": _int,
    "float | None": _float,
    "Estimate | None": _estimate,
    "CheckedLabels | None": _checked,
    "Mapping[str, Any] | None": _of(dict),
}
