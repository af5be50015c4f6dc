"""The disk: what is written whole or not at all, who is at work in a directory, and files that are files.

What is being written is a hidden file beside the one that it will replace, ``.bnpgan-....part``, locked while its
process lives; those of processes that were killed are removed by the next that writes to the folder. A link in the
place of a file is replaced, not written through.
"""

import os
import secrets
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # Windows: nothing there tells whether another process is at work
    fcntl = None  # type: ignore[assignment]

__all__ = ["Directory", "appended", "foreign", "opened", "written"]

OURS = ".bnpgan-"  # how the names of drafts and locks begin
NO_LINK = getattr(os, "O_NOFOLLOW", 0)


@contextmanager
def written(path: Path) -> Iterator[BinaryIO]:
    """A file to write to, which takes the place of ``path`` when the block ends well and else is gone.

    Raises:
        OSError: if it cannot be written; the message names ``path``, which is then as it was.
    """
    draft = path.with_name(f"{OURS}{secrets.token_hex(6)}.part")
    try:
        _sweep(path.parent)
        with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY | NO_LINK, 0o666), "wb") as file:
            with suppress(OSError):  # a file system without locks
                _lock(file.fileno())
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    except OSError as error:
        reason = error.strerror or str(error)
        if not path.parent.is_dir():
            reason = f"{path.parent} is not there, or not any more"
        raise _told(error, f"{path} cannot be written: {reason}") from None
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


class Directory:
    """The lock of a directory: held by one process at a time, and gone with it however that ends."""

    def __init__(self, path: Path) -> None:
        self.lock, self.file = path / f"{OURS}lock", -1

    def take(self) -> None:
        """Take the lock, and remove what processes that were killed have left.

        Raises:
            ValueError: if another process has it.
        """
        while True:
            try:
                file = os.open(self.lock, os.O_CREAT | os.O_RDWR | NO_LINK, 0o666)
            except OSError as error:
                raise _told(error, f"{self.lock} cannot be written: {error.strerror}") from None
            try:
                _lock(file)
            except BlockingIOError:
                holder = os.read(file, 200).decode(errors="replace")
                os.close(file)
                raise ValueError(
                    f"{self.lock.parent} is in use by another training{holder and ', ' + holder}: "
                    "wait for it to end, or name another place"
                ) from None
            except OSError:  # a file system without locks
                pass
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(file), os.stat(self.lock)):
                    break
            os.close(file)  # of a process that has just given it up, and removed
        with suppress(OSError):  # a full disk; who has the lock is only told to people
            os.ftruncate(file, 0)
            os.write(file, f"process {os.getpid()} on {socket.gethostname()}".encode())
        self.file = file
        _sweep(self.lock.parent)

    def give_back(self) -> None:
        """Give it back, if it was taken; nothing of it stays behind."""
        if self.file >= 0:
            with suppress(OSError):  # the directory may be gone
                self.lock.unlink()
            os.close(self.file)
            self.file = -1


def foreign(path: Path) -> list[str]:
    """The names of what a directory holds besides drafts and locks."""
    return sorted(name for name in os.listdir(path) if not name.startswith(OURS))


def opened(path: Path) -> BinaryIO:
    """The file, to be read; a ``ValueError`` where it is a pipe or a device, which might never end."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise ValueError(f"{path} is no file but a folder, a pipe or a device: name a file")
    return path.open("rb")


@contextmanager
def appended(path: Path) -> Iterator[BinaryIO]:
    """A file to add to.

    Raises:
        OSError: if it cannot be written, or is a link.
    """
    try:
        with os.fdopen(os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY | NO_LINK, 0o666), "ab") as file:
            yield file
    except OSError as error:
        raise _told(error, f"{path} cannot be written: {error.strerror}") from None


def _told(error: OSError, message: str) -> OSError:
    told = type(error)(message)
    told.errno = error.errno
    return told


def _lock(file: int) -> None:
    # For as long as the file is open; raises BlockingIOError where another process has it.
    if fcntl is not None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _sweep(folder: Path) -> None:
    # Remove the drafts of processes that are no more.
    if fcntl is None:
        return
    for left in folder.glob(f"{OURS}*.part"):
        with suppress(OSError):
            file = os.open(left, os.O_RDWR | NO_LINK)
            try:
                _lock(file)
                left.unlink()
            finally:
                os.close(file)
