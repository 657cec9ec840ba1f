"""What a file is: by the ending of its name, and by its first bytes, which count more."""

from __future__ import annotations

import os
import re
from pathlib import Path

HEAD = 64
"""As many first bytes are enough to tell all of these kinds apart."""

EXTENSIONS = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jif", ".jfif", ".jfi", ".mpo", ".png", ".apng", ".webp", ".bmp"}
    | {".dib", ".tif", ".tiff", ".gif", ".avif", ".avifs", ".jp2", ".j2k", ".jpf", ".jpx", ".jpc"}
    | {".ppm", ".pgm", ".pbm", ".pnm", ".tga"}
)
"""Endings of images that are read; a file with another one, or with none, is looked into."""

SHOWN = "jpg, png, webp, avif, gif, tiff, bmp, jpeg 2000, ppm or tga"
"""The same for people."""

_READ = frozenset({"JPEG", "PNG", "WEBP", "AVIF", "GIF", "TIFF", "BMP", "JPEG2000", "PPM"})
_CONVERT = "convert it to JPEG or PNG"
HEIC, JXL = "HEIC", "JPEG XL"
HEIF_ENDINGS = frozenset({".heic", ".heif", ".hif", ".heics", ".heifs"})
_KNOWN_ENDINGS = {
    **dict.fromkeys(HEIF_ENDINGS, HEIC),
    ".jxl": JXL,
    ".svg": "SVG, a drawing",
    ".svgz": "SVG, a drawing",
    ".eps": "EPS, a drawing",
    ".ai": "a drawing of Illustrator",
    ".psd": "a Photoshop file",
    ".xcf": "a GIMP file",
    ".ico": "an icon",
    ".dds": "DDS, a texture",
    ".exr": "OpenEXR",
    ".hdr": "Radiance HDR",
    **dict.fromkeys(
        (".cr2", ".cr3", ".nef", ".nrw", ".arw", ".dng", ".raf", ".orf", ".rw2", ".pef", ".srw"),
        "the raw data of a camera",
    ),
    **dict.fromkeys((".dcm", ".dicom"), "DICOM, a medical image"),
}
# What lies among images and is none: labels of other tools, notes, programs, leftovers of systems.
_OTHERS = frozenset(
    {".txt", ".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".xml", ".yaml", ".yml", ".toml", ".md"}
    | {".rst", ".html", ".htm", ".css", ".js", ".py", ".ipynb", ".m", ".mat", ".npy", ".npz", ".h5"}
    | {".pkl", ".pth", ".pt", ".onnx", ".safetensors", ".parquet", ".arrow", ".tfrecord", ".db"}
    | {".ini", ".cfg", ".log", ".lock", ".sh", ".bat", ".exe", ".dll", ".lnk", ".url", ".pdf"}
    | {".doc", ".docx", ".xls", ".xlsx", ".ods", ".odt", ".rtf", ".tex", ".bib", ".xmp", ".aae"}
    | {".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".sqlite", ".part", ".dvc"}
    | {".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".mp3", ".wav", ".thm"}
)
_ARCHIVES = frozenset(
    {".tar", ".gz", ".tgz", ".bz2", ".tbz2", ".xz", ".txz", ".zst", ".7z", ".rar", ".lz4", ".cab"}
)
# Brands of the container that HEIC and AVIF share, ISO/IEC 23008-12.
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs")

_ADVICE = {
    HEIC: "HEIC, the format of an iPhone's photos; to read it: pip install pillow-heif",
    JXL: f"JPEG XL, which is not read here; {_CONVERT}",
}


def kind_of(head: bytes) -> str:
    """The kind of an image by its first `HEAD` bytes; "" when they are those of no image.

    The names of what is read are Pillow's: JPEG, PNG, WEBP, AVIF, GIF, TIFF, BMP, JPEG2000, PPM.
    """
    for start, kind in _STARTS:
        if head.startswith(start):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if re.match(rb"P[1-6]\s+[#0-9]", head):
        return "PPM"
    if head[:2] == b"BM" and head[6:10] == b"\0\0\0\0":  # two letters alone begin many a text
        return "BMP"
    return _of_brands(head) if head[4:8] == b"ftyp" else ""


_STARTS = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG2000"),
    (b"\xff\x4f\xff\x51", "JPEG2000"),
    (b"\xff\x0a", JXL),
    (b"\0\0\0\x0cJXL \r\n\x87\n", JXL),
    (b"8BPS", "a Photoshop file"),
)


def _of_brands(head: bytes) -> str:
    """Which of the kinds that share a container: by its major brand, then by those after it."""
    size = min(int.from_bytes(head[:4], "big"), len(head)) if len(head) >= 12 else 0
    brands = [head[8:12], *(head[at : at + 4] for at in range(16, size - 3, 4))]
    for brand in brands:
        if brand in (b"avif", b"avis"):
            return "AVIF"
        if brand in _HEIC_BRANDS:
            return HEIC
    return HEIC if brands[0] in (b"mif1", b"msf1") else ""


def read_head(path: str | Path) -> bytes:
    """The first bytes of a regular file. Raises OSError."""
    with open(path, "rb") as file:
        return file.read(HEAD)


def reads_heic() -> bool:
    """Whether pillow-heif is installed, which is not asked for: most folders need none."""
    from importlib.util import find_spec

    return find_spec("pillow_heif") is not None


def is_read(kind: str) -> bool:
    """Whether a kind, as `kind_of` names it, is read here."""
    return kind in _READ or (kind == HEIC and reads_heic())


def why_not(kind: str) -> str:
    """What to tell of a kind that is not read, in one line."""
    return _ADVICE.get(kind, f"{kind}; {_CONVERT}")


def not_taken(name: str) -> str:
    """What to tell of a file that is uploaded and not taken, by its name, in one line."""
    ending = os.path.splitext(name)[1].lower()
    if ending in _ARCHIVES:
        return f"{name}: of archives only zip files are read; pack the images as a zip."
    if ending in _KNOWN_ENDINGS:
        return f"{name}: {why_not(_KNOWN_ENDINGS[ending])}."
    if not ending:
        return f"{name} has no ending that says what it is; rename it, or upload it in a zip."
    return f"{name}: the studio reads no such files; upload {SHOWN} files, or a zip of them."


def by_name(name: str) -> str | None:
    """What the ending of a file's name says.

    "": an image that is read; None: no image; "?": only its content can tell; else the kind of an
    image that is not read here.
    """
    ending = os.path.splitext(name)[1].lower()
    if ending in EXTENSIONS or (ending in HEIF_ENDINGS and reads_heic()):
        return ""
    if ending in _KNOWN_ENDINGS:
        return _KNOWN_ENDINGS[ending]
    return None if ending in _OTHERS or name.lower() in ("thumbs.db", "icon\r") else "?"
