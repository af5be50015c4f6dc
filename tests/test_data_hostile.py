"""Files that mean harm, or are broken in a way that looks like it: one line, in bounded memory and time."""

import bz2
import gzip
import io
import lzma
import os
import struct
import zipfile
import zlib

import numpy as np
import pytest
from test_fuzz import png_chunk, watched

from bnpgan import data

MEBIBYTE = bytes(2**20)


def header(shape, length=None):
    """The beginning of an npy file that declares this shape."""
    told = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}}}".encode()
    return b"\x93NUMPY\x02\0" + struct.pack("<I", len(told) if length is None else length) + told


def npz(content, name="x.npy", flags=0):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    made = bytearray(file.getvalue())
    made[6] |= flags  # of the member, and in the directory
    made[made.index(b"PK\1\2") + 8] |= flags
    return bytes(made)


def npy(array):
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def png(width, height, *more):
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", head), *more, (b"IDAT", zlib.compress(b"\0")), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks)


FILES = {
    "an array beyond memory": ("x.npy", header((10**12, 2)) + bytes(64)),
    "an array that none can count": ("x.npy", header((10**30, 2)) + bytes(64)),
    "fewer than no rows": ("x.npy", header((-2, 2)) + bytes(64)),
    "less than it declares": ("x.npy", header((100, 2)) + bytes(64)),
    "a header without end": ("x.npy", header((2, 2), 2**32 - 1)),
    "a deep header": ("x.npy", header("(" * 5000 + ")" * 5000)),
    "a shape of text": ("x.npy", header("('a', 2)") + bytes(64)),
    "a pickle": ("x.npy", npy(np.array([{"a": 1}]))),
    "a pickle in an archive": ("x.npz", npz(npy(np.array([{"a": 1}])))),
    "an array beyond memory, in an archive": ("x.npz", npz(header((10**12, 2)) + bytes(64))),
    "an encrypted member": ("x.npz", npz(npy(np.zeros((3, 2))), flags=1)),
    "an archive of text": ("x.npz", npz(b"hello", "readme.txt")),
    "a packed bomb": ("x.npz", npz(header((2**22 * 10, 1)) + bytes(2**25 * 10))),
    "a bomb of gzip": ("x.csv.gz", gzip.compress(MEBIBYTE) * 300),
    "a bomb of bzip2": ("x.csv.bz2", bz2.compress(MEBIBYTE) * 300),
    "a bomb of xz": ("x.csv.xz", lzma.compress(MEBIBYTE) * 300),
    "an encrypted table": ("x.csv.zip", npz(b"1,2\n3,4\n", "x.csv", flags=1)),
    "an archive of no table": ("x.csv.zip", npz(b"", "folder/")),
    "damaged compression": ("x.csv.gz", gzip.compress(b"1,2\n3,4\n" * 50)[:-9]),
    "a table of one endless cell": ("x.csv", b"1" * 2**22),
    "a quote that never ends": ("x.csv", b'"' + b"1,2\n" * 2**18),
    "zeros as a table": ("x.csv", bytes(2**20)),
    "a picture beyond memory": ("set/x.png", png(20_000, 20_000)),
    "a picture that is cut off": ("set/x.png", png(20, 20)),
    "a picture with a bomb of text": ("set/x.png", png(8, 8, (b"zTXt", b"a\0\0" + zlib.compress(bytes(2**27))))),
    "a set beyond memory": ("mnist/train-images-idx3-ubyte", struct.pack(">4I", 0x803, 2**32 - 1, 28, 28) + bytes(99)),
    "a set that is a bomb": (
        "mnist/train-images-idx3-ubyte.gz",
        gzip.compress(struct.pack(">4I", 0x803, 2**32 - 1, 28, 28) + MEBIBYTE) + gzip.compress(MEBIBYTE) * 300,
    ),
}


def is_named(path, root):
    with pytest.raises(ValueError) as caught:
        data.load("mnist", root=root) if path.parent.name == "mnist" else data.load(
            path.parent if path.parent.name == "set" else path
        )
    assert str(path) in str(caught.value) and len(str(caught.value)) < 600


def test_each_is_named_in_bounded_memory_and_time(tmp_path):
    def one(kind):
        name, content = FILES[kind]
        path = tmp_path / str(list(FILES).index(kind)) / name
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
        is_named(path, path.parent.parent)

    watched(FILES, one)


@pytest.mark.parametrize("ending", ["npy", "npz", "csv", "csv.gz"])
def test_pipes_and_devices_are_no_files(tmp_path, ending):
    def one(what):
        path = tmp_path / f"{what}.{ending}"
        os.mkfifo(path) if what == "pipe" else path.symlink_to("/dev/zero")
        with pytest.raises(ValueError, match="is neither a file nor a folder, but a pipe or a device"):
            data.load(path)

    watched(["pipe", "device"], one)


def test_what_has_another_ending_than_it_should_is_named(tmp_path):
    for name in ("x.npy", "x.npz", "set/x.png", "set/x.tif", "set/x.gif"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"1,2\n3,4\n")
        is_named(path, tmp_path)
        path.unlink()
