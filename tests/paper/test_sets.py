"""The registry against torchvision, the protocol's numbers, and the paper's own means."""

from __future__ import annotations

import re
import statistics

import pytest

from studio.paper.figures import figures
from studio.paper.rules import divided
from studio.paper.sets import SETS

NINE = [name for name in SETS if name != "cifar100n"]


def file(name: str, part: int = 0) -> tuple[str, str]:
    download = SETS[name].downloads[part]
    return download.url, download.checksum.removeprefix("md5:")


def test_addresses_and_checksums_are_those_of_torchvision() -> None:
    """Where it has the set. When torchvision finds a new address, this test asks for it."""
    import inspect

    from torchvision import datasets as theirs

    ours = {
        theirs.Flowers102: [file("flowers102"), file("flowers102", 2)],
        theirs.DTD: [file("dtd")],
        theirs.Food101: [file("food101")],
        theirs.FGVCAircraft: [file("fgvcaircraft")[:1]],
        theirs.Caltech101: [file("caltech101")],
        theirs.OxfordIIITPet: [file("oxfordpets"), file("oxfordpets", 2)],
        theirs.EuroSAT: [file("eurosat")],
        theirs.CIFAR100: [file("cifar100n")],
    }
    for kind, expected in ours.items():
        text = inspect.getsource(kind)
        for values in expected:
            for value in values:
                if kind is theirs.Flowers102 and value.startswith("http"):
                    prefix, _, name = value.rpartition("/")
                    assert f"{prefix}/" in text
                    assert name in text
                else:
                    assert value in text, (kind, value)


def test_all_ten_sets_say_what_a_person_has_to_know() -> None:
    assert len(SETS) == 10
    for data in SETS.values():
        assert data.licence
        assert data.page.startswith("http")
        assert re.compile(data.images).groups <= 1
        for download in data.downloads:
            assert download.url or download.page, download.name
            assert not download.url or download.url.startswith("http")
            assert re.fullmatch(r"|(md5:.{32})|(sha256:.{64})|(git:.{40})", download.checksum)
            if download.need == "split":  # pinned, and never unchecked
                assert re.search(r"/[0-9a-f]{40}/", download.url)
                assert download.checksum


def test_coops_rule_gives_as_many_images_as_its_files_have() -> None:
    sizes = {
        "dtd": [120] * 47,
        "food101": [1000] * 101,
        "eurosat": [3000, 3000, 3000, 2500, 2500, 2000, 2500, 3000, 2500, 3000],
    }
    for name, each in sizes.items():
        items = divided({label: [str(n) for n in range(size)] for label, size in enumerate(each)})
        parts = [item.part for item in items]
        assert (parts.count("train"), parts.count("test")) == (SETS[name].train, SETS[name].test)
        assert len(set(items)) == sum(each)


def test_coops_rule_mixes_and_always_alike() -> None:
    images = {0: [f"{n:03d}" for n in range(100)]}
    train = [item.key for item in divided(images) if item.part == "train"]
    assert train == [item.key for item in divided(images) if item.part == "train"]
    assert sorted(train) != [f"{n:03d}" for n in range(50)]
    assert divided({0: images[0][::-1]}) == divided(images)  # whatever the order of the archive


# The means over nine sets that the paper prints beneath its tables: a slip of the pen would show.
@pytest.mark.parametrize(
    ("method", "mean"),
    [
        ("zero-shot", 64.93), ("coft", 75.51), ("coft+", 76.75), ("upl", 68.40), ("ifpl", 63.13),
        ("grip", 65.92), ("lafter", 64.17),
    ],
)  # fmt: skip
def test_figures_have_the_papers_means(method: str, mean: float) -> None:
    found = [figures(name, model="ViT-B-16")[method] for name in NINE]
    assert statistics.mean(found) == pytest.approx(mean, abs=0.006)


@pytest.mark.parametrize(("method", "mean"), [("coft", 79.11), ("coft+", 79.65)])
def test_figures_of_distillation_have_the_papers_means(method: str, mean: float) -> None:
    found = [figures(n, model="ViT-L-14", phase2_model="ViT-B-16") for n in NINE]
    assert statistics.mean(row[method] for row in found) == pytest.approx(mean, abs=0.006)
    assert all("zero-shot" not in row for row in found)


def test_a_model_that_the_paper_did_not_use_has_no_figures() -> None:
    assert figures("dtd", model="embedded") == {}
    assert figures("dtd", model="ViT-B-16", phase2_model="embedded") == {}
    assert figures("food101", model="ViT-L-14") == {}
    assert figures("dtd", model="ViT-L-14")["coft+"] == 63.11
    assert figures("cifar100n", model="ViT-B-16") == {"coft": 79.40, "coft+": 80.89}
