"""Every choice of a run, in one flat frozen dataclass.

Each field says where its default comes from, with the labels of docs/method.md:
[paper] stated in arXiv:2602.04337; [sister] stated in arXiv:2602.04340; [DeFT] read in DeFT's code;
[inferred] a deduction; [studio] this project's own choice, measured in docs/benchmarks.md.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_type_hints

from studio.errors import SettingsError


def _choice(
    default: Any,
    source: str,
    help: str,
    *,
    options: tuple[Any, ...] = (),
    low: float | None = None,
    high: float | None = None,
) -> Any:
    """A dataclass field that knows its source, its meaning and its legal values."""
    metadata = {"source": source, "help": help, "options": options, "low": low, "high": high}
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Settings:
    """All settings of a run. Defaults are one fixed configuration for every data set."""

    seed: int = _choice(
        0, "studio", "Seed of everything random; model 1 and 2 derive their own from it.", low=0
    )
    templates: str = _choice(
        "model",
        "studio",
        "Prompt templates of the zero-shot labels: the model's own, or a named set.",
        options=("model", "name", "plain", "ensemble"),
    )

    # Seed set (paper, Section 3.1)
    k: int = _choice(
        16, "inferred (UPL, GRIP, CPL)", "Most confident images kept per class for Phase I.", low=1
    )
    k_cap: bool = _choice(
        True, "studio", "Lower k to at most half of N / C, so that small sets keep pure seeds."
    )
    seed_selection: str = _choice(
        "argmax_topk",
        "paper wording",
        "Who may become a seed: images of the class only, or by leaderboard.",
        options=("argmax_topk", "leaderboard"),
    )
    prior_correction: float = _choice(
        0.25,
        "studio; paper: 0",
        "Power of the mean prediction that seeds' probabilities are divided by.",
        low=0,
        high=1,
    )

    # Dual prompts and visual adapter (paper, Section 3.1)
    n_ctx: int = _choice(16, "sister, DeFT", "Context vectors per prompt (M).", low=1, high=32)
    class_specific_context: bool = _choice(
        False, "paper notation", "One context per class instead of a shared one."
    )
    ctx_init_std: float = _choice(
        0.02, "DeFT", "Standard deviation of the initial context vectors.", low=0
    )
    vpt: str = _choice(
        "deep",
        "DeFT",
        "Visual prompt tokens in every block or before the first.",
        options=("deep", "shallow"),
    )
    n_visual_tokens: int = _choice(
        20, "sister, DeFT", "Visual prompt tokens (per block when deep).", low=1, high=200
    )
    adapted_stages: int = _choice(
        2,
        "studio",
        "Convolutional towers: how many of the last stages get scale-and-shift (0 = all).",
        low=0,
    )

    # Losses
    l2_weight: float = _choice(1.0, "DeFT", "lambda, the weight of the negative loss L2.", low=0)
    l2_grad_visual: bool = _choice(True, "paper", "The gradient of L2 reaches the visual side.")
    l2_grad_positive: bool = _choice(
        True, "inferred", "The gradient of L2 reaches the positive prompt."
    )
    complement: str = _choice(
        "hard",
        "studio; paper: uniform",
        "How the complement label is drawn.",
        options=("uniform", "hard", "prob_weighted"),
    )
    complement_top: int = _choice(
        5, "inferred", "complement=hard draws among this many likeliest other classes.", low=1
    )

    # Phase I
    phase1_epochs: int = _choice(10, "DeFT", "Epochs over the seed set.", low=0)
    phase1_min_steps: int = _choice(
        60, "inferred", "Floor on Phase I steps, for tiny seed sets.", low=0
    )
    phase1_batch: int = _choice(64, "DeFT, sister", "Batch size.", low=2)
    phase1_lr: float = _choice(0.1, "studio", "Learning rate of SGD.", low=0)
    phase1_optimizer: str = _choice("sgd", "sister", "Optimiser.", options=("sgd", "adamw"))
    phase1_clip: float = _choice(
        1.0,
        "studio",
        "Largest norm of the gradient; many classes or a small tau made it diverge without.",
        low=0,
    )
    phase1_resolution: float = _choice(
        0.71,
        "studio",
        "Phase I image size of convolutional towers, as a share of the model's own.",
        low=0.25,
        high=1,
    )
    phase1_views: int = _choice(
        2,
        "studio",
        "Augmented views kept per seed where frozen stages are cached (0 = fresh views).",
        low=0,
    )
    momentum: float = _choice(0.9, "DeFT", "Momentum of SGD, both phases.", low=0, high=0.999)
    weight_decay: float = _choice(5e-4, "DeFT", "Weight decay, both phases.", low=0)

    # Collaboration (paper, Section 3.2.1)
    filter: str = _choice(
        "peer_clean_and_argmax_agree",
        "studio, DeFT; paper: peer_clean",
        "Who decides that a label is clean.",
        options=("peer_clean", "peer_clean_and_argmax_agree", "self_clean", "both_clean", "none"),
    )

    # Phase II (paper, Section 3.2.2)
    phase2_epochs: int = _choice(
        2, "studio", "Epochs over the clean set (0 = stop after Phase I).", low=0
    )
    phase2_batch: int = _choice(64, "DeFT", "Batch size.", low=2)
    phase2_lr: float = _choice(3e-4, "studio", "Learning rate of the visual encoder.", low=0)
    phase2_optimizer: str = _choice("sgd", "DeFT", "Optimiser.", options=("sgd", "adamw"))
    phase2_init: str = _choice(
        "pretrained",
        "inferred",
        "Where the visual encoder starts.",
        options=("pretrained", "phase1"),
    )
    phase2_data: str = _choice(
        "own",
        "paper notation",
        "Which clean set a model trains on.",
        options=("own", "swapped", "union", "intersection"),
    )
    head_input: str = _choice(
        "pre_proj", "DeFT", "Features under the new head.", options=("pre_proj", "post_proj")
    )
    head_init: str = _choice(
        "probe",
        "studio",
        "Initial head: random, from the class texts, or a linear probe of the clean set.",
        options=("random", "text", "probe"),
    )
    head_lr_factor: float = _choice(
        10.0, "studio", "Learning rate of the head over that of the encoder.", low=0
    )
    weight_average: float = _choice(
        0.5,
        "studio",
        "Share of the fine-tuned weights in the shipped ones; the rest is where they started.",
        low=0.01,
        high=1,
    )
    label_smoothing: float = _choice(
        0.1, "studio", "Label smoothing of Phase II's cross-entropy.", low=0, high=0.9
    )
    phase2_resolution: float = _choice(
        0.86,
        "studio",
        "Phase II image size of convolutional towers, as a share of the model's own.",
        low=0.25,
        high=1,
    )
    crop_scale: float = _choice(
        0.5, "studio", "Smallest area of a random crop, as a share of the image.", low=0.05, high=1
    )

    # Inference and display
    inference: str = _choice(
        "ensemble",
        "inferred",
        "Mean of both classifiers, or the first alone.",
        options=("ensemble", "single"),
    )
    monitor_images: int = _choice(
        128, "studio", "Images that both models label after each epoch, for the curves.", low=0
    )

    def __post_init__(self) -> None:
        """Check every value; all that is wrong is listed at once.

        Raises:
            SettingsError: a value has the wrong type, is out of range or not among the options.
        """
        faults = [fault for field in dataclasses.fields(self) if (fault := self._fault(field))]
        if faults:
            raise SettingsError("Settings: " + "; ".join(faults))

    def _fault(self, field: dataclasses.Field[Any]) -> str:
        value, meta = getattr(self, field.name), field.metadata
        wanted = _TYPES[field.name]
        if type(value) is int and wanted is float:
            object.__setattr__(self, field.name, value := float(value))
        if type(value) is not wanted:
            return f"{field.name} must be {_NAMES[wanted]}, not {value!r}"
        if meta["options"] and value not in meta["options"]:
            return (
                f"{field.name} must be one of {', '.join(map(str, meta['options']))}, not {value!r}"
            )
        low, high = meta["low"], meta["high"]
        if (low is not None and not value >= low) or (high is not None and not value <= high):
            span = f"at least {low}" if high is None else f"between {low} and {high}"
            return f"{field.name} must be {span}, not {value!r}"
        return ""

    @classmethod
    def from_overrides(cls, overrides: Mapping[str, str]) -> Settings:
        """Defaults with some values replaced, given as text (`--set key=value`).

        Raises:
            SettingsError: an unknown name or an illegal value; lists all of them.
        """
        values: dict[str, Any] = {}
        faults = []
        for name, text in overrides.items():
            if name not in _TYPES:
                faults.append(
                    f"there is no setting {name!r} (`python -m studio settings` lists them)"
                )
                continue
            try:
                values[name] = _parse(text, _TYPES[name])
            except ValueError:
                faults.append(f"{name} must be {_NAMES[_TYPES[name]]}, not {text!r}")
        try:
            settings = cls(**values)
        except SettingsError as error:
            faults.append(str(error).removeprefix("Settings: "))
        if faults:
            raise SettingsError("Settings: " + "; ".join(faults))
        return settings

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Settings:
        """Settings as `to_dict` wrote them; names that this version does not know are an error."""
        unknown = sorted(set(values) - set(_TYPES))
        if unknown:
            raise SettingsError(f"Settings: unknown names {', '.join(unknown)}")
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """Plain values by name, ready for JSON."""
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class Described:
    """One setting as shown to people."""

    name: str
    default: Any
    source: str
    help: str
    options: tuple[Any, ...]


def describe() -> list[Described]:
    """All settings in order, for `python -m studio settings` and the page."""
    return [
        Described(
            f.name, f.default, f.metadata["source"], f.metadata["help"], f.metadata["options"]
        )
        for f in dataclasses.fields(Settings)
    ]


def _parse(text: str, wanted: type) -> Any:
    """Text to a value of the wanted type; ValueError when it is none."""
    if wanted is bool:
        lowered = text.strip().lower()
        if lowered not in ("true", "false", "yes", "no", "on", "off", "1", "0"):
            raise ValueError(text)
        return lowered in ("true", "yes", "on", "1")
    return wanted(text.strip())


_TYPES: dict[str, type] = get_type_hints(Settings)
_NAMES = {int: "a whole number", float: "a number", bool: "true or false", str: "a word"}
