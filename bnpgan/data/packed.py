"""Files that may be compressed, opened so far as memory goes."""

import bz2
import gzip
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from bnpgan.data.parsing import file_of, readable
from bnpgan.limits import memory

__all__ = ["COMPRESSED", "check_ratio", "content"]

FREE = 2**28  # bytes that any file may unpack to
RATIO = 200  # beyond that, what comes out of a byte: more is a bomb, or a set of hardly anything but zeros
DAMAGED = "it is damaged, or holds too much: unpack it yourself"


def content(path: Path) -> bytes:
    """The bytes of a file, unpacked if its name ends as those of compressed files do.

    Raises:
        ValueError: If it is no file, is damaged, or unpacks to more than a share of memory or than it can well hold.
    """
    most = memory() // 16  # text takes some ten times as much until it is numbers
    with readable(file_of(path), DAMAGED), COMPRESSED.get(path.suffix.lower(), _plain)(path) as file:
        found = file.read(min(most, FREE) + 1)
        if len(found) > FREE:
            check_ratio(len(found), path.stat().st_size)
            found += file.read(most)
        if len(found) > most:
            raise ValueError(f"unpacks to more than {most} bytes, for which there is no memory")
        return found


def check_ratio(unpacked: int, packed: int) -> None:
    """Raise a ``ValueError`` if a packed file is a bomb."""
    if unpacked > FREE and unpacked > RATIO * packed:
        raise ValueError(f"{packed} bytes unpack to {unpacked} or more")


def _plain(path: Path) -> IO[bytes]:
    return path.open("rb")


def _only_member(path: Path) -> IO[bytes]:
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/") and "__MACOSX" not in name]
        if len(names) != 1:
            raise ValueError(f"holds {len(names)} files, not one")
        return archive.open(names[0])


COMPRESSED: dict[str, Callable[[Path], Any]] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
    ".zip": _only_member,
}
"""How files of these endings are opened."""
