"""Arrays of numpy's files, read in bounds and never as pickles."""

import math
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from numpy.lib import format as npy
from numpy.typing import NDArray

from bnpgan.data.packed import check_ratio
from bnpgan.data.parsing import check_size, file_of, readable

__all__ = ["array", "arrays", "member"]


def arrays(path: Path, names: Iterable[str] | None = None) -> dict[str, NDArray]:
    """The arrays of these names, or all, of an ``.npz``.

    Raises:
        ValueError: If one is missing or damaged, or does not fit into memory.
    """
    with readable(file_of(path), "put the original file there"), zipfile.ZipFile(path) as stored:
        there = {name.removesuffix(".npy"): name for name in stored.namelist() if name.endswith(".npy")}
        wanted = list(there) if names is None else list(names)
        if missing := [name for name in wanted if name not in there]:
            raise ValueError(f"holds the arrays {sorted(there)}, and not {', '.join(missing)}")
        return {name: member(stored, there[name]) for name in wanted}


def member(stored: zipfile.ZipFile, name: str) -> NDArray:
    """One array of an archive."""
    told = stored.getinfo(name)
    check_ratio(told.file_size, told.compress_size)
    with stored.open(name) as file:
        found = array(file, told.file_size)
        file.read(1)  # the end, where the checksum is compared
        return found


def array(file: IO[bytes], size: int) -> NDArray:
    """The array of a file of so many bytes; nothing is read, and no memory taken, before it is sure that they fit."""
    version = npy.read_magic(file)
    shape, _, dtype = (npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0)(file)
    if dtype.hasobject:
        raise ValueError("Object arrays are no numbers, and may do harm")
    if any(side < 0 for side in shape):
        raise ValueError(f"its shape is {shape}")
    header, count = file.tell(), math.prod(shape)
    if count * dtype.itemsize != size - header:
        raise ValueError(f"holds {size - header} bytes for an array {dtype} of shape {shape}: it is damaged")
    check_size(count, f"an array of shape {shape}")
    file.seek(0)
    return npy.read_array(file, allow_pickle=False)
