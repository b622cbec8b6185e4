"""nmt-translate with a model that was really trained (if not long), on what real input holds."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from rich.console import Console

import nmt
from nmt.errors import UserError
from nmt.recipe import read_recipe
from nmt.run import Run, train_systems
from nmt.stopping import StopRequest
from nmt.translator import Translator
from tests.small_corpus import PHRASE_BASED, write_corpus

pytestmark = pytest.mark.integration

ODD_LINES = {
    "spaces": " \t  ",
    "NUL": "The cat\x00 sees.",
    "only NUL": "\x00",
    "line separator": "The cat\u2028sees a door.",
    "next line": "The cat\x85sees.",
    "form feed": "The cat\x0csees.",
    "lone carriage return": "The cat\rsees.",
    "byte order mark": "\ufeffThe cat sees.",
    "right to left": "القطة ترى الباب",
    "emoji": "The 👩‍👩‍👧 sees 🚪.",
    "combining": "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢L",
    "no spaces": "x" * 3000,
    "pipes": "a ||| b ||| c",
    "tab": "The cat\tsees.",
    "unassigned": "\U000e0fff\uffff",
}


SETTINGS = (
    "width=64", "heads=4", "dropout=0", "training.batch_tokens=512", "training.max_updates=200",
    "training.warmup_updates=50", "training.validate_every=200", "training.log_every=200",
)  # fmt: skip
"""With these the model learns words and their order within a few seconds, if not quite."""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with a model of each kind; not to be changed."""
    folder = tmp_path_factory.mktemp("taught")
    overrides = [f"systems.small.{setting}" for setting in SETTINGS]
    overrides.append(f"systems.phrases={PHRASE_BASED}")
    overrides.append("systems.words={kind: word-by-word}")
    overrides.append("systems.recurrent={kind: recurrent, preset: tiny}")
    overrides += [f"systems.recurrent.{setting}" for setting in SETTINGS]
    overrides.append("systems.recurrent.training.learning_rate=2e-2")
    overrides.append("systems.both={kind: ensemble, members: [small, recurrent]}")
    recipe = read_recipe(str(write_corpus(folder, train=400)), overrides)
    console = Console(file=io.StringIO())
    run = Run(recipe, folder / "runs", "cpu", console, StopRequest())
    train_systems(run, list(recipe.systems))
    return run.folder


@pytest.fixture(scope="module", params=["small", "recurrent", "both", "phrases", "words"])
def model(models: Path, request: pytest.FixtureRequest) -> Path:
    """The model folder of each."""
    return models / str(request.param)


@pytest.fixture(scope="module")
def translator(model: Path) -> Translator:
    """The same, loaded."""
    return nmt.load(model, device="cpu")


def translate(model: Path, data: bytes, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run the command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", "from nmt.cli.translate import main; main()", str(model),
         "--device", "cpu", *arguments],
        input=data, capture_output=True, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def test_as_many_lines_as_went_in_whatever_they_hold(model: Path, translator: Translator) -> None:
    """Each at its place, and the same as it would be alone."""
    lines = ["The cat sees a door.", "", *ODD_LINES.values(), "A lamp finds the street."]
    data = "\n".join(lines).encode("utf-8") + b"\n"
    done = translate(model, data)
    assert done.returncode == 0, done.stderr
    out = done.stdout.decode("utf-8").split("\n")
    assert out.pop() == ""
    assert len(out) == len(lines)
    assert "Katze" in out[0]
    assert out[1] == ""
    assert out[2] == ""
    assert out == [translator.translate(line)[0].text for line in lines]
    for line in out:
        assert not any(
            unicodedata.category(c) in ("Zl", "Zp") or c in "\r\x0b\x0c\x85" for c in line
        )


def test_a_line_of_a_hundred_thousand_characters(translator: Translator) -> None:
    """Translated whole: more input gives more output, and neighbours are not touched."""
    sentence = "The old cat never sees a green door here. "
    long = (sentence * (100_000 // len(sentence) + 1))[:100_000]
    before, middle, after = translator.translate(["A lamp.", long, "The street."], beam=1)
    assert before.text == translator.translate("A lamp.", beam=1)[0].text
    assert after.text == translator.translate("The street.", beam=1)[0].text
    short = translator.translate(sentence, beam=1)[0]
    assert middle.num_source_pieces > 1000 * short.num_source_pieces
    assert len(middle.text) > 500 * len(short.text)
    assert "\n" not in middle.text


def test_windows_line_ends_and_a_byte_order_mark_are_no_text(model: Path) -> None:
    """The same as without them."""
    plain = "The cat sees.\n\nA door.\n"
    windows = b"\xef\xbb\xbf" + plain.replace("\n", "\r\n").encode()
    assert translate(model, windows).stdout == translate(model, plain.encode()).stdout


def test_no_input_is_no_output(model: Path) -> None:
    """And no error."""
    done = translate(model, b"")
    assert (done.returncode, done.stdout) == (0, b"")


def test_input_that_is_not_text_is_named(model: Path) -> None:
    """With its line; what came before is translated."""
    done = translate(model, b"The cat sees.\n\xff\xfe\xfd\n", "--beam", "1")
    assert done.returncode == 2
    assert b"standard input:2" in done.stderr
    assert b"not valid UTF-8" in done.stderr
    assert done.stdout.count(b"\n") == 1


FILES = {
    "small": ("model.safetensors", "model.json", "tokenizer/joint/tokenizer.json"),
    "phrases": (
        "model.json", "weights.json", "tokenizer/source/words.txt", "phrases/scores.npy",
        "phrases/slots.npy", "phrases/target.words", "language-model/slots.npy",
    ),
}  # fmt: skip
# Whether a bit of model.json matters depends on the bit; it is the list of what all others are.
DAMAGES = [
    *(
        (system, name, damage)
        for system, names in FILES.items()
        for name in names
        for damage in ("missing", "empty", "truncated")
    ),
    ("small", "tokenizer/joint/tokenizer.json", "flipped"),
    ("phrases", "weights.json", "flipped"),
    ("phrases", "phrases/scores.npy", "flipped"),
]


@pytest.mark.parametrize(("system", "name", "damage"), DAMAGES)
def test_a_damaged_model_folder_is_named(
    models: Path, tmp_path: Path, system: str, name: str, damage: str
) -> None:
    """The file, and what to do; never a traceback, never a translation by chance."""
    copy = tmp_path / "model"
    shutil.copytree(models / system, copy, ignore=shutil.ignore_patterns("training"))
    path = copy / name
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "truncated":
        path.write_bytes(content[: len(content) // 2])
    else:
        place = len(content) // 2
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
    with pytest.raises(UserError) as raised:
        nmt.load(copy)
    assert path.name in str(raised.value)


def test_a_model_folder_can_be_moved(model: Path, tmp_path: Path, translator: Translator) -> None:
    """Without the corpus, the checkpoints and the cache."""
    moved = tmp_path / "elsewhere"
    shutil.copytree(model, moved, ignore=shutil.ignore_patterns("training"))
    text = "The old cat sees a door."
    found = nmt.load(moved, device="cpu").translate(text)[0]
    assert found.text == translator.translate(text)[0].text
    assert found.score == translator.translate(text)[0].score


def test_models_given_together_are_the_ensemble_of_the_recipe(models: Path) -> None:
    """By the command, which names those that cannot."""
    data = b"The old cat sees a door.\nA lamp finds the street.\n"
    search = ("--beam", "5", "--length-penalty", "1")
    both = translate(models / "small", data, "--ensemble", str(models / "recurrent"), *search)
    assert both.returncode == 0, both.stderr
    made = translate(models / "both", data, *search, "--scores")
    assert both.stdout.splitlines() == [line.split(b"\t")[1] for line in made.stdout.splitlines()]
    wrong = translate(models / "small", data, "--ensemble", str(models / "phrases"))
    assert wrong.returncode == 2
    assert b"phrases: not a neural system" in wrong.stderr
    assert wrong.stdout == b""
