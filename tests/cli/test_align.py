"""nmt-align as a user runs it."""

from __future__ import annotations

from pathlib import Path

import pytest

from nmt.cli.align import main

SOURCE = ["the house", "the book", "", "a book", "a house"]
TARGET = ["das Haus", "das Buch", "", "ein Buch", "ein Haus"]
LINKS = ["0-0 1-1", "0-0 1-1", "", "0-0 1-1", "0-0 1-1"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small bitext in the working directory: often enough for words to be told apart."""
    monkeypatch.chdir(tmp_path)
    write("source", SOURCE * 5)
    write("target", TARGET * 5)
    write("both", [f"{s} ||| {t}" for s, t in zip(SOURCE, TARGET, strict=True)] * 5)
    return tmp_path


def write(name: str, lines: list[str]) -> None:
    Path(name).write_text("".join(line + "\n" for line in lines), encoding="utf-8")


@pytest.fixture
def nmt_align(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run the command in this process."""
    return Command(monkeypatch, capsys)


class Command:
    """``nmt-align``: called with a command line, gives exit code, output and messages."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.monkeypatch = monkeypatch
        self.capsys = capsys

    def __call__(self, line: str) -> tuple[int, str, str]:
        self.monkeypatch.setattr("sys.argv", ["nmt-align", *line.split()])
        with pytest.raises(SystemExit) as caught:
            main()
        assert isinstance(caught.value.code, int)
        return caught.value.code, *self.capsys.readouterr()


@pytest.mark.parametrize("model", ["fast-align", "hmm", "eflomal"])
@pytest.mark.parametrize("files", ["source target", "both"])
def test_links_of_a_small_bitext(nmt_align: Command, model: str, files: str) -> None:
    code, output, messages = nmt_align(f"{files} --model {model} --quiet")
    assert (code, messages) == (0, "")
    assert output.split("\n") == [*LINKS * 5, ""]


def test_progress_and_output_file(nmt_align: Command) -> None:
    code, output, messages = nmt_align("source target --model ibm1 --iterations 2 -o links")
    assert (code, output) == (0, "")
    assert Path("links").read_text().count("\n") == 25
    lines = messages.splitlines()
    assert len(lines) == 4
    assert lines[0].startswith("alignment, forward: round 1 of 2, perplexity ")


def test_a_model_is_kept_and_used(nmt_align: Command) -> None:
    assert nmt_align("source target --quiet --save-model model")[0] == 0
    write("new.source", ["a house unheard", "", "the  book\t"])
    write("new.target", ["ein Haus unerhört", "\t", "das Buch"])
    code, output, _ = nmt_align("new.source new.target --with-model model")
    assert code == 0
    lines = output.split("\n")
    assert len(lines) == 4
    assert lines[0].startswith("0-0 1-1")
    assert lines[1:] == ["", "0-0 1-1", ""]
    # A model gives way to a new one.
    assert nmt_align("source target --quiet --save-model model --model hmm")[0] == 0


def test_directions(nmt_align: Command) -> None:
    write("long.source", ["the the house", *SOURCE * 5])
    write("long.target", ["das Haus", *TARGET * 5])
    command = "long.source long.target --quiet --model hmm --direction"
    forward = nmt_align(f"{command} forward")[1].split("\n")[0].split()
    reverse = nmt_align(f"{command} reverse")[1].split("\n")[0].split()
    assert len({link.split("-")[1] for link in forward}) == len(forward) == 2
    assert len({link.split("-")[0] for link in reverse}) == len(reverse)
    union = nmt_align("long.source long.target --quiet --model hmm --symmetrization union")
    assert set(union[1].split("\n")[0].split()) == {*forward, *reverse}


def test_error_rate(nmt_align: Command) -> None:
    # Of 4 links found in two lines, 3 are sure and the other is possible.
    write("gold", ["1-1 2p2", "1-1 2-2"])
    code, _, messages = nmt_align("source target --quiet --gold gold --gold-from 1")
    assert code == 0
    assert messages == "AER 0.0%, precision 100.0%, recall 100.0%, of 2 sentence pairs\n"
    write("gold", ["0-1 1-1"])
    messages = nmt_align("source target --quiet --gold gold")[2]
    assert messages == "AER 50.0%, precision 50.0%, recall 50.0%, of 1 sentence pairs\n"


def test_no_lines(nmt_align: Command) -> None:
    write("empty", [])
    assert nmt_align("empty --quiet")[:2] == (0, "")


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("source tarjet", "tarjet: no such file\n  did you mean target?"),
        ("sourze tarjet", "2 problems"),
        ("source short", "short: 1 lines, but source has 25"),
        ("source", "source:1: no |||"),
        ("twice", "twice:2: 2 times |||"),
        ("source latin", "latin:2: not valid UTF-8"),
        ("source target --direction forward --symmetrization union", "needs both directions"),
        ("source target --with-model m --model hmm --seed 3", "--model, --seed is for training"),
        ("source target --with-model nowhere", "nowhere: not an alignment model"),
        ("source target --save-model full", "full: this folder holds something else"),
        ("source target --save-model source", "source: this is a file"),
        ("source target --gold badgold", "badgold:1: '1:1' is not a link"),
        ("source target --gold source", "source:1: 'the' is not a link"),
        ("source target --gold off", "off:1: there is no 2-2 in sentences of 2 and 2 words"),
        ("source target --gold empty", "empty: there are no links in it"),
        ("source target --gold-from 1", "--gold-from has no effect without --gold"),
        ("source target --iterations 3", "--iterations is of EM"),
        ("source target --model hmm --seed 3", "hmm does not draw"),
        ("source target --quiet -o full", "full: cannot write"),
    ],
)
def test_mistakes(nmt_align: Command, command: str, message: str) -> None:
    write("short", ["das Haus"])
    write("twice", ["a ||| b", "a ||| b ||| c"])
    Path("latin").write_bytes(b"das\nB\xfccher\n" + b"x\n" * 23)
    Path("full").mkdir()
    write("full/precious", ["text"])
    write("badgold", ["1:1"])
    write("empty", [])
    write("off", ["1-1 2-2"])
    before = sorted(Path().rglob("*"))
    code, output, messages = nmt_align(command)
    assert (code, output) == (2, "")
    assert message in messages
    assert "Traceback" not in messages
    assert sorted(Path().rglob("*")) == before


def test_sentences_too_long(nmt_align: Command) -> None:
    write("long", ["x", "a " * 65537, "a " * 5000])
    write("short", ["x", "y", "b " * 6000])
    code, _, messages = nmt_align("long short")
    assert code == 2
    assert "long:2: 65,537 words; a sentence has at most 65,536" in messages
    assert "short:3: sentences of 5,000 and 6,000 words are too long to align" in messages
