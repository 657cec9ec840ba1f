"""Labels and out-of-sample probabilities as arrays, for cleanlab and its Datalab."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import IO, TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

import studio
from studio.errors import RunError
from studio.export.entry import Entry, Made, text_of_rows
from studio.export.subject import Subject
from studio.files import read_json
from studio.numbers import count
from studio.runs.checking import CLAIMED_FILE, claimed, read_labels
from studio.runs.table import row_text, safe_name, safe_path

if TYPE_CHECKING:
    from studio.scores.neighbours import Floats
    from studio.scores.out_of_sample import OutOfSample

_HEAD = 128
"""Bytes before the numbers of a .npy file."""
_USUAL_WIDTH = 512
_LOOKED_AT = 2000


def cleanlab(subject: Subject) -> Iterator[Entry]:
    """images.csv, classes.json, labels.npy (n,), pred_probs.npy (n, C) and features.npy (n, d).

    The labels are those that the run was to check, else its own final ones, a person's included.
    The probabilities are those of `scores.out_of_sample`. README.md says all of that.

    Raises:
        StudioError: The images are gone.
        RunError: There is no label to write.
    """
    made = _Arrays(subject)
    indices, names, paths = made.indices, subject.class_names, subject.outcome.paths
    if not indices:
        raise RunError("None of these images has a label; there is nothing for cleanlab.")
    for index in indices[:: -(-len(indices) // _LOOKED_AT)]:
        subject.file(index)  # says which one is gone; of very many images, writing says of the rest
    label_of = dict(zip(indices, made.labels.tolist(), strict=True))

    def rows(chosen: Sequence[int]) -> Iterator[str]:
        yield row_text(("path", "label"))
        for i in chosen:
            yield row_text((safe_path(paths[i]), safe_name(names[label_of[i]])))

    n = len(indices)
    yield Entry("README.md", Made(made.write_readme, about=1800))
    yield Entry("classes.json", json.dumps(list(names), ensure_ascii=False).encode())
    yield text_of_rows("images.csv", rows, indices, begin=subject.begin)
    yield Entry("labels.npy", Made(made.write_labels, about=_HEAD + 8 * n, exact=True))
    size = _HEAD + 4 * n * len(names)
    yield Entry("pred_probs.npy", Made(made.write_probabilities, about=size, exact=True))
    yield Entry("features.npy", Made(made.write_features, about=_HEAD + 4 * n * _width(subject)))


def _width(subject: Subject) -> int:
    """Numbers of a feature, about, for telling a size: the model itself need not be loaded."""
    meta = read_json(subject.run.path / "model" / "model.json")
    config = meta.get("open_clip") if isinstance(meta, dict) else None
    width = config.get("embed_dim") if isinstance(config, dict) else None
    return width if isinstance(width, int) else _USUAL_WIDTH


class _Arrays:
    """What the files hold; what takes time is worked out when the first of them is written.

    indices: the n images that have a label, by number; labels: (n,) classes.
    """

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        checked = _labels_to_check(subject)
        self._what = "the run's final labels" if checked is None else "the labels that came with "
        if checked is not None:
            self._what += "the images, which the run was to check"
        labels = subject.outcome.final_labels if checked is None else checked
        self.indices = [i for i in subject.indices if labels[i] >= 0]
        self.labels = np.asarray(labels[self.indices], np.int64)

    @cached_property
    def features(self) -> Floats:
        """(n, d) of the model before training."""
        from studio.export.seen import seen

        return seen(self._subject).features[self.indices]

    @cached_property
    def found(self) -> OutOfSample:
        """The probabilities, and how they came about."""
        from studio.scores.out_of_sample import out_of_sample

        features = self.features  # first, for it tells of steps of its own
        return out_of_sample(
            features, self.labels, classes=len(self._subject.class_names),
            progress=self._subject.begin("Working out the probabilities"),
        )  # fmt: skip

    def write_labels(self, file: IO[bytes]) -> None:
        """(n,) int64."""
        np.save(file, self.labels, allow_pickle=False)

    def write_probabilities(self, file: IO[bytes]) -> None:
        """(n, C) float32."""
        np.save(file, self.found.probabilities, allow_pickle=False)

    def write_features(self, file: IO[bytes]) -> None:
        """(n, d) float32."""
        np.save(file, self.features, allow_pickle=False)

    def write_readme(self, file: IO[bytes]) -> None:
        """What the files are, how the probabilities came about, and how cleanlab reads them."""
        info, found = self._subject.reader.info, self.found
        text = _README.format(
            name=info.name, version=studio.__version__, run=info.id, model=info.model,
            images=count(len(self.labels)), classes=len(self._subject.class_names),
            what=self._what, parts=found.parts, strength=f"{found.strength:g}",
        )  # fmt: skip
        file.write(text.encode())


_README = """# {name}, for cleanlab

Made by CoFT Studio {version} from run {run}: {images} images, {classes} classes.
Row i of every file is about the image in row i of images.csv.

- `labels.npy` (n,): {what}, as numbers of classes.json.
- `pred_probs.npy` (n, C): out-of-sample probabilities of the classes.
- `features.npy` (n, d): what the model {model} sees in the images, before any training.

Out-of-sample means: no image's own label has had a part in its probabilities. The images are split
at random into {parts} parts, every class spread over all of them. Each part's probabilities come
from a logistic regression that was fitted to the labels of the other parts, on the features above,
which no label has had a part in (scikit-learn, C = {strength}, the one of a few that foretells the
other parts' labels best). They are not the studio's classifier, which was trained on all images at
once. Images that are in the folder more than once may stand in several parts.

```python
import json, numpy
from cleanlab import Datalab

labels, pred_probs = numpy.load("labels.npy"), numpy.load("pred_probs.npy")
names = json.load(open("classes.json"))
order = sorted(range(len(names)), key=names.__getitem__)  # Datalab sorts the names
lab = Datalab({{"label": [names[i] for i in labels]}}, label_name="label")
lab.find_issues(pred_probs=pred_probs[:, order], features=numpy.load("features.npy"))
lab.report()
```

`cleanlab.filter.find_label_issues(labels, pred_probs)` takes the numbers as they are.
"""


def _labels_to_check(subject: Subject) -> NDArray[np.int64] | None:
    """(N,) the labels that the run was to check, with what people said since, -1 = none; None where
    it was to check none.
    """
    file = subject.run.path / CLAIMED_FILE
    if not file.is_file():
        return None
    outcome = subject.outcome
    labels, _ = claimed(
        read_labels(file), paths=outcome.paths, class_names=outcome.class_names,
        aliases=subject.reader.info.aliases, roots=(subject.root,),
    )  # fmt: skip
    said = np.array([
        (one := outcome.corrections.get(path)) is not None and one.by_person
        for path in outcome.paths
    ])  # fmt: skip
    return np.where(said, outcome.final_labels, labels)
