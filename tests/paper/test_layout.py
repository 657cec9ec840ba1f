"""Each of the ten sets, from small archives in its original format to train/ and test/."""

from __future__ import annotations

import csv
import itertools
import json
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from studio.errors import FolderError, StudioError
from studio.images.folder import read_aliases, read_class_names, scan, truth
from studio.locks import FileLock
from studio.paper import sets
from studio.paper.archives import members
from studio.paper.layout import folder_names
from studio.paper.prepare import prepare

# Images for training and for test: with CoOp's file, and by CoOp's rule without it.
WITH_SPLIT = {
    "flowers102": (816, 102), "dtd": (16, 2), "ucf101": (18, 4), "food101": (16, 2),
    "stanfordcars": (18, 6), "caltech101": (24, 3), "oxfordpets": (18, 4), "eurosat": (24, 3),
}  # fmt: skip
WITHOUT = {
    "flowers102": (510, 306), "dtd": (10, 6), "ucf101": (16, 4), "food101": (10, 6),
    "stanfordcars": (16, 6), "caltech101": (15, 9), "oxfordpets": (16, 4), "eurosat": (15, 9),
}  # fmt: skip
PUBLISHED = {"fgvcaircraft": (4, 4), "cifar100n": (6, 3)}


def found(root: Path, small: Any) -> dict[str, str]:
    """Key to part, of all images on disk; each must be byte for byte what its publisher has, under
    the folder of its class.
    """
    folders = folder_names(small.names)
    parts: dict[str, str] = {}
    for path in (path for path in root.rglob("*") if path.suffix in (".jpg", ".png")):
        part, folder, name = path.relative_to(root).parts
        keys = [
            key
            for key, (label, data) in small.images.items()
            if folders[label] == folder and key.endswith(name) and same(path, data)
        ]
        assert len(keys) == 1, path
        assert keys[0] not in parts
        parts[keys[0]] = part
    return parts


def same(path: Path, data: bytes) -> bool:
    if path.suffix == ".jpg":
        return path.read_bytes() == data
    with Image.open(path) as image:  # CIFAR: 3 planes of 32 x 32
        return np.asarray(image).transpose(2, 0, 1).tobytes() == data


@pytest.mark.parametrize("name", WITH_SPLIT)
def test_coops_file_says_what_is_train_and_test(
    serve: Callable[..., Any], site: Any, folder: Path, name: str
) -> None:
    train, test = WITH_SPLIT[name]
    served = serve(name, train=train, test=test)
    if name == "stanfordcars":
        bring(served, folder)
    there = prepare(served.data, folder)
    split = json.loads(served.small.split())
    expected = {key: part for part in ("train", "test") for key, _, _ in split[part]}
    assert found(there.root, served.small) == expected
    assert there.split == "coop"
    # What only the rule needs is not fetched.
    assert not {asked for asked, _ in site.asked} & {
        file.name for file in served.data.downloads if file.need == "derive"
    }


@pytest.mark.parametrize("name", WITHOUT)
def test_without_it_coops_rule_divides(
    serve: Callable[..., Any], folder: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    train, test = WITHOUT[name]
    served = serve(name, train=train, test=test, split=False)
    if name == "stanfordcars":
        bring(served, folder)
    there = prepare(served.data, folder)
    small = served.small
    parts = found(there.root, small)
    assert Counter(parts.values()) == {"train": train, "test": test}
    # Published test images are the test images, and no other image is.
    fixed = {key for key, part in small.parts.items() if part == "test"}
    if fixed:
        assert {key for key, part in parts.items() if part == "test"} == fixed
    # As many of each class.
    each = Counter((part, small.images[key][0]) for key, part in parts.items())
    assert set(each.values()) == {train // len(small.names), test // len(small.names)}
    assert there.split == "derived"
    assert "other images than the paper's" in capsys.readouterr().err


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_parts_are_taken_as_they_are(
    serve: Callable[..., Any], folder: Path, name: str
) -> None:
    train, test = PUBLISHED[name]
    served = serve(name, train=train, test=test)
    there = prepare(served.data, folder)
    expected = {key: part for key, part in served.small.parts.items() if part != "val"}
    assert found(there.root, served.small) == expected
    assert there.split == "published"


@pytest.mark.parametrize("name", [*WITH_SPLIT, *PUBLISHED])
def test_the_studio_reads_every_class_off_the_folders(
    serve: Callable[..., Any], folder: Path, name: str
) -> None:
    train, test = (WITH_SPLIT | PUBLISHED)[name]
    served = serve(name, train=train, test=test)
    if name == "stanfordcars":
        bring(served, folder)
    root = prepare(served.data, folder).root
    names = read_class_names(root / "classes.txt")
    assert names == [name.replace("_", " ") for name in served.small.names]
    for part in ("train", "test"):
        labels = truth(scan(root / part), names, aliases=read_aliases(root / "classes.txt"))
        assert labels is not None
        assert sorted(set(labels.tolist())) == list(range(len(names)))


def bring(served: Any, folder: Path) -> None:
    """What nobody serves is brought by hand."""
    downloads = folder / "downloads" / served.data.name
    downloads.mkdir(parents=True, exist_ok=True)
    for file in served.data.downloads:
        if not file.url:
            (downloads / file.name).write_bytes(served.small.files[file.name])


def test_size_licence_and_source_are_said_before_anything_is_asked_for(
    serve: Callable[..., Any], site: Any, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    served = serve("eurosat", train=24, test=3)
    site.status["EuroSAT.zip"] = 404
    with pytest.raises(StudioError, match=r"is gone.*put it at .*EuroSAT\.zip"):
        prepare(served.data, folder)
    told = capsys.readouterr().err
    assert "licence  MIT; Copernicus Sentinel data" in told
    assert "size     " in told
    assert site.url("EuroSAT.zip") in told


def test_cars_have_to_be_brought_and_the_original_archives_will_do(
    serve: Callable[..., Any], folder: Path
) -> None:
    served = serve("stanfordcars", train=18, test=6)
    downloads = folder / "downloads" / "stanfordcars"
    with pytest.raises(StudioError, match=r"by hand from https://www\.kaggle\.com") as told:
        prepare(served.data, folder)
    assert str(downloads / "stanford-cars-dataset.zip") in str(told.value)
    for key, (_, data) in served.small.images.items():  # unpacked, as the originals are
        path = downloads / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    there = prepare(served.data, folder)
    assert len(found(there.root, served.small)) == 24


def test_a_set_that_is_there_is_left_alone(
    serve: Callable[..., Any], site: Any, folder: Path
) -> None:
    served = serve("dtd", train=16, test=2)
    root = prepare(served.data, folder).root
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    asked = len(site.asked)
    prepare(served.data, folder)
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before
    assert len(site.asked) == asked


def test_a_split_file_brought_later_counts(serve: Callable[..., Any], folder: Path) -> None:
    served = serve("dtd", train=10, test=6, split=False)
    assert prepare(served.data, folder).split == "derived"
    brought = folder / "downloads" / "dtd" / "split_zhou_DescribableTextures.json"
    brought.write_bytes(served.small.split())
    there = prepare(replace(served.data, train=16, test=2), folder)
    assert there.split == "coop"
    split = json.loads(served.small.split())
    assert set(found(there.root, served.small)) == {
        key for part in ("train", "test") for key, _, _ in split[part]
    }


def test_human_labels_of_cifar_stand_beside_the_images(
    serve: Callable[..., Any], folder: Path
) -> None:
    served = serve("cifar100n", train=6, test=3)
    root = prepare(served.data, folder).root
    with (root / "noisy_labels.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names = ["apple", "aquarium fish", "maple tree"]
    assert [row["label"] for row in rows] == [names[label] for label in (2, 0, 1, 1, 2, 0)]
    assert all((root / "train" / row["path"]).is_file() for row in rows)
    assert rows[0]["path"] == "maple_tree/00000.png"  # under its true class


@pytest.mark.parametrize(
    ("break_it", "told"),
    [
        (lambda zipped: zipped[: len(zipped) // 2], r"EuroSAT\.zip cannot be read"),
        (lambda zipped: zipped.replace(b"\xff\xd8", b"\xff\xd9", 1), "EuroSAT.zip cannot be read"),
    ],
)
def test_a_damaged_archive_is_named_and_nothing_half_done_stays(
    serve: Callable[..., Any], folder: Path, break_it: Callable[[bytes], bytes], told: str
) -> None:
    served = serve("eurosat", train=24, test=3)
    file = replace(served.data.downloads[0], checksum="")
    data = replace(served.data, downloads=(file, *served.data.downloads[1:]))
    downloads = folder / "downloads" / "eurosat"
    downloads.mkdir(parents=True)
    (downloads / file.name).write_bytes(break_it(served.small.files[file.name]))
    with pytest.raises(FolderError, match=told):
        prepare(data, folder)
    assert [path.name for path in folder.iterdir()] == ["downloads"]


def test_an_archive_without_some_images_is_not_the_published_one(
    serve: Callable[..., Any], folder: Path
) -> None:
    served = serve("eurosat", train=24, test=3)
    split = json.loads(served.small.split())
    split["train"][0][0] = "AnnualCrop/AnnualCrop_9999.jpg"
    downloads = folder / "downloads" / "eurosat"
    downloads.mkdir(parents=True)
    (downloads / "split_zhou_EuroSAT.json").write_text(json.dumps(split))
    with pytest.raises(FolderError, match=r"1 of the 27 images .*/AnnualCrop_9999\.jpg for one"):
        prepare(served.data, folder)
    assert not (folder / "eurosat").exists()


def test_another_number_of_images_is_another_set(serve: Callable[..., Any], folder: Path) -> None:
    served = serve("fgvcaircraft", train=5, test=4)
    with pytest.raises(FolderError, match=r"2 classes and 5 and 4 images .* have 2, 4 and 4"):
        prepare(served.data, folder)


@pytest.mark.parametrize(
    "text",
    [
        "no json", "[]", '{"train": []}', '{"train": [["a.jpg", 0]], "val": [], "test": []}',
        '{"train": [["a.jpg", 0, "a"], ["b.jpg", 0, "b"]], "val": [], "test": []}',
        '{"train": [["a.jpg", 1, "a"]], "val": [], "test": []}',
        '{"train": [[5, 0, "a"]], "val": [], "test": []}',
    ],
)  # fmt: skip
def test_a_split_file_that_is_none(serve: Callable[..., Any], folder: Path, text: str) -> None:
    served = serve("dtd", train=16, test=2)
    downloads = folder / "downloads" / "dtd"
    downloads.mkdir(parents=True)
    (downloads / "split_zhou_DescribableTextures.json").write_text(text)
    with pytest.raises(FolderError, match=r"DescribableTextures\.json is not a split file of CoOp"):
        prepare(served.data, folder)


def test_a_list_that_is_missing_is_named(serve: Callable[..., Any], folder: Path) -> None:
    served = serve("fgvcaircraft", train=4, test=4)
    downloads = folder / "downloads" / "fgvcaircraft"
    for key, (_, data) in served.small.images.items():
        path = downloads / "images" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    with pytest.raises(FolderError, match=r"variants\.txt is missing from the downloads"):
        prepare(served.data, folder)


def test_paths_in_archives_and_split_files_mean_nothing(
    serve: Callable[..., Any], site: Any, folder: Path, tmp_path: Path
) -> None:
    """A name is only ever looked up; what is written gets a name of ours."""
    served = serve("eurosat", train=3, test=3)
    names = ["../../evil", "/etc/evil", "Forest"]
    keys = {
        part: [f"{part}/x\\..\\..\\{part}{n}.jpg" for n in range(3)]
        for part in ("train", "val", "test")
    }
    items = {
        part: [[key, label, names[label]] for label, key in enumerate(own)]
        for part, own in keys.items()
    }
    downloads = folder / "downloads" / "eurosat"
    downloads.mkdir(parents=True)
    (downloads / "split_zhou_EuroSAT.json").write_text(json.dumps(items))
    with zipfile.ZipFile(downloads / "EuroSAT.zip", "w") as archive:
        for key in itertools.chain(*keys.values()):
            archive.writestr(f"2750/{key}", b"x")
    data = replace(
        served.data,
        downloads=(replace(served.data.downloads[0], checksum=""), *served.data.downloads[1:]),
    )
    before = set(tmp_path.iterdir())
    root = prepare(data, folder).root
    assert set(tmp_path.iterdir()) == before | {folder}
    inside = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.jpg"))
    assert inside == [
        f"{part}/{name}/x_.._.._{part}{n}.jpg"
        for part in ("test", "train")
        for name, n in (("Forest", 2), ("etc_evil", 1), ("evil", 0))
    ]


def test_members_that_lead_out_of_an_archive_are_passed_over(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for name in ("2750/../../evil.jpg", "a/.hidden.jpg", "__MACOSX/a.jpg", "./a/b.jpg"):
            archive.writestr(name, name)
    assert [(name, read()) for name, read in members(tmp_path)] == [("./a/b.jpg", b"./a/b.jpg")]


def test_two_commands_do_not_lay_out_one_set_at_once(
    serve: Callable[..., Any], folder: Path
) -> None:
    served = serve("dtd", train=16, test=2)
    downloads = folder / "downloads" / "dtd"
    downloads.mkdir(parents=True)
    lock = FileLock(downloads / ".lock")
    assert lock.acquire()
    with pytest.raises(StudioError, match="Another process is at work"):
        prepare(served.data, folder)
    lock.release()
    assert prepare(served.data, folder).split == "coop"


def test_folder_names_are_plain_and_differ() -> None:
    names = ["colt's foot", "Ram C/V Cargo", "a_b", "a b", "..", "Conv. 16.4"]
    assert folder_names(names) == [
        "colt_s_foot", "Ram_C_V_Cargo", "a_b", "a_b_3", "class_4", "Conv._16.4"
    ]  # fmt: skip


def test_sets_are_found_by_any_spelling() -> None:
    assert sets.paper_set("CIFAR-100-N") is sets.SETS["cifar100n"]
    assert sets.paper_set("Stanford_Cars") is sets.SETS["stanfordcars"]
    with pytest.raises(StudioError, match="no set 'imagenet'; choose one of flowers102, dtd"):
        sets.paper_set("imagenet")
