"""A language model of one corpus, measured; started by bench_language_model.py.

The text is tokenized first, and every loop is compiled on a few sentences; neither is counted.
"""

from __future__ import annotations

import gzip
import itertools
import os
import re
import resource
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from nmt.statistical.language_model.arpa_words import escape
from nmt.statistical.language_model.model import LanguageModel
from nmt.statistical.language_model.settings import LanguageModelSettings
from nmt.statistical.sentences import Sentences
from nmt.statistical.vocabulary import Vocabulary
from nmt.tokenization.settings import WordSettings
from nmt.tokenization.words import WordTokenizer
from scripts.benchmark import answer_request

_QUERIES = 2_000_000
"""A speed is measured on at least so many."""

Lines = list[list[str]]


def measure(request: dict[str, Any]) -> dict[str, Any]:
    """Estimate a model, use it, and do what peers are there for with the same words."""
    lines, valid = _words(request)
    vocabulary = Vocabulary.learn(lines)
    text, test = vocabulary.encode(lines), vocabulary.encode(valid)
    settings = LanguageModelSettings(**request["settings"])
    compiling, _ = _timed(lambda: _use_once(vocabulary.encode(lines[:50]), vocabulary, settings))
    if request["compile_only"]:
        return {"compile_seconds": compiling["cpu_seconds"]}

    before = _forget_peak_memory()
    estimation, model = _timed(lambda: LanguageModel.estimate(text, vocabulary, settings))
    peak = _status("VmHWM")
    num_ngrams = np.count_nonzero(model.tables.keys) + np.count_nonzero(model.known)
    result: dict[str, Any] = {
        "sentences": len(text),
        "words": len(text.words),
        "vocabulary": len(vocabulary),
        "ngrams": int(num_ngrams),
        "states": len(model.rows.states),
        "bytes": sum(rows.nbytes for rows in model.rows),
        "estimate": estimation,
        "extra_memory": None if before is None or peak is None else peak - before,
        "perplexity": model.perplexity(test),
        "queries_per_second": {
            "running text": _speed(model, test),
            "training text": _speed(model, text),
        },
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        result["save"], _ = _timed(lambda: model.save(folder))
        result["open"], _ = _timed(lambda: LanguageModel.open(folder))
        arpa = folder / "lm.arpa"
        result["write_arpa"], _ = _timed(lambda: model.write_arpa(arpa))
        result["read_arpa"], _ = _timed(lambda: LanguageModel.read_arpa(arpa))
        if request["peers"]:
            result["kenlm"] = _ask_kenlm(arpa, model, valid)
        if request["lmplz"]:
            result["lmplz"] = _run_lmplz(request["lmplz"], settings, lines, valid, folder)
    return result


def _words(request: dict[str, Any]) -> tuple[Lines, Lines]:
    """The words of the training and of the validation text."""
    train = _lines(Path(request["train"]), request["sentences"])
    valid = _lines(Path(request["valid"]), None)
    if request["tokenized"]:
        return [line.split() for line in train], [line.split() for line in valid]
    tokenizer = WordTokenizer.learn(WordSettings(), train, request["language"])
    return [tokenizer.tokenize(line) for line in train], [tokenizer.tokenize(s) for s in valid]


def _lines(path: Path, count: int | None) -> list[str]:
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8", newline="\n") as file:
        return [line.rstrip("\n") for line in itertools.islice(file, count)]


def _use_once(text: Sentences, vocabulary: Vocabulary, settings: LanguageModelSettings) -> None:
    """Run every loop, so that it is compiled or loaded."""
    small = settings.model_copy(update={"memory": 1 << 12})
    with tempfile.TemporaryDirectory() as folder:
        for chosen in (settings, small):
            model = LanguageModel.estimate(text, vocabulary, chosen)
        model.save(Path(folder))
        LanguageModel.open(Path(folder)).perplexity(text)
        model.perplexity(text)


def _timed(action: Callable[[], Any]) -> tuple[dict[str, float], Any]:
    """Processor and wall seconds of an action, and what it returns."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = action()
    seconds = {
        "cpu_seconds": time.process_time() - cpu,
        "wall_seconds": time.perf_counter() - wall,
    }
    return seconds, result


def _speed(model: LanguageModel, text: Sentences) -> float:
    """Words and ends of sentences scored in a second: the best of five runs."""
    times = -(-_QUERIES // (len(text.words) + len(text)))
    lengths = np.tile(np.diff(text.offsets), times)
    repeated = Sentences.of_lengths(np.tile(text.words, times), lengths)
    seconds = min(_timed(lambda: model.score(repeated))[0]["wall_seconds"] for _ in range(5))
    return (len(repeated.words) + len(repeated)) / seconds


def _ask_kenlm(arpa: Path, model: LanguageModel, valid: Lines) -> dict[str, Any] | None:
    """The kenlm module on our file: how fast it scores, and how far it is from us."""
    try:
        import kenlm
    except ImportError:
        return None
    load, peer = _timed(lambda: kenlm.Model(str(arpa)))
    sentences = [" ".join(map(escape, line)) for line in valid]
    runs = [_timed(lambda: [peer.score(sentence) for sentence in sentences]) for _ in range(5)]
    scores = np.array(runs[0][1])
    ours = model.score(model.vocabulary.encode(valid)) / np.log(10)
    num_words = sum(map(len, valid)) + len(valid)
    return {
        "load": load,
        "queries_per_second": num_words / min(seconds["wall_seconds"] for seconds, _ in runs),
        "greatest_difference_log10": float(np.abs(scores - ours).max()),
    }


def _run_lmplz(
    command: str, settings: LanguageModelSettings, lines: Lines, valid: Lines, folder: Path
) -> dict[str, Any]:
    """KenLM's estimator on the same words: its time, its n-grams, its model's perplexity."""
    text, arpa = folder / "text", folder / "lmplz.arpa"
    text.write_text("".join(" ".join(map(escape, line)) + "\n" for line in lines), encoding="utf-8")
    thresholds = [str(settings.kept(length) - 1) for length in range(1, settings.order + 1)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    done = subprocess.run(
        [
            command, "-o", str(settings.order), "-S", "1G",
            "-T", str(folder), "--text", str(text), "--arpa", str(arpa),
            "--prune", *thresholds, "--discount_fallback",
        ],
        env={**os.environ, "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    wall = time.perf_counter() - started
    if done.returncode:
        raise SystemExit(f"lmplz: {done.stderr.strip()[-300:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    with arpa.open(encoding="utf-8") as file:
        head = "".join(itertools.islice(file, settings.order + 1))
    peer = LanguageModel.read_arpa(arpa)
    return {
        "user_seconds": after.ru_utime - before.ru_utime,
        "system_seconds": after.ru_stime - before.ru_stime,
        "wall_seconds": wall,
        "ngrams": sum(map(int, re.findall(r"=(\d+)", head))),
        "perplexity": peer.perplexity(peer.vocabulary.encode(valid)),
    }


def _forget_peak_memory() -> int | None:
    """Start measuring the peak anew (Linux); return the bytes in use."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return None
    return _status("VmRSS")


def _status(name: str) -> int | None:
    """A number of bytes that the system tells of this process (Linux)."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith(name)), None)


if __name__ == "__main__":
    answer_request(measure)
