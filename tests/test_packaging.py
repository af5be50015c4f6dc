"""What is shipped: an archive that holds what its tests need, and a description whose links hold on the index."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("bnpgan", "benchmarks", "docs", "examples", "tests")
BUILT = ("__pycache__", "_build", "gallery", "bnpgan.*.rst")  # by Python, and by `make docs`


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """The source distribution, unpacked."""
    pytest.importorskip("setuptools", minversion="77")
    made = tmp_path_factory.mktemp("sdist")
    for name in FOLDERS:
        shutil.copytree(ROOT / name, made / name, ignore=shutil.ignore_patterns(*BUILT))
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy(path, made)
    script = "import setuptools.build_meta as b; print(b.build_sdist('.'))"
    built = subprocess.run([sys.executable, "-c", script], cwd=made, check=True, capture_output=True, text=True)
    with tarfile.open(made / built.stdout.splitlines()[-1]) as packed:
        packed.extraction_filter = getattr(tarfile, "data_filter", None)  # came with Python 3.11.4
        packed.extractall(made / "out")
    return next((made / "out").iterdir())


def test_the_archive_holds_all_that_its_tests_need(archive):
    def files(root):
        found = {path.relative_to(root) for name in FOLDERS for path in (root / name).rglob("*") if path.is_file()}
        return {str(path) for path in found if not any(fnmatch(part, built) for part in path.parts for built in BUILT)}

    assert files(archive) == files(ROOT)
    assert {"Makefile", "constraints.txt", "CITATION.cff", "LICENSE", "README.md"} <= set(os.listdir(archive))


def test_links_of_the_description_hold_anywhere(archive):
    told = (archive / "PKG-INFO").read_text()
    links = re.findall(r"\]\(([^)]+)\)", told)
    assert len(links) > 30 and all(link.startswith("https://") for link in links)
    assert "raw/main/docs/images/demo_samples.png" in told and "blob/main/docs/results.md#on-a-gpu" in told
    assert told.count("Project-URL: ") == 4
