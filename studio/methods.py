"""The methods that a run can use. A new one is one file and one line here."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from studio.errors import SettingsError

if TYPE_CHECKING:
    from studio.coft.task import Fit


@dataclass(frozen=True)
class Method:
    """A method: what it is called, where it is, and what the rest of the studio must know of it.

    Attributes:
        name: As people type it and runs record it.
        title: As the page shows it.
        module: Where its function is; imported only when it is used, for it brings torch, and
            `--help` must answer at once.
        function: A generator of events from a task, see `studio.coft.task.Fit`.
        ours: CoFT itself; the others are there to be compared with it.
        models: How many it trains, 1 or 2.
        two_phases: It learns to judge labels before it trains a classifier on them. So it can judge
            labels that came with the images, and ship another model than the one that judges.
        cautious: Where zero-shot labels are near chance, it leaves them as they are, see
            `studio.runs.near_chance`; the methods of others do as their authors do.
        trains: False: it only labels, there is nothing to draw curves of.
        needs_given: It learns from given labels alone and refuses to work without any.
        resumes: A run that was cut off can go on: the method yields its state when it is asked, see
            `studio.coft.keeping`, or it is done in one step, which is then done again.
        prompts: It learns prompts, for which the model's texts need room.
        adapter: It learns a visual adapter, which not every image tower takes.
        fine_tunes: It trains the image tower as a whole (Phase II), which not every one takes.
        shared: Several processes share its training, see `studio.ranks`; with the others they
            share the encoding of the images alone.
    """

    name: str
    title: str
    module: str
    function: str = "fit"
    ours: bool = False
    models: int = 1
    two_phases: bool = False
    cautious: bool = False
    trains: bool = True
    needs_given: bool = False
    resumes: bool = False
    prompts: bool = False
    adapter: bool = False
    fine_tunes: bool = False
    shared: bool = False

    def load(self) -> Fit:
        """The method itself."""
        fit: Fit = getattr(import_module(self.module), self.function)
        return fit


# What CoFT is compared with: see docs/method.md, "Baselines".
_ALL = (
    Method(
        "coft", "CoFT", "studio.coft.fit",
        ours=True, models=2, two_phases=True, cautious=True, resumes=True, prompts=True,
        adapter=True, fine_tunes=True, shared=True,
    ),
    Method(
        "coft+", "CoFT+", "studio.coft.fit", "fit_plus",
        ours=True, models=2, two_phases=True, cautious=True, resumes=True, prompts=True,
        adapter=True, fine_tunes=True, shared=True,
    ),
    Method(
        "zero-shot", "Zero-shot labels only", "studio.baselines.zero_shot",
        trains=False, resumes=True,
    ),
    Method(
        "zero-shot-ensemble", "Zero-shot, several sentences",
        "studio.baselines.zero_shot", "fit_ensemble", trains=False, resumes=True,
    ),
    Method(
        "together", "Labelled together, no training", "studio.baselines.together",
        cautious=True, trains=False, resumes=True,
    ),
    Method("upl", "UPL, learned prompts", "studio.baselines.upl", prompts=True),
    Method("fpl", "FPL, few pseudo-labels", "studio.baselines.grip", "fit_fpl", prompts=True),
    Method(
        "ifpl", "IFPL, repeated pseudo-labels", "studio.baselines.grip", "fit_ifpl",
        prompts=True,
    ),
    Method(
        "grip", "GRIP, growing pseudo-labels", "studio.baselines.grip", "fit_grip",
        prompts=True,
    ),
    Method(
        "self-training", "Self-training on all labels",
        "studio.baselines.self_training", models=2, resumes=True, fine_tunes=True,
    ),
    Method(
        "self-training-seeds", "Self-training on the seeds",
        "studio.baselines.self_training", "fit_seeds", models=2, resumes=True, fine_tunes=True,
    ),
    Method("fixmatch", "FixMatch, a slow teacher", "studio.baselines.fixmatch", fine_tunes=True),
    Method("lafter", "LaFTer, a text-trained head", "studio.baselines.lafter", adapter=True),
    Method(
        "transclip", "TransCLIP, labelled together", "studio.baselines.transclip",
        trains=False, resumes=True,
    ),
    Method(
        "transclip-released", "TransCLIP, as its authors run it",
        "studio.baselines.transclip", "fit_released", trains=False,
    ),
    Method("stata", "StatA, held at the texts", "studio.baselines.stata", trains=False),
    Method(
        "zlap", "ZLaP, labels spread over a graph",
        "studio.baselines.propagation", "fit_zlap", trains=False,
    ),
    Method(
        "ecalp", "ECALP, a graph that heeds the names",
        "studio.baselines.propagation", "fit_ecalp", trains=False,
    ),
    Method(
        "supervised", "Supervised by given labels",
        "studio.baselines.self_training", "fit_supervised",
        models=2, needs_given=True, resumes=True, fine_tunes=True,
    ),
)  # fmt: skip

METHODS: dict[str, Method] = {method.name: method for method in _ALL}
"""All methods by name, in the order in which they are listed."""


def method_of(name: str) -> Method:
    """The method of that name.

    Raises:
        SettingsError: There is none.
    """
    if name not in METHODS:
        raise SettingsError(f"There is no method {name!r}; choose one of {', '.join(METHODS)}.")
    return METHODS[name]


def title_of(name: str) -> str:
    """A method as people call it; one of another version, not known here, by its name."""
    return METHODS[name].title if name in METHODS else name


def resumes(name: str) -> bool:
    """Whether runs of a method can go on after they were cut off; not of one not known here."""
    return name in METHODS and METHODS[name].resumes


def two_phase_methods() -> str:
    """Their names, for messages: "coft and coft+"."""
    return " and ".join(method.name for method in METHODS.values() if method.two_phases)
