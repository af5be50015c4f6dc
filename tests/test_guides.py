"""The code of the guides runs as it stands; every guide is in the site, and its links hold in the repository."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs"
GUIDES = sorted(DOCS.glob("*.md"))


@pytest.mark.parametrize("name", ["step-by-hand", "compose", "coming-from"])
def test_the_code_of_a_guide_runs(name, capsys):
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / f"{name}.md").read_text(), re.S)
    assert len(blocks) > 1
    names: dict = {}
    for block in blocks:
        exec(compile(block, f"docs/{name}.md", "exec"), names)
    assert capsys.readouterr().out


def test_every_guide_is_in_the_site():
    listed = re.findall(r"^([a-z-]+)$", (DOCS / "index.md").read_text(), re.M)
    assert {guide.stem for guide in GUIDES} - {"index"} == set(listed)


@pytest.mark.parametrize("guide", [g for g in GUIDES if g.stem != "index"], ids=lambda guide: guide.stem)
def test_links_of_a_guide_hold(guide):
    for target in re.findall(r"\]\(([^)h#][^)]*)\)", guide.read_text()):
        assert (DOCS / target.partition("#")[0]).exists(), target
