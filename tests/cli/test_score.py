"""nmt-score as a user runs it."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
import sacrebleu
from hypothesis import given
from hypothesis import strategies as st

from nmt.cli.score import main, repeat_metric_option
from nmt.errors import UserError

REFERENCE = ["The house is small and old.", "Two roads lead to the sea.", "It rains.", "Three."]
FIRST = ["The house is small and old.", "Two ways lead to the sea.", "It is raining.", "Three."]
SECOND = ["This house is very old.", "Two ways to the sea.", "", "Three."]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A reference and two systems in the working directory."""
    monkeypatch.chdir(tmp_path)
    for name, lines in [("ref", REFERENCE), ("first", FIRST), ("second", SECOND)]:
        Path(name).write_text("".join(line + "\n" for line in lines))
    return tmp_path


@pytest.fixture
def nmt_score(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run the command in this process."""
    return Command(monkeypatch, capsys)


class Command:
    """``nmt-score``: called with a command line, gives exit code, output and messages."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.monkeypatch = monkeypatch
        self.capsys = capsys

    def __call__(self, line: str, stdin: bytes = b"") -> tuple[int, str, str]:
        self.monkeypatch.setattr("sys.argv", ["nmt-score", *line.split()])
        self.monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with pytest.raises(SystemExit) as caught:
            main()
        assert isinstance(caught.value.code, int)
        return caught.value.code, *self.capsys.readouterr()


def test_json_holds_what_sacrebleu_computes(nmt_score: Command) -> None:
    code, output, errors = nmt_score("--reference ref first second --json")
    assert (code, errors) == (0, "")
    result = json.loads(output)
    assert result["references"] == ["ref"]
    assert result["segments"] == 4
    assert [system["name"] for system in result["systems"]] == ["first", "second"]
    assert result["warnings"] == ["second: 1 line blank, scored as empty"]
    for system, lines in zip(result["systems"], [FIRST, SECOND], strict=True):
        bleu = sacrebleu.corpus_bleu(lines, [REFERENCE]).score
        assert system["scores"]["bleu"]["value"] == bleu
        assert system["scores"]["chrf"]["value"] == sacrebleu.corpus_chrf(lines, [REFERENCE]).score
        assert "bs:1000|seed:12345" in system["scores"]["bleu"]["signature"]
    assert result["systems"][0]["differences_from_first"] == {}
    assert 0 < result["systems"][1]["differences_from_first"]["bleu"]["p_value"] <= 1


def test_plain_text_for_pipes(nmt_score: Command) -> None:
    code, output, errors = nmt_score("--reference ref --metric ter first second")
    assert code == 0
    assert "\x1b" not in output
    assert output.startswith("system  TER (lower is better)")
    assert "signature: nrefs:1|bs:1000|seed:12345|case:lc|tok:tercom" in output
    assert errors == "warning: second: 1 line blank, scored as empty\n"


@pytest.mark.parametrize(
    "metrics",
    ["--metric ter bleu", "--metric ter --metric bleu", "--metric ter,bleu", "--metric=ter bleu"],
)
@pytest.mark.parametrize("order", ["{} first", "first {}"])
def test_metrics_may_be_given_in_any_form(metrics: str, order: str, nmt_score: Command) -> None:
    code, output, _ = nmt_score("--json --reference ref " + order.format(metrics))
    assert code == 0
    [system] = json.loads(output)["systems"]
    assert system["name"] == "first"
    assert list(system["scores"]) == ["ter", "bleu"]


def test_options_reach_the_metrics(nmt_score: Command) -> None:
    line = (
        "--reference ref --reference second --source ref --tokenize char --lowercase --json "
        "--test randomization --samples 50 --seed 3 --confidence 0.9 second first"
    )
    code, output, _ = nmt_score(line)
    assert code == 0
    result = json.loads(output)
    assert (result["test"], result["samples"], result["seed"]) == ("randomization", 50, 3)
    assert result["confidence"] == 0.9
    signature = result["systems"][1]["scores"]["bleu"]["signature"]
    assert signature.startswith("nrefs:2|bs:1000|ar:50|seed:3|case:lc|eff:no|tok:char|")
    assert "second is, line for line, the reference second" in result["warnings"]
    assert "first: 2 lines equal to the source line" in result["warnings"]


def test_standard_input_is_a_hypothesis(nmt_score: Command) -> None:
    stdin = "\r\n".join(FIRST).encode()
    code, output, _ = nmt_score("--reference ref --json - second", stdin)
    assert code == 0
    first, _ = json.loads(output)["systems"]
    assert first["scores"]["bleu"]["value"] == sacrebleu.corpus_bleu(FIRST, [REFERENCE]).score


@pytest.mark.parametrize(
    ("line", "messages"),
    [
        ("--reference ref", ["Missing argument"]),
        ("first", ["Missing option '--reference'"]),
        ("--reference ref frist", ["frist: no such file", "did you mean first?"]),
        ("--reference ref --metric blue first", ["no metric 'blue'", "did you mean bleu?"]),
        ("--reference ref --metric bleu comet first", ["comet: no such file"]),
        ("--reference ref --tokenize 13 first", ["no tokenizer '13'", "did you mean 13a?"]),
        ("--reference ref --test t first", ["'bootstrap'", "'randomization'"]),
        ("--reference ref --test randomization first", ["--test compares systems"]),
        ("--reference ref --metric ter --tokenize zh first", ["--tokenize is for BLEU"]),
        ("--reference ref --samples 0 first", ["--samples"]),
        ("--reference ref --confidence 95 first", ["--confidence"]),
        ("--reference ref first first", ["first: given twice"]),
        ("--reference ref --metrics bleu first", ["No such option", "--metric"]),
        ("--reference ref .", [".: cannot read: this is a folder"]),
    ],
)
def test_mistakes_are_sentences(line: str, messages: list[str], nmt_score: Command) -> None:
    code, output, errors = nmt_score(line)
    assert (code, output) == (2, "")
    for message in messages:
        assert message in " ".join(errors.split()) or message in errors
    assert "Traceback" not in errors


def test_unequal_line_counts_name_both_files_and_counts(nmt_score: Command) -> None:
    Path("short").write_text("The house.\n")
    code, output, errors = nmt_score("--reference ref first short")
    assert (code, output) == (2, "")
    assert "short: 1 line, but the reference ref has 4" in errors


def test_a_file_named_like_a_metric_is_never_taken_silently(nmt_score: Command) -> None:
    Path("first").rename("ter")
    code, _, errors = nmt_score("--reference ref --metric bleu ter")
    assert code == 2
    assert "write --metric=ter for the metric, or ./ter for the file" in errors
    code, output, _ = nmt_score("--reference ref --json --metric bleu ./ter")
    assert (code, json.loads(output)["systems"][0]["name"]) == (0, "./ter")
    code, output, _ = nmt_score("--reference ref --json --metric bleu -- ter")
    assert (code, json.loads(output)["systems"][0]["name"]) == (0, "ter")


@given(
    st.lists(
        st.sampled_from(["--json", "--seed", "--", "file", "-", "--reference", "--metric=ter"])
    )
)
def test_other_words_stay_as_they_are(words: list[str]) -> None:
    assert repeat_metric_option(words) == words


@given(st.lists(st.sampled_from(["bleu", "chrf", "ter"]), min_size=1))
def test_several_metrics_equal_the_repeated_option(names: list[str]) -> None:
    spelled_out = [word for name in names for word in ("--metric", name)]
    assert repeat_metric_option(["--metric", *names, "file"]) == [*spelled_out, "file"]
    assert repeat_metric_option(spelled_out) == spelled_out


def test_the_value_of_the_option_itself_is_never_a_file(folder: Path) -> None:
    (folder / "bleu").touch()
    assert repeat_metric_option(["--metric", "bleu"]) == ["--metric", "bleu"]
    with pytest.raises(UserError):
        repeat_metric_option(["--metric", "ter", "bleu"])


def test_help_imports_nothing_slow() -> None:
    program = (
        "import sys; sys.argv = ['nmt-score', '--help']\n"
        "from nmt.cli.score import main\n"
        "try: main()\n"
        "except SystemExit as end: assert end.code == 0\n"
        "print({'torch', 'numpy', 'sacrebleu', 'pydantic'} & set(sys.modules))"
    )
    started = time.perf_counter()
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert time.perf_counter() - started < 5
    assert run.stdout.endswith("set()\n"), run.stdout + run.stderr
