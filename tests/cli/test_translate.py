"""nmt-translate as a user runs it, with a system that only writes capitals."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import nmt.systems
from nmt.cli.streams import count_lines
from nmt.cli.throughput import Throughput
from nmt.cli.translate import main
from nmt.lines import read_lines
from nmt.translator import Hypothesis, Translation
from tests.upper_case import UpperCase

ROOT = Path(__file__).resolve().parents[2]
# The command in a process of its own.
COMMAND = """
import sys
import nmt.systems
from tests.upper_case import UpperCase
nmt.systems.load = lambda *_, **__: UpperCase()
sys.argv = ["nmt-translate", "model", *sys.argv[1:]]
from nmt.cli.translate import main
main()
"""

Run = Callable[..., "Result"]


class Result:
    """Exit code and output of a command."""

    def __init__(self, code: int, out: bytes, err: str) -> None:
        self.code = code
        self.out = out.decode("utf-8")
        self.err = err


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> UpperCase:
    """What every model folder is loaded as."""
    system = UpperCase()
    monkeypatch.setattr(nmt.systems, "load", lambda *_, **__: system)
    return system


@pytest.fixture
def run(
    system: UpperCase, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> Run:
    """Run the command within this process on some standard input."""

    def run(*arguments: str | Path, stdin: str | bytes = "") -> Result:
        data = stdin.encode("utf-8") if isinstance(stdin, str) else stdin
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        monkeypatch.setattr(sys, "argv", ["nmt-translate", "model", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capfdbinary.readouterr()
        code = ended.value.code
        return Result(code if isinstance(code, int) else 0, captured.out, captured.err.decode())

    return run


class TestText:
    def test_lines_in_their_order(self, run: Run) -> None:
        result = run(stdin="one\n\ntwo\n   \nthree, a bit longer than the others\nlast")
        assert result.out == "ONE\n\nTWO\n\nTHREE, A BIT LONGER THAN THE OTHERS\nLAST\n"
        assert (result.code, result.err) == (0, "")

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
    @given(text=st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("\n\r\0\u2028")))
    def test_as_many_lines_out_as_in(self, run: Run, text: str) -> None:
        if text.startswith(("\ufeff", "\ufffe")):
            text = text[1:]
        result = run(stdin=text)
        assert result.code == 0
        num_lines = text.count("\n") + (not text.endswith("\n") and text != "")
        assert result.out.count("\n") == num_lines
        assert len(result.out.splitlines()) == num_lines

    def test_awkward_characters(self, run: Run) -> None:
        result = run(stdin="\ufeffa\r\nb\0c\r\nd\u2028e\n\u3000\nf\x85g\n" + "x" * 100_000)
        assert result.out == "A\nB C\nD E\n\nF G\n" + "X" * 100_000 + "\n"

    def test_nothing_in_nothing_out(self, run: Run) -> None:
        assert run(stdin="").out == ""

    def test_nbest_is_in_the_form_of_moses(self, run: Run) -> None:
        assert run("--nbest", "2", stdin="a\n\nb").out == (
            "0 ||| A ||| 0.000000\n0 ||| A! ||| -1.000000\n"
            "1 |||  ||| 0.000000\n"
            "2 ||| B ||| 0.000000\n2 ||| B! ||| -1.000000\n"
        )

    def test_scores_come_before_the_text(self, run: Run) -> None:
        assert run("--scores", stdin="a\tb").out == "0.000000\tA\tB\n"

    def test_invalid_utf8_is_named_after_the_lines_before(self, run: Run) -> None:
        result = run(stdin=b"one\ntwo\n\xff\nfour\n")
        assert result.code == 2
        assert result.out == "ONE\nTWO\n"
        assert "standard input:3" in result.err


class TestTsv:
    def test_translation_is_the_last_column(self, run: Run) -> None:
        result = run("--format", "tsv", "--column", "2", stdin="1\tone\tx\n2\t\ty\n")
        assert result.out == "1\tone\tx\tONE\n2\t\ty\t\n"

    def test_nbest_and_scores_are_as_many_columns_in_every_line(self, run: Run) -> None:
        result = run("--format", "tsv", "--nbest", "2", "--scores", stdin="a\n\n")
        assert result.out == "a\tA\t0.000000\tA!\t-1.000000\n\t\t0.000000\t\t\n"

    def test_tabs_in_a_translation_make_no_columns(self, run: Run, system: UpperCase) -> None:
        system.separator = "\tX"
        assert run("--format", "tsv", stdin="a\n").out == "a\tA X\n"

    def test_a_missing_column_is_named(self, run: Run) -> None:
        result = run("--format", "tsv", "--column", "2", stdin="a\tb\nc\n")
        assert (result.code, result.out) == (2, "a\tb\tB\n")
        assert "standard input:2: has 1 columns, so no column 2" in result.err


class TestJsonLines:
    def test_the_object_comes_back_with_the_translation(self, run: Run) -> None:
        lines = ['{"id": 7, "text": "ä", "x": [1.5, null]}', "", '{"source": "b", "text": "c"}']
        result = run("--format", "jsonl", stdin="\n".join(lines))
        first, blank, last = result.out.split("\n")[:3]
        assert first == '{"id": 7, "text": "ä", "x": [1.5, null], "translation": "Ä"}'
        assert blank == ""
        assert json.loads(last) == {"source": "b", "text": "c", "translation": "B"}

    def test_what_was_there_comes_back_as_it_was_written(self, run: Run) -> None:
        line = '{"n": 1.10, "x":1e400, "n": 0.1000000000000000055, "text" : "\\u00e4", "o": {} '
        result = run("--format", "jsonl", stdin=f"{line}}} \n")
        assert result.out == line.rstrip() + ', "translation": "Ä"}\n'

    def test_nested_keys_scores_and_nbest(self, run: Run) -> None:
        options = ["--key", "translation.en", "--translation-key", "de", "--scores", "--nbest", "2"]
        result = run("--format", "jsonl", *options, stdin='{"translation": {"en": "a\\nb"}}')
        assert json.loads(result.out) == {
            "translation": {"en": "a\nb"},
            "de": "A B",
            "score": 0,
            "alternatives": [
                {"translation": "A B", "score": 0},
                {"translation": "A B!", "score": -1},
            ],
        }

    @pytest.mark.parametrize("odd", ["\\ud800", "\u2028", "\x85", "\\u0000", "\\n"])
    def test_awkward_strings_stay_in_their_line(self, run: Run, odd: str) -> None:
        line = f'{{"text": "{odd} a", "other": "{odd}"}}'
        result = run("--format", "jsonl", stdin=f"{line}\n{line}\n")
        assert len(result.out.splitlines()) == 2
        for answered in result.out.splitlines():
            answer = json.loads(answered)
            assert answer.pop("translation").endswith("A")
            assert answer == json.loads(line)

    @pytest.mark.parametrize(
        ("line", "message"),
        [
            ("{", "not a line of JSON"),
            ("[1]", "a JSON list, not an object"),
            ('{"txt": "a"}', "no key 'source' or 'text' (there are: 'txt')"),
            ('{"text": 3}', "the value of 'text' is not a string"),
            ('{"text": "a", "translation": "b"}', "has a key 'translation' already"),
        ],
    )
    def test_bad_lines_are_named(self, run: Run, line: str, message: str) -> None:
        result = run("--format", "jsonl", stdin=f'{{"text": "a"}}\n{line}\n')
        assert result.code == 2
        assert result.out.count("\n") == 1
        assert "standard input:2" in result.err
        assert message in result.err


class TestOptions:
    def test_reach_the_search(self, run: Run, system: UpperCase) -> None:
        run("--beam", "3", "--length-penalty", "0.5", "--batch-tokens", "99", stdin="a")
        (options,) = system.options
        assert (options.beam, options.length_penalty, options.batch_tokens) == (3, 0.5, 99)
        assert options.sampling is None
        run("--sample", "--temperature", "0.7", "--top-k", "5", "--seed", "9", stdin="a")
        sampling = system.options[-1].sampling
        assert sampling is not None
        assert (sampling.temperature, sampling.top_k, sampling.top_p, sampling.seed) == (
            0.7,
            5,
            None,
            9,
        )

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--top-k", "3"], "--top-k without --sample"),
            (["--sample", "--temperature", "0"], "temperature must be above 0"),
            (["--beam", "2", "--nbest", "3"], "a beam of 2"),
            (["--sample", "--beam", "3"], "samples are not searched"),
            (["--beam", "0"], "--beam"),
            (["--column", "2"], "--column does not go with --format text"),
            (["--format", "tsv", "--key", "x"], "--key does not go with --format tsv"),
            (["--format", "xml"], "xml"),
            (["--input", "missing.en"], "missing.en: no such file"),
            (["--input", "."], "this is a folder"),
            (["--output", "."], "this is a folder"),
            (["--device", "gpu"], "gpu"),
        ],
    )
    def test_nonsense_is_refused(self, run: Run, arguments: list[str], message: str) -> None:
        result = run(*arguments, stdin="a")
        assert (result.code, result.out) == (2, "")
        assert message in re.sub(r"\s+", " ", result.err)


class TestFiles:
    def test_from_file_to_file(self, run: Run, tmp_path: Path) -> None:
        (tmp_path / "in").write_text("one\ntwo\n")
        result = run("--input", tmp_path / "in", "--output", tmp_path / "out")
        assert (result.code, result.out, result.err) == (0, "", "")
        assert (tmp_path / "out").read_text() == "ONE\nTWO\n"
        assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out"]

    def test_may_be_the_same_file(self, run: Run, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("one\ntwo\n")
        run("--input", tmp_path / "file", "--output", tmp_path / "file")
        assert (tmp_path / "file").read_text() == "ONE\nTWO\n"

    def test_a_failed_run_leaves_the_old_output_and_keeps_its_own(
        self, run: Run, tmp_path: Path
    ) -> None:
        (tmp_path / "out").write_text("old\n")
        result = run("--output", tmp_path / "out", stdin=b"one\n\xff\n")
        assert result.code == 2
        assert (tmp_path / "out").read_text() == "old\n"
        assert (tmp_path / "out.partial").read_text() == "ONE\n"
        assert str(tmp_path / "out.partial") in result.err

    def test_a_run_that_fails_at_once_leaves_nothing(self, run: Run, tmp_path: Path) -> None:
        assert run("--output", tmp_path / "out", stdin=b"\xff\n").code == 2
        assert list(tmp_path.iterdir()) == []

    def test_standard_output_by_its_name(self) -> None:
        for target in ("/dev/stdout", "/dev/fd/1"):
            done = subprocess.run(
                [sys.executable, "-c", COMMAND, "--output", target], input=b"one\n",
                capture_output=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
            )  # fmt: skip
            assert (done.returncode, done.stdout) == (0, b"ONE\n"), done.stderr

    @pytest.mark.parametrize("other", ["--input", "--output"])
    def test_alignments_go_over_no_other_file(self, run: Run, tmp_path: Path, other: str) -> None:
        (tmp_path / "file").write_text("one\n")
        (tmp_path / "link").symlink_to(tmp_path / "file")
        result = run(other, tmp_path / "file", "--alignments", tmp_path / "link")
        assert (result.code, result.out) == (2, "")
        assert f"--alignments and {other} are the same file" in result.err
        assert (tmp_path / "file").read_text() == "one\n"

    def test_a_full_disk_is_a_sentence(self, run: Run) -> None:
        result = run("--output", "/dev/full", stdin="one\n")
        assert result.code == 2
        assert "No space left on device" in result.err
        assert "free some space" in result.err
        assert Path("/dev/full").is_char_device()

    def test_a_place_that_cannot_be_written_is_told_before_the_model_is_loaded(
        self, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.delattr(nmt.systems, "load")
        result = run("--output", "/proc/nowhere/out", stdin="one\n")
        assert result.code == 2
        assert "/proc/nowhere/out: cannot write" in result.err
        result = run("--output", str(tmp_path / "nowhere" / "out"), stdin="one\n")
        assert result.code == 2
        assert "make its folder first" in result.err
        assert "free some space" not in result.err


class TestProgress:
    def test_verbose_prints_rates_at_the_end(self, run: Run) -> None:
        result = run("--verbose", stdin="one\n\ntwo\n")
        assert result.out == "ONE\n\nTWO\n"
        assert re.fullmatch(
            r"backend: native\n3 lines in \d+\.\d s: [\d,.]+ lines, [\d,]+ source pieces, "
            r"[\d,]+ output pieces a second\n",
            result.err,
        )

    @pytest.mark.parametrize(("text", "count"), [("", 0), ("\n", 1), ("a", 1), ("a\n\nb", 3)])
    def test_lines_are_counted_beforehand(self, tmp_path: Path, text: str, count: int) -> None:
        (tmp_path / "in").write_text(text)
        assert count_lines(tmp_path / "in") == count == len(read_lines(tmp_path / "in"))

    def test_numbers_are_right(self) -> None:
        throughput = Throughput(started=100.0)
        throughput.add([Translation((Hypothesis("a b", -1.0, num_pieces=30),), 20)] * 100)
        assert throughput.report(now=104.0) == (
            "100 lines in 4.0 s: 25.0 lines, 500 source pieces, 750 output pieces a second"
        )


@pytest.mark.integration
class TestProcess:
    @pytest.fixture
    def process(self) -> Callable[..., subprocess.Popen[bytes]]:
        def start(*arguments: str) -> subprocess.Popen[bytes]:
            return subprocess.Popen(
                [sys.executable, "-c", COMMAND, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": ""},
                # Where these tests run in the background, Ctrl-C is ignored, and that is inherited.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
            )

        return start

    def test_output_appears_while_input_still_comes(
        self, process: Callable[..., subprocess.Popen[bytes]]
    ) -> None:
        with process() as command:
            assert command.stdin
            assert command.stdout
            for line in [b"one\n", b"\n", b"two\n"]:
                command.stdin.write(line)
                command.stdin.flush()
                assert command.stdout.readline() == line.upper()
            command.stdin.close()
            assert command.wait(10) == 0

    def test_a_closed_pipe_is_quiet(
        self, process: Callable[..., subprocess.Popen[bytes]], tmp_path: Path
    ) -> None:
        (tmp_path / "in").write_text("a line of text\n" * 200_000)
        with process("--input", str(tmp_path / "in")) as command:
            assert command.stdout
            assert command.stderr
            assert command.stdout.readline() == b"A LINE OF TEXT\n"
            command.stdout.close()
            assert command.wait(10) == 141
            assert command.stderr.read() == b""

    def test_an_interrupt_ends_it_while_it_waits_for_input(
        self, process: Callable[..., subprocess.Popen[bytes]]
    ) -> None:
        with process() as command:
            assert command.stdin
            assert command.stdout
            assert command.stderr
            command.stdin.write(b"one\n")
            command.stdin.flush()
            assert command.stdout.readline() == b"ONE\n"
            command.send_signal(2)
            started = time.monotonic()
            assert command.wait(10) == 130
            assert time.monotonic() - started < 5
            assert b"Traceback" not in command.stderr.read()

    def test_help_imports_nothing_slow(self) -> None:
        script = (
            "import sys; sys.argv = ['nmt-translate', '--help']\n"
            "from nmt.cli.translate import main\n"
            "try:\n    main()\n"
            "except SystemExit:\n"
            "    assert not {'torch', 'numpy', 'datasets'} & set(sys.modules)\n"
        )
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
        assert b"--length-penalty" in done.stdout
