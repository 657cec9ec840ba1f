"""Build the embedded model: an open_clip model for work without a network.

    apt-get install wordnet-base
    pip install -r requirements.txt -r tools/requirements.txt
    python tools/build_embedded.py --out assets/embedded

No image is used. The image tower is EfficientNet-Lite0 with its ImageNet classifier's principal
directions as projection; the text tower learns a teacher that places texts among the classifier's
weight vectors (tools/embedded/teacher.py). Takes about 25 minutes on two CPU cores. Seeded; other
versions, processors or numbers of threads round differently, which training carries on. Where other
programs use the processor too, GOMP_SPINCOUNT=0 in the environment keeps the two threads from
waiting actively.
"""

from __future__ import annotations

import argparse
import hashlib
import inspect
import time
from pathlib import Path

import numpy as np
import torch
from embedded.corpus import build_corpus
from embedded.distil import Training, agreement, train, warm_start
from embedded.imagenet import load_classifier
from embedded.package import model_config, write_model
from embedded.sentences import SentenceEncoder
from embedded.student import new_tower, tokenize
from embedded.teacher import Teacher
from embedded.wordnet import DEFAULT_FOLDER, read_wordnet

from studio.memory import keep_freed_memory

EMBED_DIM = 512
IMAGE_SIZE = 224
TEXT = {
    "context_length": 48,
    "vocab_size": 49408,
    "width": 256,
    "heads": 4,
    "layers": 1,
    "mlp_ratio": 4.0,
}
TEMPLATE = "{}."
N_DESCRIBED, N_COMPOUND, SEED = 40_000, 30_000, 0
LONGEST_TEXT = 40
WARM_START_TEXTS = 30_000


def cached_targets(teacher: Teacher, texts: list[str], cache: Path | None) -> torch.Tensor:
    """The teacher's vectors of texts, [N, E] float16; read from the cache when nothing changed."""
    if cache is None:
        return teacher(texts).half()
    source = Path(inspect.getfile(Teacher)).read_bytes()
    key = hashlib.sha256(source + "\n".join(texts).encode()).hexdigest()[:24]
    path = cache / f"targets-{key}.npy"
    if path.is_file():
        return torch.from_numpy(np.load(path))
    targets = teacher(texts).half()
    np.save(path, targets.numpy())
    return targets


def main() -> None:
    """Parse the command line, build, print the files' hashes."""
    parser = argparse.ArgumentParser(description="Build the embedded model.")
    parser.add_argument("--out", type=Path, required=True, help="folder for the model")
    parser.add_argument("--wordnet", type=Path, default=DEFAULT_FOLDER)
    parser.add_argument("--cache", type=Path, help="keep sentence vectors here for the next build")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=Training.steps, help="fewer for a rough model")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(SEED)
    keep_freed_memory()
    began = time.monotonic()

    def say(what: str) -> None:
        print(f"{time.monotonic() - began:6.0f} s  {what}", flush=True)

    wordnet = read_wordnet(arguments.wordnet)
    encode = SentenceEncoder(arguments.cache)
    weight = load_classifier().get_classifier().weight.detach()
    teacher = Teacher(weight, wordnet, encode, EMBED_DIM)
    say(f"teacher with {len(teacher.synsets)} anchors, {int(teacher.known.sum())} of them known")
    corpus = build_corpus(wordnet, n_described=N_DESCRIBED, n_compound=N_COMPOUND, seed=SEED)
    targets = cached_targets(teacher, corpus.texts, arguments.cache)
    names = tokenize(corpus.texts, LONGEST_TEXT)
    held_out, held_out_targets = tokenize(corpus.held_out, LONGEST_TEXT), teacher(corpus.held_out)
    say(f"{len(corpus.texts)} texts")

    tower = new_tower(TEXT, EMBED_DIM, encode)
    some = torch.randperm(len(targets))[:WARM_START_TEXTS]
    warm_start(tower, names.pick(some), targets[some])
    classes = teacher.class_targets()

    def report(step: int, cosine: float, relation: float) -> None:
        if (step + 1) % 100 == 0:
            say(f"step {step + 1}: cosine {cosine:.4f}, relation {relation:.4f}")

    settings = Training(steps=arguments.steps, seed=SEED)
    train(tower, names, torch.tensor(corpus.weights), targets, classes, settings, report)
    cosine, same = agreement(tower, held_out, held_out_targets, classes)
    say(f"held-out names: cosine {cosine:.4f}, same nearest class {same:.4f}")
    config = model_config(embed_dim=EMBED_DIM, image_size=IMAGE_SIZE, text=TEXT)
    text = tower.state_dict()
    projection = teacher.space.image
    write_model(arguments.out, config, projection, text, template=TEMPLATE, center=True)
    for path in sorted(arguments.out.iterdir()):
        print(hashlib.sha256(path.read_bytes()).hexdigest()[:16], path.stat().st_size, path.name)


if __name__ == "__main__":
    main()
