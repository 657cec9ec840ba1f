"""Finished runs on a small demo set, made in seconds by the studio's own code, for pages to show.

Nothing is drawn or trained in the browser: a test that is about looking starts from here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

PER_CLASS = 10

# Coarse pictures and few steps: seconds on one core, and still curves, doubts and mistakes to see;
# of the latter the demo has too few when all images are labelled together.
QUICK: dict[str, object] = {
    "k": 4, "n_ctx": 4, "phase1_epochs": 3, "phase1_min_steps": 0, "phase1_batch": 16,
    "phase1_views": 1, "phase1_resolution": 0.4, "phase2_epochs": 1, "phase2_batch": 32,
    "phase2_resolution": 0.4, "monitor_images": 32, "transduction": "off",
}  # fmt: skip


@dataclass(frozen=True)
class Prepared:
    """What lies on disk. images: the demo's 110 pictures in 11 sub-folders; runs, cache: as given
    to `--runs` and `--cache`; ids: the runs by name ("first", "second": CoFT with other settings,
    "labels only": zero-shot), all finished, the truth known.
    """

    images: Path
    runs: Path
    cache: Path
    ids: dict[str, str]


def prepare(folder: Path) -> Prepared:
    """Draw, label and train in `folder`, as the command line does it; what is there is kept."""
    from studio import demo
    from studio.images.folder import propose_class_names, scan
    from studio.runs.job import run_job
    from studio.runs.request import JobRequest, create_run
    from studio.runs.store import RunStore
    from studio.settings import Settings

    images, runs, cache = folder / "demo", folder / "runs", folder / "cache"
    if (cache / "workspace.json").is_file():
        return Prepared(images, runs, cache, {i.name: i.id for i in RunStore(runs).list()})
    whole, demo.PER_CLASS = demo.PER_CLASS, PER_CLASS
    try:
        demo.draw(images)
    finally:
        demo.PER_CLASS = whole
    store, ids = RunStore(runs), {}
    other: dict[str, object] = {**QUICK, "seed": 1, "label_smoothing": 0.0, "phase1_epochs": 4}
    for name, method, settings in (
        ("labels only", "zero-shot", {}), ("first", "coft", QUICK), ("second", "coft", other)
    ):  # fmt: skip
        request = JobRequest(
            folder=images, method=method, settings=Settings.from_dict(settings), name=name
        )
        run = create_run(request, store)
        run_job(request, run, cache_dir=cache, stop=lambda: False)
        ids[name] = run.id
    # The page takes the set up again and labels it from the cache, as after a restart.
    state = {
        "version": 1, "path": str(images), "source": "demo", "model": "embedded",
        "names_text": "\n".join(propose_class_names(scan(images))), "labelled": True,
    }  # fmt: skip
    (cache / "workspace.json").write_text(json.dumps(state), encoding="utf-8")
    return Prepared(images, runs, cache, ids)
