"""Text whose encoding nobody says: files of class names, tables of labels, names inside archives.

UTF-8 is tried first and is right whenever it decodes. Otherwise the encodings that Windows, macOS
and old programs write are compared: each decodes the bytes, and what it makes of them is looked at.
Whoever guesses says so, because a guess may be wrong.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable
from functools import lru_cache

LEGACY = ("cp1252", "cp437", "cp850", "gbk", "cp932", "big5", "cp949", "cp1251", "cp866")
"""What is tried after UTF-8; of two that fit equally well the first."""

_CYRILLIC = ("cp1251", "cp866")
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark begins alike
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# The lead bytes of the characters that people write most; the rest of each table is rare.
_COMMON_LEADS = {
    "gbk": range(0xB0, 0xD8),
    "cp932": (*range(0x81, 0x84), *range(0x88, 0x98)),
    "big5": range(0xA4, 0xC7),
    "cp949": range(0xB0, 0xC9),
}
# Simplified Chinese and Korean use the same bytes: frequent syllables tell them apart.
_HANGUL = frozenset(
    "이가다는의에하을고지로한사기도리를어은자인대정시부장아수나일보제서구해전주그라과으만비스동상안원여성"
    "조선학공유마소경신들국니모우바오거미무치세용적교물방관실내계화문발연요개산생양진영간호차분각드재위야"
    "게본회트중심남금강저배행후당통민단불입식박더프레파말집길달감날복색눈꽃새밥빵손양귤딸포복숭토끼"
)


def decode_text(data: bytes) -> tuple[str, str]:
    """The text of a whole file, and what was guessed, "" where nothing was.

    Raises ValueError when it is no text.
    """
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return _checked(data.decode(encoding)), ""
    try:
        if b"\0" not in data:
            return _checked(data.decode("utf-8")), ""
    except UnicodeDecodeError:
        encoding = guess_encoding(data.splitlines())
        return _checked(data.decode(encoding)), f"not UTF-8, read as {encoding}"
    # UTF-16 without a mark: every other byte of Latin text is zero.
    low, high = data[0::2].count(0), data[1::2].count(0)
    encoding = "utf-16-le" if high > low else "utf-16-be"
    return _checked(data.decode(encoding)), f"no byte-order mark, read as {encoding}"


def guess_encoding(samples: Iterable[bytes]) -> str:
    """The encoding that makes most sense of all these bytes: utf-8, or one of LEGACY.

    Raises ValueError when none decodes them.
    """
    joined = b"\n".join(sample for sample in samples if not sample.isascii())
    scores: dict[str, float] = {}
    for encoding in ("utf-8", *LEGACY):
        try:
            text = joined.decode(encoding)
        except UnicodeDecodeError:
            continue
        if encoding == "utf-8":
            return encoding
        scores[encoding] = _sense(text, encoding)
    if not scores:
        raise ValueError("the text is in no encoding that is known here")
    return max(scores, key=lambda encoding: scores[encoding])


def _sense(text: str, encoding: str) -> float:
    """How much like words a text looks, at most about 1 for each of its characters."""
    total = number = 0.0
    for at, char in enumerate(text):
        if char < "\x80":
            continue
        number += 1
        before, after = text[max(0, at - 1) : at], text[at + 1 : at + 2]
        total += _worth(char, encoding)
        if encoding in _COMMON_LEADS or encoding in _CYRILLIC:
            if any(c.isascii() and c.isalpha() for c in before + after):
                total -= 0.7  # a Latin word torn up into other letters
        elif (after > "\x7f" and after.isalpha()) or (char.islower() and "A" <= after <= "Z"):
            total -= 0.5  # accents side by side, or a capital inside a word: no Latin word
    return total / number if number else 0.0


@lru_cache(4096)
def _worth(char: str, encoding: str) -> float:
    """What a character other than ASCII speaks for its encoding, from -1 to 1.1."""
    if encoding not in _COMMON_LEADS:
        if not char.isalpha() or char in "ƒªºµ":
            return -1.0
        cyrillic = "Ѐ" <= char <= "ӿ"
        if encoding in _CYRILLIC:
            return 1.0 if "А" <= char <= "я" or char in "ёЁ" else -0.5
        return -1.0 if cyrillic else 1.0 if "À" <= char <= "ÿ" else 0.2
    packed = char.encode(encoding)
    if len(packed) < 2:
        return -0.2  # half-width katakana
    common = packed[0] in _COMMON_LEADS[encoding] and (
        encoding in ("cp932", "big5") or packed[1] >= 0xA1
    )
    if encoding == "cp949":
        return 1.1 if char in _HANGUL else 0.2 if common else -0.3
    if encoding == "cp932" and "\u3041" <= char <= "\u30fe":
        return 1.1  # kana
    return 0.9 if common else 0.0


def _checked(text: str) -> str:
    """The text, if it is one. Raises ValueError."""
    if "\0" in text:
        raise ValueError("it holds zero bytes")
    return text
