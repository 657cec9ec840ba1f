from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.images.class_folders import class_folders, propose_class_names
from studio.images.folder import Folder, ImageFile
from studio.images.names import same, truth


def listed(*folders: str) -> Folder:
    """A folder with two images in each of these."""
    return Folder(
        Path("/pictures"),
        tuple(ImageFile(f"{name}/{i}.png", 1, 1) for name in folders for i in range(2)),
        (),
    )


def tree(text: str) -> Folder:
    """`train/cat,dog test/cat` as a folder."""
    found = []
    for word in text.split():
        *above, last = word.split("/")
        found += ["/".join([*above, name]) for name in last.split(",")]
    return listed(*found)


# --- numbers, case and signs ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("folders", "names"),
    [
        (["5_euro", "10_euro", "20_euro"], ["5 euro", "10 euro", "20 euro"]),
        (["5_euro", "10_euro", "20_dollar"], ["5 euro", "10 euro", "20 dollar"]),
        (["2_door_car", "4_door_car", "truck"], ["2 door car", "4 door car", "truck"]),
        (["1_person", "2_people"], ["1 person", "2 people"]),
        (["0.5_l", "1.5_l"], ["0.5 l", "1.5 l"]),
        (["3-legged", "4-legged"], ["3-legged", "4-legged"]),
        (["001.ak47", "002.hot_dog", "017.cat"], ["ak47", "hot dog", "cat"]),
        (["0_cat", "1_dog"], ["cat", "dog"]),
        (["01_cat", "02_dog"], ["cat", "dog"]),
        (["1. cat", "2. dog"], ["cat", "dog"]),
        (["001_cat", "002_cat"], ["001 cat", "002 cat"]),
        (["002.Cat", "Cat", "t-shirt"], ["002.Cat", "Cat", "t-shirt"]),
        (["0", "1", "2"], ["0", "1", "2"]),
        (["a", "A", "b"], ["a", "A", "b"]),
        (["+", "-", "=", "_", "!"], ["+", "-", "=", "_", "!"]),
        (["-1", "0", "1", "+1"], ["-1", "0", "1", "+1"]),
        (["A", "A-", "A+"], ["A", "A-", "A+"]),
        (["1-2", "12", "1 2"], ["1-2", "12", "1 2"]),
        (["C", "C++", "C#"], ["C", "C++", "C#"]),
        (["m2", "m²"], ["m2", "m²"]),
        (["tench, Tinca tinca", "drake"], ["tench, Tinca tinca", "drake"]),
        (["A\u0308pfel", "Birnen"], ["Äpfel", "Birnen"]),
        (['5"', "5'"], ['5"', "5'"]),
    ],
)
def test_no_class_is_lost_and_none_swallows_another(folders: list[str], names: list[str]):
    folder = listed(*folders)
    assert propose_class_names(folder) == names
    labels = truth(folder, names)
    assert labels is not None
    assert labels.tolist() == [i for i in range(len(folders)) for _ in range(2)]


def test_what_was_merged_left_out_or_looks_alike_is_said():
    def notes(*folders: str) -> str:
        return " ".join(class_folders(listed(*folders)).classes.notes)

    assert "“A” and “a”" in notes("A", "a", "b")
    assert "hot_dog, hot dog are one class: hot dog" in notes("hot_dog", "hot dog", "cat")
    assert "001.cat" in notes("001.cat", "002.dog")
    assert notes("cat", "dog") == ""


FOLDER = st.text(
    st.characters(blacklist_categories=("Cs",), blacklist_characters="/\0\n\r"), min_size=1,
    max_size=12,
).filter(lambda name: name.strip("."))  # fmt: skip


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.lists(FOLDER, min_size=2, max_size=8, unique_by=same))
def test_folders_beside_each_other_are_as_many_classes(folders: list[str]):
    folder = listed("in/known", *(f"in/{name}" for name in folders if same(name) != "known"))
    found = class_folders(folder)
    if found.doubt or found.splits:
        return
    visible = [name for name in folders if same(name)]
    there = [name for name in propose_class_names(folder) if name != "known"]
    assert len(there) == len([name for name in visible if same(name) != "known"])
    labels = truth(folder, found.classes.names)
    assert labels is not None
    assert len(set(labels.tolist()) - {-1}) == len(found.classes.names)


# --- splits --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "train/cat,dog test/cat,dog",
        "Training/cat,dog Validation/cat,dog Testing/dog",
        "train2017/cat,dog val2017/cat",
        "train_set/cat,dog test-set/cat",
        "trainset/cat,dog testset/cat",
        "TrainImages/cat,dog TestImages/cat",
        "set/train/cat,dog set/test/cat,dog",
        "seg_train/seg_train/cat,dog seg_test/seg_test/cat,dog seg_pred/seg_pred",
        "train/cat,dog valid unlabeled",
        "images/train/cat,dog images/val/cat,dog",
        "fold1/cat,dog fold2/dog,cat",
        "train/cat,dog dog",  # partly split: what lies beside is a class of the same name
        "train/cat,dog test/cat,dog cat dog",
        "train/cat,dog more/cat,dog",
    ],
)
def test_splits_of_all_spellings_are_no_classes(text: str):
    found = class_folders(tree(text))
    assert sorted(found.classes.names) == ["cat", "dog"]
    assert not found.doubt
    assert "parts of a split set" in found.sentence


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("train,bus,car", ["train", "bus", "car"]),
        ("train/train,bus,car test/train,bus,car", ["train", "bus", "car"]),
        ("train_station,bus_stop", ["train station", "bus stop"]),
        ("cat/train,test dog/train,test", ["cat", "dog"]),
        ("cat/a dog/b", ["cat", "dog"]),
        ("train/Cat,dog test/cat,Dog", ["Cat", "dog"]),
        ("train/cat,dog test/bird", ["cat", "dog", "bird"]),
    ],
)
def test_classes_that_are_called_like_splits_stay_classes(text: str, names: list[str]):
    found = class_folders(tree(text))
    assert list(found.classes.names) == names


def test_spellings_of_different_places_are_one_class_and_said():
    found = class_folders(tree("train/Cat,dog test/cat,dog"))
    assert found.classes.notes == ("The folders Cat, cat are one class: Cat.",)
    apart = class_folders(tree("train/Cat,cat test/cat"))
    assert list(apart.classes.names) == ["Cat", "cat"]


@pytest.mark.parametrize(
    ("text", "outer", "inner", "likely"),
    [
        ("cat/front,back dog/front,back bird/front,back", "bird cat dog", "back front", "outer"),
        ("camera1/cat,dog camera2/cat,dog", "camera1 camera2", "cat dog", "inner"),
        ("photo/a,b,c sketch/a,b,c", "photo sketch", "a b c", "inner"),
        ("train/steam,diesel bus car", "bus car train", "bus car diesel steam", "outer"),
        ("train/cat,dog test/cat,dog bird", "bird test train", "bird cat dog", "inner"),
        ("train/cat/front,back train/dog/front,back test/bird/front,back",
         "bird cat dog", "back front", "outer"),
    ],
)  # fmt: skip
def test_where_nothing_tells_it_is_asked(text: str, outer: str, inner: str, likely: str):
    folder = tree(text)
    found = {
        splits: sorted(class_folders(folder, splits=splits).classes.names)
        for splits in ("auto", "yes", "no")
    }
    assert found["no"] == outer.split()
    assert found["yes"] == inner.split()
    assert found["auto"] == (outer if likely == "outer" else inner).split()
    asked = class_folders(folder)
    assert asked.doubt
    assert asked.sentence
    assert asked.other is not None
    assert sorted(asked.other.names) == (inner if likely == "outer" else outer).split()


def test_a_choice_is_kept_where_there_was_no_doubt():
    assert propose_class_names(tree("train/cat,dog test/cat,dog")) == ["cat", "dog"]
    no = class_folders(tree("train/cat,dog test/cat,dog"), splits="no")
    assert no.classes.names == ("train", "test")
    assert class_folders(tree("train,test")).classes.names == ()
    assert class_folders(tree("train,test"), splits="no").classes.names == ("train", "test")
    yes = class_folders(tree("x/cat y/dog"), splits="yes")
    assert yes.classes.names == ("cat", "dog")
    assert class_folders(tree("cat,dog"), splits="yes").classes.names == ("cat", "dog")


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.lists(st.sampled_from(["train", "Test", "VAL", "validation_set", "eval2"]), min_size=2,
             unique=True),
    st.lists(FOLDER.filter(lambda name: len(same(name)) > 1), min_size=2, max_size=5,
             unique_by=same),
)  # fmt: skip
def test_however_it_is_split_the_classes_are_the_same(parts: list[str], classes: list[str]):
    whole = class_folders(listed(*classes))
    if whole.splits or whole.doubt:
        return
    split = class_folders(listed(*(f"{part}/{name}" for part in parts for name in classes)))
    assert split.classes.names == whole.classes.names
    assert set(split.splits) == set(parts)
