"""The names inside a zip, which often does not say in which encoding they are."""

from __future__ import annotations

import unicodedata
import zipfile

from studio.images.encodings import guess_encoding

_UTF8_FLAG = 0x800


def member_names(archive: zipfile.ZipFile) -> tuple[dict[zipfile.ZipInfo, str], str]:
    """The name of each member, with `/` and composed Unicode; and what was guessed, "" if nothing.

    Without the flag that says UTF-8 the bytes are those of whatever system packed them: UTF-8 on a
    Mac, the code page of its country on Windows. All of them are looked at together.
    """
    raw = {member: _bytes(member) for member in archive.infolist()}
    unsaid = [data for data in raw.values() if data is not None and not data.isascii()]
    encoding, note = "utf-8", ""
    if unsaid:
        try:
            encoding = guess_encoding(unsaid)
        except ValueError:
            encoding = "cp437"  # what the format itself says; it has a character for every byte
        if encoding != "utf-8":
            note = f"the names in it are not marked as UTF-8 and were read as {encoding}"
    names = {
        member: member.filename if data is None else data.decode(encoding)
        for member, data in raw.items()
    }
    return {
        member: unicodedata.normalize("NFC", name.replace("\\", "/"))
        for member, name in names.items()
    }, note


def _bytes(member: zipfile.ZipInfo) -> bytes | None:
    """The bytes of a name that zipfile decoded as if they were cp437; None if it knew better."""
    if member.flag_bits & _UTF8_FLAG:
        return None
    try:
        return member.orig_filename.encode("cp437")
    except UnicodeEncodeError:  # from the field for names in Unicode
        return None
