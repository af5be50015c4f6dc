"""What the README shows works as it stands (with fewer steps)."""

import re
from pathlib import Path

README = (Path(__file__).parent.parent / "README.md").read_text()


def test_the_code_in_the_readme_runs():
    (code,) = re.findall(r"```python\n(.*?)```", README, flags=re.S)
    assert "steps=5000" in code
    names: dict = {}
    exec(code.replace("steps=5000", "steps=20, progress=False"), names)
    assert names["run"].sample(3).shape == (3, 1, 8, 8)
    assert names["labels"].shape == (500,)


def test_links_and_pictures_of_the_readme_exist():
    for target in re.findall(r"\]\(([^)h][^)]*)\)", README):
        assert (Path(__file__).parent.parent / target.partition("#")[0]).exists(), target
