"""What this machine can hold: sizes beyond it are refused before memory is asked for."""

import os
from contextlib import suppress
from pathlib import Path

__all__ = ["check_memory", "memory"]

CGROUPS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))  # of version 2, of 1


def memory() -> int:
    """Bytes that this process may hold: those of the machine, of its container, or what its user allows."""
    found = [2**63]
    with suppress(AttributeError, ValueError, OSError):  # no such question on Windows
        found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for path in CGROUPS:
        with suppress(OSError, ValueError):
            found.append(int(path.read_text()))
    with suppress(ImportError):
        import resource

        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
        found += [limit] if limit != resource.RLIM_INFINITY else []
    return min(found)


def check_memory(wanted: float, what: str, advice: str, share: float = 1.0) -> None:
    """Raise a ``ValueError`` if something takes more bytes than this share of what this process may hold."""
    there = memory()
    if wanted > share * there:
        raise ValueError(f"{what} would take {_told(wanted)} of memory, and there are {_told(there)}: {advice}")


def _told(size: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB", "TB", "PB"):
        if size < 1000 or unit == "PB":
            return f"{size:.3g} {unit}"
        size /= 1000
    raise AssertionError
