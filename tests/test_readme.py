"""Every command, recipe and program of the README is run here, on a corpus made up on the spot."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")

# These two are what runs this very test.
RUN_ELSEWHERE = {"make test", "pip install '.[bench]'"}
# The README's training takes an hour; what is tested is that it starts, ends and can be used.
SHORTER = {"max_minutes: 60": "max_updates: 3"}

WORDS = {
    "the": "die", "a": "eine", "cat": "Katze", "door": "Tür", "lamp": "Lampe", "street": "Straße",
    "sees": "sieht", "finds": "findet", "opens": "öffnet", "old": "alte", "small": "kleine",
    "green": "grüne", "today": "heute", "never": "nie", "here": "hier",
}  # fmt: skip


def blocks(language: str) -> list[str]:
    """The README's code blocks in a language."""
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def commands() -> list[str]:
    """What stands behind a ``$``, without comments."""
    lines = [line for block in blocks("console") for line in block.splitlines()]
    assert all(line.startswith("$ ") for line in lines)
    return [re.split(r"\s{2,}#", line[2:])[0].strip() for line in lines]


def write_corpus(folder: Path) -> None:
    """Small files under the names that the README uses."""
    rng = random.Random(1)
    for split, size in (("train", 400), ("valid", 20), ("test", 20)):
        pairs = []
        for _ in range(size):
            words = rng.choices(list(WORDS), k=rng.randint(3, 9))
            pairs.append((" ".join(words), " ".join(WORDS[word] for word in words)))
        for side, language in enumerate(("en", "de")):
            text = "".join(f"{pair[side].capitalize()}.\n" for pair in pairs)
            (folder / f"{split}.{language}").write_text(text, encoding="utf-8")
    (folder / "new.en").write_text("The cat opens a door.\n\nThe lamp.\n", encoding="utf-8")
    (folder / "messages.po").write_text(
        'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"\n\n'
        'msgid "The %s sees <b>a lamp</b>."\nmsgstr ""\n',
        encoding="utf-8",
    )
    for name in ("baseline.de", "mine.de"):
        lines = (folder / "test.de").read_text(encoding="utf-8").splitlines()
        rng.shuffle(lines)
        (folder / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def run(command: str, folder: Path) -> str:
    """Run a command line as a newcomer's shell would, with our programs on the path."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        command,
        shell=True,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_every_command_is_known() -> None:
    """A command that is added to the README is added here, too."""
    demo = [
        c for c in commands() if c.startswith("make ") or re.search("libreoffice-help|pocket", c)
    ]
    own = [c for c in commands() if "my-recipe" in c or c.startswith(("nmt-score", "nmt-align"))]
    assert set(commands()) == {*demo, *own, *RUN_ELSEWHERE}
    assert len(own) >= 5


@pytest.mark.integration
def test_own_corpus(tmp_path: Path) -> None:
    """The commands of "On your own text", "Translating" and "Scoring", one after the other."""
    write_corpus(tmp_path)
    (recipe,) = blocks("yaml")
    for long, short in SHORTER.items():
        assert long in recipe
        recipe = recipe.replace(long, short)
    (tmp_path / "my-recipe.yaml").write_text(recipe, encoding="utf-8")
    for command in commands():
        if "my-recipe" in command or command.startswith(("nmt-score", "nmt-align")):
            run(command, tmp_path)
    assert len((tmp_path / "train.links").read_text(encoding="utf-8").splitlines()) == 400
    translated = (tmp_path / "new.de").read_text(encoding="utf-8").split("\n")
    assert len(translated) == 4
    assert translated[1] == ""
    messages = (tmp_path / "messages.de.po").read_text(encoding="utf-8")
    assert messages.count("%s") == messages.count("<b>") == messages.count("</b>") == 2
    assert (tmp_path / "runs" / "my-recipe" / "benchmark" / "report.html").is_file()
    (program,) = blocks("python")
    (tmp_path / "program.py").write_text(program, encoding="utf-8")
    assert len(run("python program.py", tmp_path).splitlines()) == 2


SHORT_DEMO = (
    *(
        f"systems.{name}.training.{setting}"
        for name in ("recurrent", "transformer")
        for setting in ("max_updates=3", "warmup_updates=1")
    ),
    "systems.phrase-based.tuning.max_rounds=1",
    "--no-speed",
)
"""Trainings of three updates in place of the demo's."""


@pytest.mark.integration
def test_demo(tmp_path: Path) -> None:
    """``make demo`` as it stands, but for the length of its trainings."""
    marker = tmp_path / "installed"
    marker.touch()
    (tmp_path / "Makefile").write_text((ROOT / "Makefile").read_text(encoding="utf-8"))
    (tmp_path / "pyproject.toml").touch()
    os.utime(tmp_path / "pyproject.toml", (0, 0))
    (tmp_path / "recipes").symlink_to(ROOT / "recipes")
    options = " ".join(SHORT_DEMO)
    out = run(f"make demo VENV={sys.prefix} READY={marker} OPTIONS='{options}'", tmp_path)
    for name in ("word-by-word", "phrase-based", "recurrent", "transformer", "report.html"):
        assert name in out
    command = next(c for c in commands() if c.startswith("echo") and "pocket" in c)
    assert len(run(command, tmp_path).splitlines()) == 1


@pytest.mark.integration
@pytest.mark.network
def test_demo_with_real_text(tmp_path: Path, apt_packages: None) -> None:
    """The README's commands with LibreOffice's help, but for a training of three updates."""
    train, translate = (c for c in commands() if "libreoffice-help" in c)
    run(f"{train} systems.transformer.training.max_updates=3", tmp_path)
    assert len(run(translate, tmp_path).splitlines()) == 1


def test_pictures_and_links_are_there() -> None:
    """What the README shows or points to exists."""
    targets = re.findall(r"\]\(([^)#]+)\)", README)
    assert targets
    missing = [t for t in targets if not t.startswith("http") and not (ROOT / t).exists()]
    assert missing == []
