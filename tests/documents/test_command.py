"""nmt-translate with documents."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import nmt.systems
from nmt.cli.translate import main
from nmt.model_folder import write_model_folder
from tests.upper_case import UpperCase

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Run:
    """Run the command within this process; gives its exit code, output and messages."""
    monkeypatch.setattr(nmt.systems, "load", lambda *_, **__: UpperCase(4000))
    model = tmp_path_factory.mktemp("models") / "upper-case"
    write_model_folder(
        model, kind="upper-case", source_language="en", target_language="de",
        settings={}, training={}, fill=lambda _: None,
    )  # fmt: skip

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["nmt-translate", str(model), *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capfd.readouterr()
        return (ended.value.code if isinstance(ended.value.code, int) else 0), out, err

    return run


FILES = {
    "a.po": (
        'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"\n\nmsgid "x"\nmsgstr ""\n',
        '#, fuzzy\nmsgid "x"\nmsgstr "X"\n',
    ),
    "a.tmx": (
        '<tmx><body><tu><tuv xml:lang="en"><seg>x</seg></tuv></tu></body></tmx>',
        "<seg>X</seg>",
    ),
    "a.xlf": (
        '<xliff version="1.2"><file><body><trans-unit id="1"><source>x</source></trans-unit>'
        "</body></file></xliff>",
        ">X</target>",
    ),
    "a.HTML": ("<p>x <b>y</b></p>", "<p>X <b>Y</b></p>"),
    "a.srt": ("1\n00:00:01,000 --> 00:00:02,000\nx\n", "\nX\n"),
    "a.md": ("# x\n", "# X\n"),
    "a.tsv": ("x\ty\n", "x\ty\tX\n"),
    "a.jsonl": ('{"text": "x"}\n', '"translation": "X"'),
    "a.txt": ("<p>x</p>\n", "<P>X</P>\n"),
}


@pytest.mark.parametrize("name", FILES)
def test_the_format_is_told_by_the_name(run: Run, tmp_path: Path, name: str) -> None:
    text, expected = FILES[name]
    (tmp_path / name).write_text(text)
    assert run("-i", tmp_path / name, "-o", tmp_path / "out") == (0, "", "")
    assert expected in (tmp_path / "out").read_text()


def test_the_format_can_be_said(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# x `y`\n")
    assert run("-i", tmp_path / "a.md", "--format", "text")[1] == "# X `Y`\n"
    assert run("-i", tmp_path / "a.md", "--format", "html")[1] == "# X `Y`\n"
    assert run("-i", tmp_path / "a.md")[1] == "# X `y`\n"


def test_final(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.po").write_text(FILES["a.po"][0])
    assert "fuzzy" not in run("-i", tmp_path / "a.po", "--final")[1]
    (tmp_path / "a.srt").write_text(FILES["a.srt"][0])
    code, _, err = run("-i", tmp_path / "a.srt", "--final")
    assert (code, "--final does not go with --format srt" in err) == (2, True)


@pytest.mark.parametrize("option", ["--scores", "--explain", "--nbest=2", "--key=x", "--column=1"])
def test_options_of_lines_do_not_go_with_documents(run: Run, tmp_path: Path, option: str) -> None:
    (tmp_path / "a.md").write_text("x\n")
    code, out, err = run("-i", tmp_path / "a.md", option)
    assert (code, out) == (2, "")
    assert f"{option.partition('=')[0]} does not go with --format markdown" in err


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.xlf", b"<xliff version='1.2'>\n<file></xliff>", "a.xlf:2: not well-formed XML"),
        ("a.po", b'msgid "x"\nmsgstr "\xff"\n', "a.po:2: not valid utf-8"),
        ("a.docx", b"PK", "files like *.docx cannot be read"),
        ("a.srt", b"x", "no subtitles here"),
    ],
)
def test_bad_files_write_nothing(
    run: Run, tmp_path: Path, name: str, data: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(data)
    (tmp_path / "out").write_text("old")
    code, out, err = run("-i", tmp_path / name, "-o", tmp_path / "out")
    assert (code, out) == (2, "")
    assert message in err
    assert (tmp_path / "out").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, "out"])


def test_what_is_left_as_it_is_is_told(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nmt.documents import translation

    monkeypatch.setattr(translation, "_keeps_placeholders", lambda *_: False)
    (tmp_path / "a.po").write_text(FILES["a.po"][0])
    code, out, err = run("-i", tmp_path / "a.po")
    assert (code, out) == (0, FILES["a.po"][0])
    assert "a.po:4: left as it is: its placeholders would not come back" in err


def test_mistakes_in_a_document_are_told_before_the_model_is_loaded(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(*_: object, **__: object) -> None:
        raise AssertionError("the model was loaded")

    monkeypatch.setattr(nmt.systems, "load", load)
    (tmp_path / "a.tmx").write_text("<tmx><body><tu>\n</body></tmx>")
    code, _, err = run("-i", tmp_path / "a.tmx", "-o", tmp_path / "out")
    assert code == 2
    assert "a.tmx:2" in err
    assert not list(tmp_path.glob("out*"))
