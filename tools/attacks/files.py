"""Class names, split folders, image files, tables and archives as people have them."""

from __future__ import annotations

import csv
import io
import os
import unicodedata
import zipfile
from collections.abc import Iterator
from pathlib import Path

from PIL import Image, PngImagePlugin

from attacks.kind import Kind, Outcome
from studio.errors import StudioError
from studio.images.class_folders import class_folders
from studio.images.class_lists import class_text, parse_classes, read_classes
from studio.images.folder import Folder, nothing_usable, scan
from studio.images.image_names import ImageNames
from studio.images.names import truth
from studio.images.preparing import prepare
from studio.images.uploads import take_uploads
from studio.runs.given_table import read_corrections


def _picture(path: Path, number: int = 0, **options: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("RGB", (64, 48), (number * 37 % 256, number * 91 % 256, number * 53 % 256))
    image.save(path, **options)  # type: ignore[arg-type]


def _folder(root: Path, names: list[str]) -> Folder:
    for c, name in enumerate(names):
        for i in range(2):
            _picture(root / name / f"{i}.jpg", 2 * c + i)
    return scan(root)


_CLASSES = {
    "banknotes": ["5_euro", "10_euro", "20_euro"],
    "doors": ["2_door_car", "4_door_car", "truck"],
    "mixed numbers": ["5_euro", "10_dollar", "truck"],
    "case": ["A", "a", "Polish", "polish"],
    "signs": ["+", "-", "=", "_", "(", ")", "!", ","],
    "signed numbers": ["-1", "1", "+1", "0"],
    "grades": ["A", "A-", "A+"],
    "commas": ["tench, Tinca tinca", "goldfish, Carassius auratus", "drake"],
    "index": ["001.cat", "002.dog", "010.bird"],
    "numbers": ["0", "1", "10"],
    "quotes": ['5"', "5'", '"x"y'],
    "accents": ["Äpfel", "Mo\u0308hren", "苹果"],
    "like a head": ["class", "name", "label"],
}


def names(folder: Path) -> Iterator[Outcome]:
    """As many classes as folders, on the page's list too, and each image with its own."""
    for case, wanted in _CLASSES.items():
        found = _folder(folder / case, wanted)
        classes = class_folders(found, splits="no").classes.names
        again = parse_classes(class_text(classes)).names
        true = truth(found, classes)
        apart = 0 if true is None else len(set(true.tolist()) - {-1})
        held = len(classes) == len(wanted) == apart and again == classes
        yield Outcome(case, held, " | ".join(classes))
    lists = {
        "UTF-16": "Katze\nHündin\n".encode("utf-16"),
        "UTF-16 without a mark": "Katze\nHündin\n".encode("utf-16-le"),
        "a mark of UTF-8": "Katze\r\nHündin\r\n".encode("utf-8-sig"),
        "an old encoding": "Katze\nHündin\n".encode("cp1252"),
        "an index": "0,Katze\n1,Hündin\n".encode(),
        "a head line": "class_name\nKatze\nHündin\n".encode(),
        "a head and an index": "id,name\n0,Katze\n1,Hündin\n".encode(),
        "a list of Python": "['Katze', 'Hündin']".encode(),
    }
    for case, data in lists.items():
        (folder / "names.txt").write_bytes(data)
        found_list = read_classes(folder / "names.txt")
        held = found_list.names == ("Katze", "Hündin")
        yield Outcome(f"a list with {case}", held, " ".join(found_list.notes) or "as it stands")


_SPLITS = {
    "train, test": (["train/cat", "train/dog", "test/cat", "test/dog"], False),
    "Training, Validation": (["Training/cat", "Training/dog", "Validation/cat"], False),
    "train2017, val2017": (["train2017/cat", "val2017/dog"], False),
    "seg_train/seg_train": (
        ["seg_train/seg_train/cat", "seg_test/seg_test/dog", "seg_pred"],
        False,
    ),
    "partly split": (["train/cat", "train/dog", "cat", "dog"], False),
    "fold1, fold2": (["fold1/cat", "fold1/dog", "fold2/cat", "fold2/dog"], False),
    "two cameras": (["camera1/cat", "camera1/dog", "camera2/cat", "camera2/dog"], True),
}


def splits(folder: Path) -> Iterator[Outcome]:
    """The classes are those inside of the parts; where nothing tells, it is asked."""
    for case, (wanted, doubt) in _SPLITS.items():
        found = class_folders(_folder(folder / case, wanted))
        held = set(found.classes.names) == {"cat", "dog"} and found.doubt == doubt
        yield Outcome(case, held, found.sentence)
    for case, wanted in {
        "a class called train": ["train", "bus", "car"],
        "classes with parts": ["cat/train", "cat/test", "dog/train", "dog/test"],
        "stations": ["train_station", "test_track"],
    }.items():
        found = class_folders(_folder(folder / case, wanted))
        outer = {name.split("/")[0].replace("_", " ") for name in wanted}
        yield Outcome(case, set(found.classes.names) == outer, " | ".join(found.classes.names))


def files(folder: Path) -> Iterator[Outcome]:
    """Everything that Pillow opens safely is taken; what is not is called what it is."""
    root = folder / "in"
    for name, options in {
        "a.jfif": {"format": "JPEG"}, "b.jpe": {"format": "JPEG"}, "c.jif": {"format": "JPEG"},
        "no_ending": {"format": "JPEG"}, "d.jpg_large": {"format": "PNG"}, "e.avif": {},
        "f.jpg": {"format": "AVIF"}, "g.ppm": {}, "h.jp2": {}, "i.tga": {},
        "j.mpo": {"format": "MPO"}, "k.jpg": {"icc_profile": os.urandom(4 << 20)},
    }.items():  # fmt: skip
        _picture(root / name, len(name), **options)
    for kind in ("tEXt", "zTXt", "iTXt"):
        info = PngImagePlugin.PngInfo()
        add = info.add_itxt if kind == "iTXt" else info.add_text
        add("long", "x" * (3 << 20), zip=kind != "tEXt")  # type: ignore[operator]
        _picture(root / f"{kind}.png", 3, pnginfo=info)
    Image.new("L", (12000, 9000), 120).save(root / "108_megapixels.jpg", quality=20)
    Image.new("L", (16320, 12240), 90).save(root / "200_megapixels.jpg", quality=20)
    wanted = {path.name for path in root.iterdir()}
    for name in ("Thumbs.db", ".DS_Store", "a.xml", "b.csv", "c.txt", "d.json", "README"):
        (root / name).write_bytes(b"no picture")
    (root / "__MACOSX").mkdir(exist_ok=True)
    (root / "l.jxl").write_bytes(b"\xff\x0a" + bytes(64))
    read, _ = prepare(root, cache_dir=folder / "cache")
    taken = {image.path for image in read.images}
    for name in sorted(wanted):
        yield Outcome(name, name in taken, "read" if name in taken else "refused")
    refused = {item.path: item.detail for item in read.refused}
    yield Outcome("what is no image", set(refused) == {"l.jxl"}, f"{read.others} left alone")
    yield Outcome("JPEG XL", "JPEG XL" in refused.get("l.jxl", ""), refused.get("l.jxl", ""))


def links(folder: Path) -> Iterator[Outcome]:
    """Links out of the folder: refused by name, followed when asked, and loops end."""
    for i in range(6):
        _picture(folder / "store" / f"{i}", i, format="JPEG")
    root = folder / "in"
    root.mkdir(exist_ok=True)
    for i in range(6):
        (root / f"{i}.jpg").symlink_to(folder / "store" / str(i))
    said = str(nothing_usable(scan(root)))
    yield Outcome("6 links", "6 images, all links out of the folder" in said, said)
    found = scan(root, follow_links=True)
    yield Outcome("followed", len(found.images) == 6, f"{len(found.images)} images")
    (root / "all").symlink_to(folder / "store")
    (root / "loop").symlink_to(folder)
    (folder / "store" / "self").symlink_to(folder / "store")
    (folder / "store" / "back").symlink_to(root)
    found = scan(root, follow_links=True)
    yield Outcome("loops", len(found.images) == 12, f"ends with {len(found.images)} images")


def tables(folder: Path) -> Iterator[Outcome]:
    """One image has one name; rows that contradict each other are listed with their lines."""
    _folder(folder / "Bilder", ["cat", "Äpfel"])
    root = folder / "Bilder"
    images = ImageNames((image.path for image in scan(root).images), roots=[root])
    ways = {
        "as it is": "{}", "./": "./{}", "the folder's name": "Bilder/{}",
        "absolute": f"{root}/{{}}", "another machine": "C:\\data\\Bilder\\{}",
    }  # fmt: skip
    for case, way in ways.items():
        for form in ("NFC", "NFD"):
            with open(folder / "labels.csv", "w", newline="", encoding="utf-8") as file:
                rows = csv.writer(file)
                rows.writerow(("file_name", "label"))
                for name in ("cat/0.jpg", "Äpfel/1.jpg"):
                    rows.writerow((way.format(unicodedata.normalize(form, name)), "cat"))
            found = read_corrections(folder / "labels.csv", images=images)
            held = set(found) == {"cat/0.jpg", "Äpfel/1.jpg"}
            yield Outcome(f"{case}, {form}", held, ", ".join(found))
    (folder / "labels.csv").write_text("path,label\ncat/0.jpg,cat\n./cat/0.jpg,dog\n")
    try:
        read_corrections(folder / "labels.csv", images=images)
        said = "taken without a word"
    except StudioError as error:
        said = str(error)
    yield Outcome("a contradiction", "(line 2)" in said and "(line 3)" in said, said)


def archives(folder: Path) -> Iterator[Outcome]:
    """Names in zips that do not say their encoding."""
    content = io.BytesIO()
    Image.new("RGB", (8, 8)).save(content, "JPEG")
    for encoding, words in {
        "utf-8": ["Äpfel", "Möhren", "苹果"], "gbk": ["苹果", "香蕉"], "cp932": ["りんご", "写真"],
        "big5": ["蘋果", "腳踏車"], "cp949": ["사과", "고양이"], "cp437": ["Äpfel", "Möhren"],
        "cp866": ["яблоко", "груша"], "cp1251": ["яблоко", "груша"],
    }.items():  # fmt: skip
        path, told = folder / f"{encoding}.zip", list[str]()
        raw = [f"{word}/1.jpg".encode(encoding) for word in words]
        stand_ins = [f"{i:03d}".ljust(len(name), "q") for i, name in enumerate(raw)]
        with zipfile.ZipFile(path, "w") as archive:
            for name in stand_ins:
                archive.writestr(name, content.getvalue())
        data = path.read_bytes()
        for name, real in zip(stand_ins, raw, strict=True):
            data = data.replace(name.encode(), real)
        path.write_bytes(data)
        taken = take_uploads([str(path)], folder / "uploads", tell=told.append)
        found = {place.name for place in taken.iterdir()}
        held = found == set(words) and bool(told) == (encoding != "utf-8")
        yield Outcome(encoding, held, " ".join(told) or "as it is")


KINDS = [
    Kind("names", "class names that look alike, and lists of other tools", names),
    Kind("splits", "folders that split a set, and such as only look so", splits),
    Kind("images", "image files of all kinds, large ones and what is no image", files),
    Kind("links", "links out of the folder, and loops", links),
    Kind("tables", "names of images in tables", tables),
    Kind("archives", "names inside zips", archives),
]
