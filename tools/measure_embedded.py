"""Measure the embedded model's zero-shot accuracy on labelled images, as a Markdown table.

    python tools/measure_embedded.py DATA [--sizes 160 192 224] [--sets oxford_pets ...]

DATA holds sets of the form SET/test/<class>/<image> with SET/classes.txt: folder name, tab,
readable name. Labels are only compared with; nothing is fitted. "centred" subtracts the set's own
mean from the image features and the mean over classes from the class vectors, each normalised
again.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from PIL import Image
from torchvision import transforms

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from studio.clip.weights import load_sharded_state_dict  # noqa: E402 (needs the path above)

SETS = ("oxford_pets", "caltech101", "cifar10", "clothing10", "pacs_art_painting", "eurosat")
FIVE = SETS[:5]
BATCH = 32


@dataclass(frozen=True)
class Embedded:
    """The loaded model with its tokenizer, prompt template and own image size."""

    model: torch.nn.Module
    tokenize: Callable[[list[str]], torch.Tensor]
    template: str
    image_size: int


def load(folder: Path) -> Embedded:
    """The model in float32 from its folder."""
    import open_clip

    config = json.loads((folder / "open_clip_config.json").read_text("utf-8"))["model_cfg"]
    hints: dict[str, Any] = json.loads((folder / "studio.json").read_text("utf-8"))
    arguments = {k: v for k, v in config.items() if k != "custom_text"}
    model = open_clip.CustomTextCLIP(**arguments)
    model.load_state_dict(load_sharded_state_dict(folder), strict=True)
    model.eval().visual.to(memory_format=torch.channels_last)
    tokenize = open_clip.SimpleTokenizer(context_length=config["text_cfg"]["context_length"])
    return Embedded(model, tokenize, hints["template"], hints["image_size"])


def read_set(folder: Path) -> tuple[list[Path], torch.Tensor, list[str]]:
    """Images of the test part, their class numbers [N], the readable class names."""
    rows = [r.split("\t") for r in (folder / "classes.txt").read_text("utf-8").strip().splitlines()]
    files, labels = [], []
    for number, (name, _) in enumerate(rows):
        found = sorted(p for p in (folder / "test" / name).iterdir() if p.is_file())
        files += found
        labels += [number] * len(found)
    return files, torch.tensor(labels), [readable.replace("_", " ") for _, readable in rows]


def _batches(files: Sequence[Path], size: int) -> Iterator[torch.Tensor]:
    prepare = transforms.Compose([
        transforms.Resize(size, transforms.InterpolationMode.BICUBIC, antialias=True),
        transforms.CenterCrop(size),
        transforms.ToTensor(),
        transforms.Normalize([0.5] * 3, [0.5] * 3),
    ])  # fmt: skip
    for start in range(0, len(files), BATCH):
        images = [prepare(Image.open(f).convert("RGB")) for f in files[start : start + BATCH]]
        yield torch.stack(images).contiguous(memory_format=torch.channels_last)


@torch.inference_mode()
def class_vectors(embedded: Embedded, names: Sequence[str], n_random: int = 0) -> torch.Tensor:
    """Unit vectors of class names [C, E].

    n_random: put so many random context vectors (standard deviation 0.02, the same for all classes,
    as learnable prompts start) before "name." instead of using the template.
    """
    if not n_random:
        texts = [embedded.template.format(name) for name in names]
        return F.normalize(embedded.model.encode_text(embedded.tokenize(texts)), dim=1)
    text = embedded.model.text
    ids = embedded.tokenize([f"{name}." for name in names])
    generator = torch.Generator().manual_seed(0)
    context = 0.02 * torch.randn(n_random, text.width, generator=generator)
    x = text.token_embedding(ids)
    x = torch.cat([x[:, :1], context.expand(len(ids), -1, -1), x[:, 1:]], 1)[:, : ids.shape[1]]
    x = text.transformer(x + text.positional_embedding, attn_mask=text.attn_mask)
    ends = ids.argmax(1) + n_random
    features = text.ln_final(x)[torch.arange(len(ids)), ends] @ text.text_projection
    return F.normalize(features, dim=1)


def center(features: torch.Tensor) -> torch.Tensor:
    """Rows minus their mean, of length 1 again."""
    return F.normalize(features - features.mean(0), dim=1)


def accuracy(images: torch.Tensor, texts: torch.Tensor, labels: torch.Tensor) -> float:
    """Share of images whose nearest text is their class."""
    return float(((images @ texts.T).argmax(1) == labels).float().mean())


@torch.inference_mode()
def measure(embedded: Embedded, data: Path, sets: Sequence[str], sizes: Sequence[int]) -> list[str]:
    """Rows of the Markdown table: for every size plain, centred, centred with random context."""
    kinds = ("plain", "centred", "centred, 16 random context vectors")
    figures: dict[tuple[int, str, str], float] = {}
    for name in sets:
        files, labels, names = read_set(data / name)
        texts = class_vectors(embedded, names)
        prompted = class_vectors(embedded, names, n_random=16)
        for size in sizes:
            parts = [embedded.model.encode_image(x, normalize=True) for x in _batches(files, size)]
            images = torch.cat(parts)
            figures[size, kinds[0], name] = accuracy(images, texts, labels)
            figures[size, kinds[1], name] = accuracy(center(images), center(texts), labels)
            figures[size, kinds[2], name] = accuracy(center(images), center(prompted), labels)
    five = [name for name in sets if name in FIVE]
    table = ["| px | features | " + " | ".join(sets) + f" | mean of {len(five)} |"]
    table.append("|" + " --- |" * (len(sets) + 3))
    for size in sizes:
        for kind in kinds:
            cells = [figures[size, kind, name] for name in sets]
            mean = sum(figures[size, kind, name] for name in five) / max(1, len(five))
            row = " | ".join(f"{c:.3f}" for c in (*cells, mean))
            table.append(f"| {size} | {kind} | {row} |")
    return table


def main() -> None:
    """Parse the command line and print the table."""
    parser = argparse.ArgumentParser(description="Zero-shot accuracy of the embedded model.")
    parser.add_argument("data", type=Path, help="folder with the sets")
    parser.add_argument("--model", type=Path, default=ROOT / "assets" / "embedded")
    parser.add_argument("--sets", nargs="+", default=list(SETS))
    parser.add_argument("--sizes", nargs="+", type=int, default=[160, 192, 224])
    arguments = parser.parse_args()
    embedded = load(arguments.model)
    print("\n".join(measure(embedded, arguments.data, arguments.sets, arguments.sizes)))


if __name__ == "__main__":
    main()
