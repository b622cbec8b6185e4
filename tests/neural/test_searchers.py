"""Translating in processes: the same translations, whatever is asked for and whatever dies."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
import torch

import nmt
from nmt.errors import UserError
from nmt.glossary import Entry, Glossary
from nmt.neural.searcher import Searcher
from nmt.neural.system import NeuralTranslator, load_neural
from nmt.search_options import MinimumRisk, Sampling
from nmt.tokenization import TokenizerPair, learn_tokenizers
from nmt.tokenization.settings import HuggingFaceTokenizerSettings
from nmt.translation import Hypothesis, Line, Translation
from nmt.worker_processes import SUPPORTED, NoWorker
from tests.neural.folders import TEXT, learn, write_model

pytestmark = pytest.mark.skipif(not SUPPORTED, reason="processes are forked on Linux only")

PATIENCE = 30.0
LINES = [f"{line} {other}" for line in TEXT[:6] for other in TEXT[:3]] + ["", " ".join(TEXT)]


@pytest.fixture(autouse=True)
def unchanged_pytorch() -> Iterator[None]:
    threads, precision = torch.get_num_threads(), torch.get_float32_matmul_precision()
    yield
    torch.set_num_threads(threads)
    torch.set_float32_matmul_precision(precision)


@pytest.fixture(scope="module")
def tokenizers() -> TokenizerPair:
    return learn(TEXT)


@pytest.fixture
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the machine has."""
    monkeypatch.setattr("nmt.neural.device.available_cores", lambda: 2)


def where(searcher: Searcher) -> int:
    """The process that searches with it."""
    return os.getpid()


def in_processes(translator: NeuralTranslator) -> NeuralTranslator:
    """The same translator, as soon as its processes are there."""
    searchers = translator.searchers
    searchers.start_processes()
    assert searchers.processes is not None
    assert searchers.processes.wait() == searchers.number
    assert searchers.submit(where).result() != os.getpid()
    return translator


def same(one: Translation, other: Translation) -> bool:
    """To the last digits of scores, which depend on what is searched together."""
    return all(
        a.text == b.text
        and a.score == pytest.approx(b.score, abs=1e-5)
        and [round_off(x.to_json()) for x in a.explanations]
        == [round_off(x.to_json()) for x in b.explanations]
        for a, b in zip(one.alternatives, other.alternatives, strict=True)
    )


def round_off(record: dict[str, Any]) -> Any:
    return json.loads(json.dumps(record), parse_float=lambda number: round(float(number), 3))


@pytest.mark.usefixtures("two_cores")
@pytest.mark.parametrize(
    ("kind", "precision"), [("transformer", None), ("transformer", "int8"), ("recurrent", None)]
)
def test_processes_change_nothing(
    kind: str, precision: str | None, tokenizers: TokenizerPair, tmp_path: Path
) -> None:
    folder = write_model(tmp_path / "model", kind, tokenizers, seed=3)
    alone, others = (load_neural(folder, "cpu", precision=precision) for _ in range(2))
    in_processes(others)
    alone.searchers._may_start = False
    asked: list[dict[str, Any]] = [
        {},
        {"nbest": 3, "explain": True},
        {"sampling": Sampling(seed=5), "nbest": 2},
        {"minimum_risk": MinimumRisk(candidates=4)},
        {"glossary": Glossary([Entry("dog", ("bike",), forbidden=False, line=1)])},
        {"beam": 2, "batch_tokens": 40},
    ]
    for options in asked:
        for here, there in zip(
            alone.translate(LINES, **options), others.translate(LINES, **options), strict=True
        ):
            assert same(here, there), options
    given = [Line(line, "your") for line in TEXT[:4]]
    expected = alone.translate(given)
    assert all(one.text.startswith("your") for one in expected)
    assert [one.text for one in others.translate(given)] == [one.text for one in expected]


@pytest.mark.usefixtures("two_cores")
def test_an_ensemble_of_tokenizers_of_hugging_face(tmp_path: Path) -> None:
    """Whose library has threads of its own."""
    pair = learn_tokenizers(
        HuggingFaceTokenizerSettings(algorithm="byte-bpe", vocabulary_size=330),
        TEXT,
        TEXT[::-1],
        cache=None,
    )
    folders = [
        write_model(tmp_path / kind, kind, pair, seed=1).path
        for kind in ("transformer", "recurrent")
    ]
    translator = nmt.load(folders, device="cpu")
    assert isinstance(translator, NeuralTranslator)
    expected = [one.text for one in translator.translate(LINES)]
    in_processes(translator)
    assert [one.text for one in translator.translate(LINES)] == expected


@pytest.fixture
def translator(tokenizers: TokenizerPair, two_cores: None, tmp_path: Path) -> NeuralTranslator:
    return load_neural(write_model(tmp_path / "model", "transformer", tokenizers, seed=1), "cpu")


def test_mistakes_are_told_as_ever(translator: NeuralTranslator) -> None:
    translator = in_processes(translator)
    with pytest.raises(UserError, match="the model has no shortlist"):
        translator.translate(LINES, shortlist=True)


@pytest.mark.parametrize("processes", [False, True])
def test_a_condition_that_nothing_meets_is_told_with_its_line(
    processes: bool, translator: NeuralTranslator
) -> None:
    translator = in_processes(translator) if processes else translator
    glossary = Glossary([Entry("bicycle", ("long " * 200,), forbidden=False, line=1)])
    lines = [line for line in TEXT if "bicycle" not in line] * 5 + ["your bicycle"]
    with pytest.raises(UserError, match=f"line {len(lines)}, 'your bicycle': .* pieces"):
        translator.translate(lines, glossary=glossary, batch_tokens=100)


def test_what_dead_workers_leave_is_done_here(translator: NeuralTranslator) -> None:
    expected = [one.text for one in translator.translate(LINES)]
    processes = in_processes(translator).searchers.processes
    assert processes is not None
    pids: set[int] = set()
    while len(pids) < 2:
        pids |= {translator.searchers.submit(where).result() for _ in range(10)}
    os.kill(pids.pop(), signal.SIGKILL)
    assert [one.text for one in translator.translate(LINES)] == expected
    os.kill(pids.pop(), signal.SIGKILL)
    assert [one.text for one in translator.translate(LINES)] == expected
    with pytest.raises(NoWorker):
        processes.call(where)


def test_only_long_work_starts_processes(
    translator: NeuralTranslator, monkeypatch: pytest.MonkeyPatch
) -> None:
    translator.translate(LINES)
    assert translator.searchers.processes is None
    monkeypatch.setattr("nmt.neural.searchers.START_SECONDS", 0.0)
    lines = [f"{n} {line}" for n in range(6) for line in LINES]
    translator.translate("".join(LINES[:3]))
    assert translator.searchers.processes is None  # nothing waits
    expected = translator.translate(lines, batch_tokens=100)
    assert translator.searchers.processes is not None
    again = in_processes(translator).translate(lines, batch_tokens=100)
    assert all(map(same, expected, again))


def test_a_model_in_training_is_never_copied(
    translator: NeuralTranslator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nmt.neural.searchers.START_SECONDS", 0.0)
    in_training = NeuralTranslator(
        translator.model, translator.tokenizers, translator.settings,
        source_language="en", target_language="de", workers=2,
    )  # fmt: skip
    in_training.translate([f"{n} {line}" for n in range(5) for line in LINES], batch_tokens=100)
    assert in_training.searchers.processes is None


# --- streams


def submitted(
    translator: NeuralTranslator, monkeypatch: pytest.MonkeyPatch
) -> list[Future[object]]:
    """A list of all that is submitted from now on."""
    futures: list[Future[object]] = []
    submit = translator.searchers.submit

    def noting(search: Callable[..., object], *arguments: Any) -> Future[object]:
        futures.append(submit(search, *arguments))
        return futures[-1]

    monkeypatch.setattr(translator.searchers, "submit", noting)
    return futures


def test_what_nobody_waits_for_is_not_searched(
    translator: NeuralTranslator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After Ctrl-C nobody wants to wait for what was begun."""

    def slow(self: Searcher, segments: Sequence[str], *_: object) -> list[list[Hypothesis]]:
        time.sleep(0.2)
        return [[Hypothesis(segment, 0.0)] for segment in segments]

    monkeypatch.setattr(Searcher, "search", slow)
    futures = submitted(translator, monkeypatch)
    endless = (f"{n} {line}" for n in itertools.count() for line in TEXT)
    take_one(translator.translate_windows(endless, batch_tokens=50))
    assert any(future.cancelled() for future in futures)
    count = len(futures)
    time.sleep(0.5)
    assert len(futures) == count
    assert all(future.done() for future in futures)
    assert not {"nmt-reader", "nmt-windows"} & {one.name for one in threading.enumerate()}


def take_one(stream: Iterator[list[Translation]]) -> None:
    with contextlib.closing(stream) as windows:  # type: ignore[type-var]  # a generator
        next(windows)


def test_closing_does_not_wait_for_input(translator: NeuralTranslator) -> None:
    """The reader may hang in a terminal that nobody types at."""
    never = threading.Event()

    def lines() -> Iterator[str]:
        yield TEXT[0]
        never.wait(PATIENCE)

    began = time.monotonic()
    take_one(translator.translate_windows(lines()))
    assert time.monotonic() - began < PATIENCE / 2
    never.set()


@pytest.mark.integration
@pytest.mark.parametrize("cores", [1, 2])
def test_an_interrupt_ends_the_command_while_it_waits_for_input(
    cores: int, tokenizers: TokenizerPair, tmp_path: Path
) -> None:
    folder = write_model(tmp_path / "model", "transformer", tokenizers, seed=1).path
    script = (
        "import nmt.neural.device as device; "
        f"device.available_cores = lambda: {cores}; "
        "from nmt.cli.translate import main; main()"
    )
    command = [sys.executable, "-c", script, str(folder), "--device", "cpu"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        # Where these tests run in the background, Ctrl-C is ignored, and that is inherited.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:  # fmt: skip
        assert process.stdin
        assert process.stdout
        process.stdin.write(b"The cat sees the river.\n")
        process.stdin.flush()
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130


def test_a_file_is_answered_before_much_of_it_is_read(translator: NeuralTranslator) -> None:
    """The first window is small."""
    lines = [f"{n} {line}" for n in range(20) for line in TEXT]
    windows = translator.translate_windows(lines, batch_tokens=100)
    sizes = [sum(1 for _ in window) for window in windows]
    assert sizes[0] < len(lines) / 20
    assert sizes[1] > 1.5 * sizes[0]
    assert sum(sizes) == len(lines)


def test_errors_come_in_their_place(translator: NeuralTranslator) -> None:
    """After all that was before them, though later windows are begun before."""

    def lines() -> Iterator[str]:
        yield from (f"{n} {line}" for n in range(8) for line in TEXT)
        raise UserError("so it ends")

    answered: list[Translation] = []
    with pytest.raises(UserError, match="so it ends"):
        answered.extend(translator.translate_stream(lines(), batch_tokens=100))
    assert len(answered) == 8 * len(TEXT)
