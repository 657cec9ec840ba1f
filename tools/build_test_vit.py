"""Build a small vision transformer that knows something, to measure on. It is never shipped.

    python tools/build_test_vit.py OUT [--data FOLDER ...] [--minutes 40 | --steps N] [--seed 0]

Real CLIP models are vision transformers, and the built-in model is not one. This tool teaches a
small open_clip transformer the features of the built-in image tower, on pictures without labels:
the drawn demo, and for each FOLDER the pictures in its sub-folders */train, or else in itself. The
names of folders are not read. OUT is an ordinary open_clip folder with the built-in model's text
tower, tokenizer and logit scale: `python -m studio fit --model OUT` opens it.

How it learns. Each picture has a few fixed views: all of it, and random crops. The teacher's
features of all views are computed once (rank 192 keeps 99 % of their length, and leaves room for a
twin, tools/make_twin.py), then the student learns them with AdamW on a cosine schedule: one minus
the cosine of the centred features, plus their squared distance as a share of the teacher's spread.
Random flips on top. One picture in twenty is held out for the report.

--minutes is turned into a number of steps after timing a few of them, in processor time of this
process; the same --steps and --seed give the same model on the same machine and threads. OUT is
written from time to time, so a weaker model is at hand before the end.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from studio.clip.backbone import Backbone, load_backbone  # noqa: E402 (needs the path above)
from studio.clip.encode import Images  # noqa: E402
from studio.clip.weights import save_sharded_state_dict  # noqa: E402
from studio.demo import demo_folder  # noqa: E402
from studio.errors import StudioError  # noqa: E402
from studio.memory import keep_freed_memory  # noqa: E402
from studio.runs.inputs import images_for  # noqa: E402
from tools.small_vit.learn import learn, seconds_a_step  # noqa: E402
from tools.small_vit.lessons import Recipe, Shape, prepare_lessons  # noqa: E402
from tools.small_vit.student import Student, image_config  # noqa: E402

HELD_OUT = 20


def main() -> None:
    """Parse the command line, build, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", type=Path, nargs="*", default=[], metavar="FOLDER")
    parser.add_argument("--cache", type=Path, default=Path("build/test-vit-cache"))
    parser.add_argument("--threads", type=int, default=1)
    for options in (Shape(), Recipe()):
        for name, value in vars(options).items():
            parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    keep_freed_memory()
    began = time.process_time()

    def say(what: str) -> None:
        print(f"{time.process_time() - began:6.0f} s  {what}", flush=True)

    try:
        teacher = load_backbone("embedded", device="cpu")
        shape, recipe = (
            kind(**{name: getattr(given, name) for name in vars(kind())})
            for kind in (Shape, Recipe)
        )
        assert isinstance(shape, Shape)
        assert isinstance(recipe, Recipe)
        sets = [
            images_for(teacher, folder, cache_dir=given.cache)[1]
            for folder in (demo_folder(given.cache), *picture_folders(given.data))
        ]
        say(f"{sum(map(len, sets))} pictures in {len(sets)} folders")
        build(teacher, sets, given.out, shape=shape, recipe=recipe, began=began, say=say)
    except StudioError as error:
        sys.exit(str(error))


def picture_folders(data: Sequence[Path]) -> Iterator[Path]:
    """The sub-folders */train of each folder, or the folder itself where it has none."""
    for folder in data:
        yield from sorted(folder.glob("*/train")) or [folder]


def build(
    teacher: Backbone,
    sets: Sequence[Images],
    out: Path,
    *,
    shape: Shape,
    recipe: Recipe,
    began: float | None = None,
    say: Callable[[str], None] = print,
) -> list[float]:
    """Teach a student the teacher's features of these pictures, and write it into a folder.

    Args:
        teacher: the built-in model, on the CPU; its text tower becomes the student's.
        sets: canvases.
        out: the folder.
        shape: of the student.
        recipe: how it is taught.
        began: processor time of this process from which the minutes count; None: now.
        say: told what goes on, for people.

    Returns:
        The mean cosine with the teacher on held-out pictures: before learning, each time that the
        folder was written, and at the end.
    """
    began = time.process_time() if began is None else began
    torch.manual_seed(recipe.seed)
    lessons, apart = prepare_lessons(teacher, sets, shape=shape, recipe=recipe, say=say).split(
        held_out=HELD_OUT, seed=recipe.seed
    )
    student = Student(lessons, shape=shape)
    steps = recipe.steps
    if not steps:
        left = 60 * recipe.minutes - (time.process_time() - began)
        steps = max(1, int(left / seconds_a_step(student, lessons, recipe)))
    say(f"{steps} steps of {recipe.batch} views, {sum(p.numel() for p in student.parameters())} "
        f"parameters, rank {len(student.basis)}, seed {recipe.seed}")  # fmt: skip
    cosines = [student.cosine(apart)]
    say(f"cosine with the teacher on {apart.views.shape[1]} held-out pictures {cosines[0]:.3f}")
    for step, loss in enumerate(learn(student, lessons, recipe, steps=steps), start=1):
        if step % recipe.write_every == 0 or step == steps:
            write_model(out, teacher, student, shape=shape)
            cosines.append(student.cosine(apart))
            say(f"step {step}: loss {loss:.3f}, cosine on held-out pictures {cosines[-1]:.3f}")
    return cosines


@torch.no_grad()
def write_model(out: Path, teacher: Backbone, student: Student, *, shape: Shape) -> None:
    """An open_clip folder: the student's image tower, and all else of the teacher's."""
    text = {name: teacher.config.get(name, False) for name in ("text_cfg", "custom_text")}
    config = {**image_config(shape, teacher.embed_dim), **text}
    state = {k: v for k, v in teacher.model.state_dict().items() if not k.startswith("visual.")}
    own = dict(student.visual.state_dict())
    own["proj"] = own["proj"] @ student.basis
    state.update({f"visual.{name}": tensor for name, tensor in own.items()})
    out.mkdir(parents=True, exist_ok=True)
    save_sharded_state_dict(state, out)
    feed = {
        "size": [shape.size] * 2, "mean": [0.5] * 3, "std": [0.5] * 3,
        "interpolation": teacher.resize.interpolation, "resize_mode": "shortest",
    }  # fmt: skip
    hints = {"template": teacher.template, "center": teacher.center}
    described = {"model_cfg": config, "preprocess_cfg": feed}
    for name, content in (("open_clip_config.json", described), ("studio.json", hints)):
        (out / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
