from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from studio.errors import FolderError
from studio.images import kinds, walking
from studio.images.folder import (
    Folder,
    ImageFile,
    nothing_usable,
    parse_aliases,
    parse_class_names,
    propose_class_names,
    read_aliases,
    read_class_names,
    scan,
    truth,
)


def put(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (2, 2)).save(root / name, format="PNG")


def paths(folder: Folder) -> list[str]:
    return [image.path for image in folder.images]


def reasons(folder: Folder) -> dict[str, str]:
    return {item.path: item.reason for item in folder.refused}


def listed(*names: str) -> Folder:
    return Folder(Path("/pictures"), tuple(ImageFile(name, 1, 1) for name in names), ())


# --- scan ---------------------------------------------------------------------------------------


def test_any_nesting_in_natural_order(tmp_path: Path):
    put(tmp_path, "b/10.png", "b/9.png", "C/x/y/z/1.JPG", "a2.jpeg", "a10.tiff", "ä/c.webp")
    assert paths(scan(tmp_path)) == [
        "a2.jpeg", "a10.tiff", "b/9.png", "b/10.png", "C/x/y/z/1.JPG", "ä/c.webp",
    ]  # fmt: skip


def test_files_carry_size_and_time(tmp_path: Path):
    put(tmp_path, "a.png")
    os.utime(tmp_path / "a.png", ns=(5, 1_000_000_007))
    [image] = scan(tmp_path).images
    assert image == ImageFile("a.png", (tmp_path / "a.png").stat().st_size, 1_000_000_007)


def test_hidden_and_system_files_are_passed_over(tmp_path: Path):
    put(
        tmp_path, "a.png", ".hidden.jpg", ".ipynb_checkpoints/a.png", "__MACOSX/a.png", ".git/b.png"
    )
    put(tmp_path, ".DS_Store")
    folder = scan(tmp_path)
    assert (paths(folder), folder.refused, folder.others) == (["a.png"], (), 0)


def test_what_is_no_image_is_counted_and_not_refused(tmp_path: Path):
    names = ("Thumbs.db", "a.pdf", "a.txt", "a.xml", "a.csv", "a.json", "a.mat", "README", "a.xyz")
    for name in names:
        (tmp_path / name).write_text("x")
    (tmp_path / "b.txt").symlink_to("/etc/hostname")
    (tmp_path / "c.json").symlink_to("gone")
    folder = scan(tmp_path)
    assert (folder.images, folder.refused, folder.others) == ((), (), len(names) + 2)
    with pytest.raises(FolderError, match=r"no image .* only 11 files of other kinds"):
        raise nothing_usable(folder)


def test_the_first_bytes_tell_where_the_ending_does_not(tmp_path: Path):
    names = ["photo", "photo.1", "image.jpg_large", "scan.tmp"]
    put(tmp_path, *names)
    assert sorted(paths(scan(tmp_path))) == sorted(names)


@pytest.mark.parametrize("ending", sorted(kinds.EXTENSIONS))
def test_usual_endings_are_taken_without_a_look(tmp_path: Path, ending: str):
    (tmp_path / f"a{ending.upper()}").write_bytes(b"")
    assert len(scan(tmp_path).images) == 1


def test_images_that_are_not_read_are_refused_by_their_true_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(kinds, "reads_heic", lambda: False)
    for name in ("a.HEIC", "b.jxl", "c.svg", "d.NEF"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "e").write_bytes(b"\0\0\0\x18ftypheic")
    folder = scan(tmp_path)
    assert {item.reason for item in folder.refused} == {"unsupported type"}
    said = [item.detail for item in folder.refused]
    for word, detail in zip(("HEIC", "JPEG XL", "SVG", "raw", "HEIC"), said, strict=True):
        assert word in detail
    (tmp_path / "heic").mkdir()
    (tmp_path / "heic" / "1.heic").write_bytes(b"")
    (tmp_path / "heic" / "2.heic").write_bytes(b"")
    with pytest.raises(FolderError, match=r"2 images, all HEIC, .* pip install pillow-heif"):
        raise nothing_usable(scan(tmp_path / "heic"))
    monkeypatch.setattr(kinds, "reads_heic", lambda: True)
    assert paths(scan(tmp_path)) == ["a.HEIC", "e", "heic/1.heic", "heic/2.heic"]


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")
class TestLinks:
    def test_out_of_the_tree_is_refused(self, tmp_path: Path):
        put(tmp_path, "outside/secret.png", "in/a.png")
        (tmp_path / "in" / "file.png").symlink_to(tmp_path / "outside" / "secret.png")
        (tmp_path / "in" / "folder").symlink_to(tmp_path / "outside")
        (tmp_path / "in" / "up.png").symlink_to("../outside/secret.png")
        folder = scan(tmp_path / "in")
        assert paths(folder) == ["a.png"]
        assert reasons(folder) == dict.fromkeys(
            ["file.png", "folder", "up.png"], "symlink out of the tree"
        )

    def test_a_sibling_whose_name_begins_alike_is_outside(self, tmp_path: Path):
        put(tmp_path, "in/a.png", "in-private/b.png")
        (tmp_path / "in" / "b.png").symlink_to(tmp_path / "in-private" / "b.png")
        assert reasons(scan(tmp_path / "in")) == {"b.png": "symlink out of the tree"}

    def test_a_link_to_a_file_inside_counts_as_that_file(self, tmp_path: Path):
        put(tmp_path, "pool/a.png")
        (tmp_path / "cat").mkdir()
        (tmp_path / "cat" / "1.png").symlink_to("../pool/a.png")
        folder = scan(tmp_path)
        assert paths(folder) == ["cat/1.png", "pool/a.png"]
        assert folder.images[0].bytes == folder.images[1].bytes

    def test_loops_end_and_nothing_is_counted_twice(self, tmp_path: Path):
        put(tmp_path, "a/b/1.png")
        (tmp_path / "a" / "b" / "up").symlink_to("../..")
        (tmp_path / "self").symlink_to("self")
        (tmp_path / "ping.png").symlink_to("pong.png")
        (tmp_path / "pong.png").symlink_to("ping.png")
        folder = scan(tmp_path)
        assert paths(folder) == ["a/b/1.png"]
        assert reasons(folder) == dict.fromkeys(["self", "ping.png", "pong.png"], "unreadable")

    def test_a_link_to_nothing_is_unreadable(self, tmp_path: Path):
        put(tmp_path, "a.png")
        (tmp_path / "b.png").symlink_to("gone.png")
        assert reasons(scan(tmp_path)) == {"b.png": "unreadable"}

    def test_links_out_of_the_folder_are_named_where_there_is_nothing_else(self, tmp_path: Path):
        put(tmp_path, "store/1", "store/2")
        (tmp_path / "in").mkdir()
        for name in ("1.jpg", "2.jpg"):
            (tmp_path / "in" / name).symlink_to(tmp_path / "store" / name[0])
        with pytest.raises(FolderError, match=r"2 images, all links out of the folder; .*--follow"):
            raise nothing_usable(scan(tmp_path / "in"))
        (tmp_path / "in" / "more").symlink_to(tmp_path / "store")
        with pytest.raises(FolderError, match="2 images and 1 folder, all links out"):
            raise nothing_usable(scan(tmp_path / "in"))

    def test_links_are_followed_when_asked(self, tmp_path: Path):
        put(tmp_path, "store/1", "store/deep/2.png", "store/deep/.3.png")
        (tmp_path / "in").mkdir()
        (tmp_path / "in" / "a.jpg").symlink_to("../store/1")
        (tmp_path / "in" / "b").symlink_to("../store/deep")
        (tmp_path / "in" / "c").symlink_to("../store/deep")
        folder = scan(tmp_path / "in", follow_links=True)
        assert paths(folder) == ["a.jpg", "b/2.png", "c/2.png"]
        assert folder.refused == ()
        assert folder.images[0].bytes == (tmp_path / "store" / "1").stat().st_size

    def test_loops_end_where_links_are_followed(self, tmp_path: Path):
        put(tmp_path, "store/x/1.png", "other/2.png", "in/3.png")
        (tmp_path / "in" / "store").symlink_to(tmp_path / "store")
        (tmp_path / "in" / "up").symlink_to(tmp_path)  # holds the folder itself
        (tmp_path / "store" / "again").symlink_to(tmp_path / "store")
        (tmp_path / "store" / "x" / "up").symlink_to("..")
        (tmp_path / "store" / "other").symlink_to(tmp_path / "other")
        (tmp_path / "other" / "back").symlink_to(tmp_path / "store")
        (tmp_path / "other" / "in").symlink_to(tmp_path / "in")
        folder = scan(tmp_path / "in", follow_links=True)
        assert paths(folder) == ["3.png", "store/other/2.png", "store/x/1.png"]

    def test_links_to_folders_do_not_multiply_for_ever(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(walking, "_MOST_LINKS", 20)
        for name in "abcdefgh":
            put(tmp_path, f"store-{name}/1.png")
            for other in "abcdefgh":
                (tmp_path / f"store-{name}" / other).symlink_to(tmp_path / f"store-{other}")
        (tmp_path / "in").mkdir()
        (tmp_path / "in" / "a").symlink_to(tmp_path / "store-a")
        folder = scan(tmp_path / "in", follow_links=True)
        assert len(folder.images) == 20
        assert {item.reason for item in folder.refused} == {"symlink out of the tree"}

    def test_the_folder_itself_may_be_a_link(self, tmp_path: Path):
        put(tmp_path, "real/a.png")
        (tmp_path / "link").symlink_to("real")
        assert paths(scan(tmp_path / "link")) == ["a.png"]
        assert scan(tmp_path / "link").fingerprint == scan(tmp_path / "real").fingerprint


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on this system")
def test_a_pipe_with_an_images_name_is_not_waited_for(tmp_path: Path):
    os.mkfifo(tmp_path / "a.jpg")
    assert reasons(scan(tmp_path)) == {"a.jpg": "unreadable"}


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names themselves")
def test_names_that_are_not_text_are_refused_and_shown(tmp_path: Path):
    (tmp_path / os.fsdecode(b"caf\xe9.png")).write_bytes(b"x")
    folder = scan(tmp_path)
    assert reasons(folder) == {"caf\\udce9.png": "unreadable"}
    folder.refused[0].path.encode()  # can be printed and written


def test_folders_that_cannot_be_listed_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    put(tmp_path, "a.png", "locked/b.png")
    real = os.scandir

    def guarded(path):
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", guarded)
    folder = scan(tmp_path)
    assert paths(folder) == ["a.png"]
    assert reasons(folder) == {"locked": "unreadable"}


def test_very_deep_and_strange_names(tmp_path: Path):
    deep = tmp_path.joinpath(*["d"] * 300)
    strange = "a\nb 'x' \"y\" <b>&😀 {}%s.png"
    put(tmp_path, strange, f"{'n' * 250}.png")
    deep.mkdir(parents=True)
    put(deep, "1.png")
    assert len(scan(tmp_path).images) == 3
    assert strange in paths(scan(tmp_path))


def test_numbers_of_any_length_sort(tmp_path: Path):
    put(tmp_path, f"{'9' * 240}.png", "1.png", "²3.png", "٣.png")
    assert paths(scan(tmp_path))[:2] == ["1.png", f"{'9' * 240}.png"]


@pytest.mark.parametrize("kind", ["missing", "file"])
def test_what_is_not_a_folder_is_a_clear_error(tmp_path: Path, kind: str):
    if kind == "file":
        put(tmp_path, "x")
    with pytest.raises(FolderError, match="x") as caught:
        scan(tmp_path / "x")
    assert "\n" not in str(caught.value)


def test_the_fingerprint_follows_the_images(tmp_path: Path):
    put(tmp_path, "a.png", "b.png")
    first = scan(tmp_path).fingerprint
    assert scan(tmp_path).fingerprint == first
    (tmp_path / "notes.txt").write_text("not an image")
    assert scan(tmp_path).fingerprint == first
    os.utime(tmp_path / "a.png", ns=(1, 1))
    changed = scan(tmp_path).fingerprint
    assert changed != first
    (tmp_path / "b.png").rename(tmp_path / "c.png")
    assert scan(tmp_path).fingerprint not in {first, changed}


# --- class names --------------------------------------------------------------------------------


def test_names_from_lines_or_commas():
    expected = ["cat", "hot dog", "t-shirt"]
    assert parse_class_names("cat\nhot dog\n\n  t-shirt  \n") == expected
    assert parse_class_names("cat, hot dog,t-shirt,,") == expected
    assert parse_class_names('"cat", \'hot dog\'\r\n"t-shirt"') == expected


def test_repeated_names_are_dropped_and_other_spellings_are_not():
    assert parse_class_names("hot dog\nhot_dog\ncat\ncat") == ["hot dog", "cat"]
    assert parse_class_names("Hot Dog\nhot dog\nhot-dog") == ["Hot Dog", "hot dog", "hot-dog"]
    assert parse_class_names("cafe\u0301, caf\u00e9, tea") == ["caf\u00e9", "tea"]


def test_lines_with_a_tab_give_the_readable_name():
    text = "n01\ttench, Tinca\n n02\tgoldfish \n\n"
    assert parse_class_names(text) == ["tench, Tinca", "goldfish"]
    assert parse_aliases(text) == {"n01": "tench, Tinca", "n02": "goldfish"}
    assert parse_aliases("cat\ndog") == {}


@pytest.mark.parametrize("text", ["", "   \n,,\n", "cat", "cat, cat, 'cat'", " ,\n\x00\ncat"])
def test_fewer_than_two_names_are_refused(text: str):
    with pytest.raises(FolderError, match="at least two"):
        parse_class_names(text)


def test_a_pasted_essay_is_refused_not_taken_for_a_name():
    with pytest.raises(FolderError, match="100 characters"):
        parse_class_names("cat\n" + "lorem ipsum " * 20)


def test_control_characters_do_not_get_into_names():
    assert parse_class_names("cat\x00\x1b[31m\ndog\u200b\x7f") == ["cat [31m", "dog"]


def test_names_from_a_file(tmp_path: Path):
    file = tmp_path / "names.txt"
    file.write_bytes("\ufeffann\tannual crop\nfor\tforest\n".encode())
    assert read_class_names(file) == ["annual crop", "forest"]
    assert read_aliases(file) == {"ann": "annual crop", "for": "forest"}


def test_unusable_files_of_names(tmp_path: Path):
    (tmp_path / "names.txt").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "one.txt").write_bytes(b"cat")
    for path in (tmp_path / "names.txt", tmp_path / "one.txt", tmp_path / "gone.txt", tmp_path):
        with pytest.raises(FolderError, match=path.name):
            read_class_names(path)


def test_names_are_proposed_from_sub_folders():
    folder = listed("hot_dog/1.png", "002.Cat/1.png", "loose.png", "t-shirt/a/b.png")
    assert propose_class_names(folder) == ["hot dog", "Cat", "t-shirt"]


def test_splits_and_common_folders_are_not_classes():
    folder = listed("set/train/cat/1.png", "set/train/dog/1.png", "set/test/cat/2.png")
    assert propose_class_names(folder) == ["cat", "dog"]


@pytest.mark.parametrize(
    "names", [["a.png"], ["cat/a.png", "cat/b.png"], ["train/a.png", "test/b.png"]]
)
def test_nothing_is_proposed_without_two_classes(names: list[str]):
    assert propose_class_names(listed(*names)) == []


# --- truth --------------------------------------------------------------------------------------


def test_truth_ignores_case_spaces_underscores_and_hyphens():
    folder = listed("Hot-Dog/1.png", "hot_dog/2.png", "HOTDOG/3.png", "cat/4.png")
    labels = truth(folder, ["cat", "hot dog"])
    assert labels is not None
    assert labels.dtype == np.int64
    assert labels.tolist() == [1, 1, 1, 0]


def test_what_matches_nothing_is_unknown():
    labels = truth(listed("cat/1.png", "cats/2.png", "3.png", "cat.png"), ["cat", "dog"])
    assert labels is not None
    assert labels.tolist() == [0, -1, -1, -1]


def test_the_innermost_folder_counts():
    labels = truth(listed("cat/dog/1.png", "dog/cat/1.png", "cat/x/1.png"), ["cat", "dog"])
    assert labels is not None
    assert labels.tolist() == [1, 0, 0]


def test_no_matching_folder_means_no_truth():
    assert truth(listed("a/1.png", "2.png"), ["cat", "dog"]) is None
    assert truth(listed(), ["cat", "dog"]) is None


def test_folders_may_have_other_names_than_their_classes():
    folder = listed("n01/1.png", "N-02/1.png", "dog/2.png", "n03/1.png")
    aliases = {"n01": "house cat", "n02": "Dog", "n03": "a class that was not given"}
    labels = truth(folder, ["house cat", "dog"], aliases=aliases)
    assert labels is not None
    assert labels.tolist() == [0, 1, 1, -1]


def test_proposed_names_match_their_own_folders():
    folder = listed("001.ak47/1.png", "T-Shirt/1.png", "traffic_light/1.png")
    labels = truth(folder, propose_class_names(folder))
    assert labels is not None
    assert labels.tolist() == [0, 1, 2]


@pytest.mark.parametrize("name", ["oxford_pets", "caltech101", "eurosat", "clothing10"])
def test_real_sets_are_known_completely(shared_data: Path, name: str):
    classes = shared_data / name / "classes.txt"
    folder = scan(shared_data / name / "test")
    labels = truth(folder, read_class_names(classes), aliases=read_aliases(classes))
    assert labels is not None
    assert labels.min() == 0
    assert len(np.unique(labels)) == len(read_class_names(classes))
