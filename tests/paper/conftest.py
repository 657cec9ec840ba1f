"""A site on this machine that can misbehave, and small data sets in their publishers' formats."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import struct
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from studio.paper import sets
from studio.paper.model import PaperSet


@dataclass
class Site:
    """What is served, and how badly.

    cut: so many bytes of an answer, then the connection ends; status: instead of a file.
    asked: (name, Range header) of every request; sent: bytes of files that went out.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    cut: dict[str, int] = field(default_factory=dict)
    status: dict[str, int] = field(default_factory=dict)
    page: set[str] = field(default_factory=set)
    ranges: bool = True
    asked: list[tuple[str, str]] = field(default_factory=list)
    sent: int = 0
    address: str = ""

    def url(self, name: str) -> str:
        return f"{self.address}/{name}"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        name, wanted = request.path.lstrip("/"), request.headers.get("Range", "")
        self.asked.append((name, wanted))
        if name not in self.files or name in self.status:
            request.send_error(self.status.get(name, 404))
            return
        data = self.files[name]
        tag = f'"{hashlib.md5(data).hexdigest()}"'
        start = 0
        if wanted and self.ranges and request.headers.get("If-Range") == tag:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            if start >= len(data):
                request.send_error(416)
                return
            request.send_response(206)
            request.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        else:
            request.send_response(200)
        request.send_header("ETag", tag)
        request.send_header("Content-Length", str(len(data) - start))
        kind = "text/html" if name in self.page else "application/octet-stream"
        request.send_header("Content-Type", kind)
        request.end_headers()
        body = data[start:][: self.cut.get(name, len(data))]
        request.wfile.write(body)
        self.sent += len(body)
        request.close_connection = True


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.answer(self)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    site.address = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield site
    server.shutdown()
    server.server_close()


def picture(name: str) -> bytes:
    """A small JPEG, another one for each name."""
    shade = hashlib.md5(name.encode()).digest()
    file = io.BytesIO()
    Image.new("RGB", (24, 20), tuple(shade[:3])).save(file, "JPEG", comment=name.encode())
    return file.getvalue()


def tar(files: Mapping[str, bytes]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return file.getvalue()


def zipped(files: Mapping[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return file.getvalue()


def matlab(**values: Any) -> bytes:
    from scipy.io import savemat

    file = io.BytesIO()
    savemat(file, values)
    return file.getvalue()


@dataclass
class Small:
    """A small data set: what is served, and what has to come of it.

    names: class names in order; images: key to (label, bytes); parts: key to part, of the keys
    whose part the publisher or the split file fixes.
    """

    files: dict[str, bytes]
    names: list[str]
    images: dict[str, tuple[int, bytes]]
    parts: dict[str, str] = field(default_factory=dict)

    def split(self) -> bytes:
        """CoOp's file for it: where test is published it stays, else the last image of each class
        is test; the last of the others is val.
        """
        found: dict[str, list[tuple[str, int, str]]] = {"train": [], "val": [], "test": []}
        for label, name in enumerate(self.names):
            own = [key for key, (its, _) in self.images.items() if its == label]
            test = [key for key in own if self.parts.get(key) == "test"] or own[-1:]
            *train, val = (key for key in own if key not in test)
            for part, keys in (("train", train), ("val", [val]), ("test", test)):
                found[part] += [(key, label, name) for key in keys]
        return json.dumps(found).encode()


def _folders(
    classes: list[str], top: str, *, each: int = 10, renamed: Mapping[str, str] | None = None
) -> tuple[dict[str, bytes], list[str], dict[str, tuple[int, bytes]]]:
    images = {}
    for label, folder in enumerate(classes):
        for number in range(1, each + 1):
            key = f"{folder}/{folder}_{number:04d}.jpg"
            images[key] = (label, picture(key))
    files = {f"{top}/{key}": data for key, (_, data) in images.items()}
    return files, [(renamed or {}).get(name, name) for name in classes], images


def dtd() -> Small:
    files, names, images = _folders(["banded", "zigzagged"], "dtd/images")
    files |= {"dtd/labels/train1.txt": b"banded/banded_0001.jpg\n", "dtd/images/._x.jpg": b"mac"}
    return Small({"dtd-r1.0.1.tar.gz": tar(files)}, names, images)


def food101() -> Small:
    files, names, images = _folders(["apple_pie", "waffles"], "food-101/images")
    files["food-101/meta/train.json"] = b"{}"
    return Small({"food-101.tar.gz": tar(files)}, names, images)


def eurosat() -> Small:
    names = {"AnnualCrop": "Annual Crop Land", "Forest": "Forest", "SeaLake": "Sea or Lake"}
    files, names_, images = _folders(list(names), "2750", renamed=names)
    return Small({"EuroSAT.zip": zipped(files)}, names_, images)


def caltech101() -> Small:
    names = {"Faces": "face", "accordion": "accordion", "airplanes": "airplane"}
    files, names_, images = _folders(list(names), "101_ObjectCategories", renamed=names)
    others, _, _ = _folders(["BACKGROUND_Google", "Faces_easy"], "101_ObjectCategories")
    inner = tar({**files, **others})
    outer = {
        "caltech-101/101_ObjectCategories.tar.gz": inner,
        "caltech-101/Annotations.tar": tar({"Annotations/x.mat": b"x"}),
        "__MACOSX/caltech-101/._101_ObjectCategories.tar.gz": b"no archive",
    }
    return Small({"caltech-101.zip": zipped(outer)}, names_, images)


def flowers102() -> Small:
    from torchvision.datasets import Flowers102

    labels = [n % 102 for n in range(1020)]  # in no order of classes
    images = {
        f"image_{n:05d}.jpg": (label, picture(f"flower {n}")) for n, label in enumerate(labels, 1)
    }
    names = [str(name).rstrip("?") for name in Flowers102.classes]
    assert names[59] == "pink-yellow dahlia"
    return Small(
        {
            "102flowers.tgz": tar({f"jpg/{key}": data for key, (_, data) in images.items()}),
            "imagelabels.mat": matlab(labels=np.array([[label + 1 for label in labels]])),
        },
        names,
        images,
    )


def oxfordpets() -> Small:
    images, lists, parts = {}, {"trainval": ["# a comment"], "test": []}, {}
    for label, breed in enumerate(["Abyssinian", "yorkshire_terrier"]):
        for number in range(1, 13):
            part = "trainval" if number <= 10 else "test"
            key = f"{breed}_{number}.jpg"
            images[key] = (label, picture(key))
            lists[part].append(f"{breed}_{number} {label + 1} 1 1")
            if part == "test":
                parts[key] = "test"
    return Small(
        {
            "images.tar.gz": tar({f"images/{key}": data for key, (_, data) in images.items()}),
            "annotations.tar.gz": tar(
                {
                    f"annotations/{part}.txt": "\n".join(rows).encode()
                    for part, rows in lists.items()
                }
            ),
        },
        ["abyssinian", "yorkshire_terrier"],
        images,
        parts,
    )


def stanfordcars() -> Small:
    names = ["AM General Hummer SUV 2000", "Ram C/V Cargo Van Minivan 2012"]
    images: dict[str, tuple[int, bytes]] = {}
    parts, rows = {}, {"cars_train": [], "cars_test": []}
    for folder, each in (("cars_train", 10), ("cars_test", 3)):
        for number in range(2 * each):
            key = f"{folder}/{number + 1:05d}.jpg"
            images[key] = (number % 2, picture(key))
            rows[folder].append((1, number % 2 + 1, f"{number + 1:05d}.jpg"))
            if folder == "cars_test":
                parts[key] = "test"
    kind = [("bbox_x1", object), ("class", object), ("fname", object)]
    annotations = {
        folder: matlab(annotations=np.array([own], dtype=kind)) for folder, own in rows.items()
    }
    meta = np.empty((1, 2), dtype=object)
    meta[0, :] = names
    kaggle = {f"{key.split('/')[0]}/{key}": data for key, (_, data) in images.items()}
    return Small(
        {
            "stanford-cars-dataset.zip": zipped(kaggle),
            "car_devkit.tgz": tar(
                {
                    "devkit/cars_meta.mat": matlab(class_names=meta),
                    "devkit/cars_train_annos.mat": annotations["cars_train"],
                }
            ),
            "cars_test_annos_withlabels.mat": annotations["cars_test"],
        },
        ["2000 AM General Hummer SUV", "2012 Ram C/V Cargo Van Minivan"],
        images,
        parts,
    )


def fgvcaircraft() -> Small:
    names = ["707-320", "F/A-18"]
    images, parts = {}, {}
    lists: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    for number in range(12):
        part = ("train", "val", "test")[number % 3]
        key = f"{number:07d}.jpg"
        images[key] = (number % 2, picture(key))
        parts[key] = part
        lists[part].append(f"{number:07d} {names[number % 2]}")
    top = "fgvc-aircraft-2013b/data"
    files = {f"{top}/images/{key}": data for key, (_, data) in images.items()}
    files[f"{top}/variants.txt"] = "\n".join(names).encode()
    files |= {
        f"{top}/images_variant_{part}.txt": "\n".join(rows).encode() for part, rows in lists.items()
    }
    return Small({"fgvc-aircraft-2013b.tar.gz": tar(files)}, names, images, parts)


def ucf101() -> Small:
    actions = {"ApplyEyeMakeup": "Apply_Eye_Makeup", "YoYo": "Yo_Yo"}
    images, parts, lists = {}, {}, {"train": [], "test": []}
    for label, (action, folder) in enumerate(actions.items()):
        for number in range(1, 13):
            part = "train" if number <= 10 else "test"
            key = f"{folder}/v_{action}_g{number:02d}_c01.jpg"
            images[key] = (label, picture(key))
            line = f"{action}/v_{action}_g{number:02d}_c01.avi"
            lists[part].append(f"{line} {label + 1}" if part == "train" else line)
            if part == "test":
                parts[key] = "test"
    index = "".join(f"{n} {action}\r\n" for n, action in enumerate(actions, 1))
    return Small(
        {
            "UCF-101-midframes.zip": zipped(
                {f"UCF-101-midframes/{key}": data for key, (_, data) in images.items()}
            ),
            "UCF101TrainTestSplits-RecognitionTask.zip": zipped(
                {
                    "ucfTrainTestlist/classInd.txt": index.encode(),
                    "ucfTrainTestlist/trainlist01.txt": "\r\n".join(lists["train"]).encode(),
                    "ucfTrainTestlist/testlist01.txt": "\r\n".join(lists["test"]).encode(),
                    "ucfTrainTestlist/testlist02.txt": b"YoYo/v_YoYo_g01_c01.avi",
                }
            ),
        },
        list(actions.values()),
        images,
        parts,
    )


def _python2_array(array: np.ndarray) -> bytes:
    """As Python 2 pickled it, in which CIFAR-100 was published: bytes are strings."""
    rows, columns = array.shape
    return b"".join(
        [
            b"cnumpy.core.multiarray\n_reconstruct\n",
            b"cnumpy\nndarray\n", b"K\x00\x85U\x01b\x87R",
            b"(K\x01M", struct.pack("<H", rows), b"M", struct.pack("<H", columns), b"\x86",
            b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R",
            b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb",
            b"\x89T", struct.pack("<I", array.nbytes), array.tobytes(), b"tb",
        ]
    )  # fmt: skip


def _python2_batch(pixels: np.ndarray, labels: list[int]) -> bytes:
    numbers = b"".join(b"K" + bytes([label]) for label in labels)
    return (
        b"\x80\x02}(U\x04data" + _python2_array(pixels)
        + b"U\x0bfine_labels](" + numbers + b"eU\x0bbatch_labelU\x03onou."
    )  # fmt: skip


def cifar100n() -> Small:
    import torch

    names = ["apple", "aquarium_fish", "maple_tree"]
    rng = np.random.default_rng(0)
    pixels = {part: rng.integers(0, 256, (n, 3072), np.uint8) for part, n in
              (("train", 6), ("test", 3))}  # fmt: skip
    truth = {"train": [2, 0, 1, 0, 2, 1], "test": [0, 1, 2]}
    human = {
        "clean_label": np.array(truth["train"]),
        "noisy_label": np.array([2, 0, 1, 1, 2, 0]),
        "noisy_coarse_label": [0] * 6,
    }
    file = io.BytesIO()
    torch.save(human, file)
    batches = {
        f"cifar-100-python/{part}": _python2_batch(pixels[part], truth[part]) for part in pixels
    }
    meta = pickle.dumps({"fine_label_names": names, "coarse_label_names": ["x"]}, protocol=2)
    images, parts = {}, {}
    for part in pixels:
        for number, label in enumerate(truth[part]):
            images[f"{part}/{number:05d}.png"] = (label, pixels[part][number].tobytes())
            parts[f"{part}/{number:05d}.png"] = part
    return Small(
        {
            "cifar-100-python.tar.gz": tar({**batches, "cifar-100-python/meta": meta}),
            "CIFAR-100_human.pt": file.getvalue(),
        },
        names,
        images,
        parts,
    )


BUILDERS: dict[str, Callable[[], Small]] = {
    build.__name__: build
    for build in (
        flowers102, dtd, ucf101, food101, stanfordcars, fgvcaircraft, caltech101, oxfordpets,
        eurosat, cifar100n,
    )
}  # fmt: skip


@dataclass
class Served:
    """A small set whose downloads are on the site."""

    data: PaperSet
    small: Small


@pytest.fixture
def serve(site: Site, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Served]:
    """Puts a small set on the site and into the registry.

    split: whether CoOp's file is there; train and test have to be what the protocol makes of it.
    """

    def serve(name: str, *, train: int, test: int, split: bool = True) -> Served:
        small = BUILDERS[name]()
        real = sets.SETS[name]
        files = dict(small.files)
        if split and real.split_file:
            files[real.split_file.name] = small.split()
        downloads = []
        for file in real.downloads:
            content = files.get(file.name)
            if content is not None and file.url:
                site.files[file.name] = content
            checksum = "" if content is None else f"sha256:{hashlib.sha256(content).hexdigest()}"
            url = file.url and site.url(file.name)
            downloads.append(replace(file, url=url, bytes=len(content or b""), checksum=checksum))
        data = replace(
            real, downloads=tuple(downloads), classes=len(small.names), train=train, test=test
        )
        monkeypatch.setitem(sets.SETS, name, data)
        return Served(data, small)

    return serve


@pytest.fixture
def download(site: Site) -> Callable[..., Any]:
    """A download of bytes that the site serves as `thing.zip`."""
    from studio.paper.model import Download

    def make(content: bytes, **more: Any) -> Download:
        site.files["thing.zip"] = content
        kept = {"checksum": f"md5:{hashlib.md5(content).hexdigest()}", "page": "http://page"} | more
        return Download("thing.zip", site.url("thing.zip"), len(content), **kept)

    return make


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"
