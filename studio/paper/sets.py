"""The paper's ten data sets. Addresses and checksums are torchvision's where it has the set.

The split files are CoOp's. CoOp keeps them on Google Drive; they are fetched from a copy in a
public repository, pinned to one commit, whose content is known.
"""

from __future__ import annotations

import re

from studio.errors import SettingsError
from studio.paper.model import Download, Need, PaperSet
from studio.paper.plans.cifar import LABELS, cifar
from studio.paper.plans.folders import caltech, class_folders, eurosat
from studio.paper.plans.lists import aircraft, pets, ucf
from studio.paper.plans.matlab import cars, flowers

_SPLITS = (
    "https://raw.githubusercontent.com/linzhiqiu/cross_modal_adaptation/"
    "ac9077ee4e422f768c9b9109551468605e33ec9a/splits"
)
_VGG = "https://www.robots.ox.ac.uk/~vgg/data"
COOP = "https://github.com/KaiyangZhou/CoOp/blob/main/DATASETS.md"

_DIVIDED = "Each class is divided at random: 50 % train, 20 % val, 30 % test."
_HALVED = "The published test set; a fifth of each class of the published training set is val."


def _split(name: str, size: int, checksum: str) -> Download:
    file = f"split_zhou_{name}.json"
    return Download(file, f"{_SPLITS}/{file}", size, checksum, COOP, "split")


def _file(url: str, size: int, checksum: str = "", need: Need = "always") -> Download:
    return Download(url.rpartition("/")[2], url, size, checksum, need=need)


_ALL = (
    PaperSet(
        "flowers102", "Flowers102", "none stated; for research", f"{_VGG}/flowers/102/",
        (
            _file(f"{_VGG}/flowers/102/102flowers.tgz", 344_862_509,
                  "md5:52808999861908f626f3c1f4e79d11fa"),
            _split("OxfordFlowers", 771_139,
                   "sha256:2f50c42fc1a17ca13c271cb4269b1347bdb43d2be672e34f74a4e4cbfbcca794"),
            _file(f"{_VGG}/flowers/102/imagelabels.mat", 502,
                  "md5:e0620be6f572b9609742df49c70aed4d", "derive"),
        ),
        r"jpg/(image_\d+\.jpg)$", 102, 4_093, 2_463, _DIVIDED, flowers, ("imagelabels.mat",),
    ),
    PaperSet(
        "dtd", "DTD", "for research", f"{_VGG}/dtd/",
        (
            _file(f"{_VGG}/dtd/download/dtd-r1.0.1.tar.gz", 625_239_812,
                  "md5:fff73e5086ae6bdbea199a49dfb8a4c1"),
            _split("DescribableTextures", 563_702,
                   "sha256:f26ebeccd2b58e68d70f07a0dc39fe49bf7b69024bac34396b954dfd87969c38"),
        ),
        r"images/([^/]+/[^/]+\.jpg)$", 47, 2_820, 1_692, _DIVIDED, class_folders,
    ),
    PaperSet(
        "ucf101", "UCF101", "none stated; frames of videos from YouTube",
        "https://www.crcv.ucf.edu/data/UCF101.php",
        (
            Download(
                "UCF-101-midframes.zip",
                "https://drive.usercontent.google.com/download?id=10Jqome3vtUA2keJkNanAiFpgbyC9Hc2O"
                "&export=download&confirm=t",
                page="https://drive.google.com/file/d/10Jqome3vtUA2keJkNanAiFpgbyC9Hc2O/view",
            ),
            _split("UCF101", 1_557_485,
                   "sha256:d78cb834f7c5792ceaff2c5ee2d7c76a9e4086e48a3a6b01232989d29cbefdd8"),
            _file("https://www.crcv.ucf.edu/data/UCF101/UCF101TrainTestSplits-RecognitionTask.zip",
                  0, need="derive"),
        ),
        r"UCF-101-midframes/([^/]+/[^/]+\.jpg)$", 101, 7_639, 3_783, _HALVED, ucf,
        ("classInd.txt", "trainlist01.txt", "testlist01.txt"),
    ),
    PaperSet(
        "food101", "Food101", "the photographers'; scientific fair use only",
        "https://data.vision.ee.ethz.ch/cvl/datasets_extra/food-101/",
        (
            _file("http://data.vision.ee.ethz.ch/cvl/food-101.tar.gz", 4_996_278_331,
                  "md5:85eeb15f3717b99a5da872d97d918f87"),
            _split("Food101", 0, "git:39557040ee6501bd32aa8b5dfd75f7941a32f0a7"),
        ),
        r"images/([^/]+/[^/]+\.jpg)$", 101, 50_500, 30_300, _DIVIDED, class_folders,
    ),
    PaperSet(
        "stanfordcars", "StanfordCars", "non-commercial research",
        "https://github.com/pytorch/vision/issues/7545",
        (
            Download(
                "stanford-cars-dataset.zip",
                bytes=1_956_000_000,  # about
                page="https://www.kaggle.com/datasets/jessicali9530/stanford-cars-dataset "
                "(or the original cars_train.tgz and cars_test.tgz)",
            ),
            _split("StanfordCars", 1_855_652,
                   "sha256:40acee7aa65c8e4727a32d90e884b7c3f8960b523422317e163f7af65432959d"),
            Download(
                "car_devkit.tgz",
                "https://github.com/pytorch/vision/files/11644847/car_devkit.tgz", need="derive",
            ),
            Download(
                "cars_test_annos_withlabels.mat",
                checksum="md5:b0a2b23655a3edd16d84508592a98d10",
                page="https://www.kaggle.com/code/subhangaupadhaya/"
                "pytorch-stanfordcars-classification/input", need="derive",
            ),
        ),
        r"(cars_(?:train|test)/[^/]+\.jpg)$", 196, 6_509, 8_041, _HALVED, cars,
        ("cars_meta.mat", "cars_train_annos.mat", "cars_test_annos_withlabels.mat"),
    ),
    PaperSet(
        "fgvcaircraft", "FGVCAircraft", "non-commercial research", f"{_VGG}/fgvc-aircraft/",
        (
            _file(f"{_VGG}/fgvc-aircraft/archives/fgvc-aircraft-2013b.tar.gz", 2_753_340_328,
                  "md5:d4acdd33327262359767eeaa97a4f732"),
        ),
        r"images/([^/]+\.jpg)$", 100, 3_334, 3_333,
        "The published train and test sets, by variant; the published val set is left out.",
        aircraft,
        ("variants.txt", "images_variant_train.txt", "images_variant_val.txt",
         "images_variant_test.txt"),
        derived=False,
    ),
    PaperSet(
        "caltech101", "Caltech101", "CC BY 4.0", "https://data.caltech.edu/records/mzrjq-6wc02",
        (
            _file("https://data.caltech.edu/records/mzrjq-6wc02/files/caltech-101.zip",
                  137_414_764, "md5:3138e1922a9193bfa496528edbbc45d0"),
            _split("Caltech101", 809_184,
                   "sha256:52ce83205ff8ff8a1a18119aad6376120ae35c36e783a984bc560cbf10e73fa5"),
        ),
        r"101_ObjectCategories/([^/]+/[^/]+\.jpg)$", 100, 4_128, 2_465,
        f"{_DIVIDED} BACKGROUND_Google and Faces_easy are left out.", caltech,
    ),
    PaperSet(
        "oxfordpets", "OxfordPets", "CC BY-SA 4.0", f"{_VGG}/pets/",
        (
            _file(f"{_VGG}/pets/data/images.tar.gz", 791_918_971,
                  "md5:5c4f3ee8e5d25df40f4fd59a7f44e54c"),
            _split("OxfordPets", 724_217,
                   "sha256:d7f3ffe65b3919f95132e51422894ae18686b83c331fd8c0adcdc3dc2de6301e"),
            _file(f"{_VGG}/pets/data/annotations.tar.gz", 19_173_078,
                  "md5:95a8c909bbe2e81eed6a22bccdf3f68f", "derive"),
        ),
        r"images/([^/]+\.jpg)$", 37, 2_944, 3_669, _HALVED, pets, ("trainval.txt", "test.txt"),
    ),
    PaperSet(
        "eurosat", "EuroSAT", "MIT; Copernicus Sentinel data",
        "https://github.com/phelber/EuroSAT",
        (
            _file("https://huggingface.co/datasets/torchgeo/eurosat/resolve/"
                  "c877bcd43f099cd0196738f714544e355477f3fd/EuroSAT.zip", 94_280_567,
                  "md5:c8fa014336c82ac7804f0398fcb19387"),
            _split("EuroSAT", 3_006_492,
                   "sha256:541503a77d0b26b735d85ec7a3e672804fe0aa466c2e5f07da772cc6c0af8ad2"),
        ),
        r"2750/([^/]+/[^/]+\.jpg)$", 10, 13_500, 8_100, _DIVIDED, eurosat,
    ),
    PaperSet(
        "cifar100n", "CIFAR-100-N", "images: none stated; human labels: CC BY-NC 4.0",
        "https://www.cs.toronto.edu/~kriz/cifar.html and http://noisylabels.com",
        (
            _file("https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz", 169_001_437,
                  "md5:eb9058c3a382ffc7106e4002c42a8d85"),
            _file("https://raw.githubusercontent.com/UCSC-REAL/cifar-10-100n/"
                  f"49df7d8a69e355470c77c1c2f2424916325a394b/data/{LABELS}", 1_000_959,
                  "sha256:bd2d80409754d420292d622e15e25248ba21e37d27429efac49c8da723f44394"),
        ),
        r"(?!)", 100, 50_000, 10_000, "The published train and test sets.", cifar,
        ("train", "test", "meta", LABELS), derived=False,
    ),
)  # fmt: skip

SETS: dict[str, PaperSet] = {item.name: item for item in _ALL}
"""All sets by name."""


def paper_set(name: str) -> PaperSet:
    """The set of that name; case, spaces, `-` and `_` do not count.

    Raises:
        SettingsError: the paper has none; lists those that it has.
    """
    plain = re.sub(r"[\s_-]", "", name).lower()
    if plain not in SETS:
        raise SettingsError(f"The paper has no set {name!r}; choose one of {', '.join(SETS)}.")
    return SETS[plain]
