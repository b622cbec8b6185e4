"""Files of an evaluation: every fault is reported, every accident is seen."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from nmt.errors import UserError, UserErrors
from nmt.evaluation.inputs import Inputs, find_accidents, read_inputs


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An evaluation of three segments, in the working directory."""
    monkeypatch.chdir(tmp_path)
    Path("ref").write_text("ein Haus\nzwei\u2028Wege\ndrei\n", newline="\n")
    Path("hyp").write_bytes("\ufeffein Haus\r\n\r\ndrei".encode())
    return tmp_path


def read(*hypotheses: str, references: tuple[str, ...] = ("ref",), stdin: bytes = b"") -> Inputs:
    return read_inputs(list(hypotheses), list(references), standard_input=io.BytesIO(stdin))


def test_files_are_read_by_the_rules_of_lines() -> None:
    inputs = read("hyp", "-", stdin=b"a\n\nc\n")
    assert inputs.references == {"ref": ["ein Haus", "zwei\u2028Wege", "drei"]}
    assert inputs.systems == {"hyp": ["ein Haus", "", "drei"], "-": ["a", "", "c"]}
    assert list(read("-", "hyp", stdin=b"a\n\nc\n").systems) == ["-", "hyp"]


def test_all_faults_are_reported_together() -> None:
    Path("short").write_text("one\n")
    Path("latin1").write_bytes(b"a\nb\xfc\nc\n")
    Path("empty").touch()
    with pytest.raises(UserErrors) as caught:
        read("hyp", "short", "latin1", "hpy", "empty")
    assert len(caught.value.errors) == 4
    message = str(caught.value)
    assert "short: 1 line, but the reference ref has 3" in message
    assert "latin1:2: not valid UTF-8" in message
    assert "hpy: no such file\n  did you mean hyp?" in message
    assert "empty: 0 lines, but the reference ref has 3" in message


def test_an_empty_reference_is_nothing_to_score() -> None:
    Path("empty").touch()
    with pytest.raises(UserError, match="empty: the file is empty: there is nothing to score"):
        read("hyp", references=("empty",))


@pytest.mark.parametrize("again", ["hyp", "./hyp"])
def test_the_same_hypotheses_twice_are_a_mistake(again: str) -> None:
    with pytest.raises(UserError, match="given twice"):
        read("hyp", again)
    with pytest.raises(UserError, match="given twice"):
        read("hyp", references=("ref", "./ref"))
    with pytest.raises(UserError, match="only once"):
        read("-", references=("-",))


def test_accidents_are_seen() -> None:
    reference = ["a b .", "c", "d", "e", "f"]
    inputs = Inputs(
        {
            "same": reference,
            "copy": ["A b", "C", "x", "y", "z"],
            "twin": ["A b", "C", "x", "y", "z"],
            "blank": ["", " ", "x", "y", "F"],
            "tokenized": ["a .", "b .", "c .", "d", "e"],
        },
        {"ref": reference},
        source=["A b", "C", "D", "E", "F"],
    )
    assert find_accidents(inputs) == [
        "same is, line for line, the reference ref",
        "copy: 2 lines equal to the source line",
        "twin is, line for line, the output copy",
        "twin: 2 lines equal to the source line",
        "blank: 2 lines blank, scored as empty",
        "blank: 1 line equal to the source line",
        'tokenized: 3 lines in " .", like tokenized text; '
        "scores can be compared only on detokenized text",
    ]


def test_sound_output_raises_no_alarm() -> None:
    reference = [f"Satz {number}." for number in range(300)]
    system = [f"Satz {number} ." if number < 99 else f"Satz {number}." for number in range(300)]
    assert find_accidents(Inputs({"hyp": system}, {"ref": reference})) == []
