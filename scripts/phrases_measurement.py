"""A phrase table of one corpus, measured; started by bench_phrases.py.

The text is tokenized and aligned first, and every loop is compiled on a few sentences; neither is
counted.
"""

from __future__ import annotations

import gzip
import itertools
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from nmt.statistical.alignment.settings import AlignmentSettings
from nmt.statistical.alignment.training import align_bitext
from nmt.statistical.phrases.extraction import AlignedText, extract
from nmt.statistical.phrases.settings import PhraseSettings
from nmt.statistical.phrases.table import PhraseTable
from nmt.statistical.sentences import Alignments, Bitext, Sentences
from nmt.statistical.vocabulary import Vocabulary
from nmt.tokenization.settings import WordSettings
from nmt.tokenization.words import WordTokenizer
from scripts.benchmark import answer_request


def measure(request: dict[str, Any]) -> dict[str, Any]:
    """Train the tables that the request asks for, one after the other."""
    texts = [
        _words(Path(path), language, request["pairs"], tokenized=request["tokenized"])
        for path, language in zip(request["files"], request["languages"], strict=True)
    ]
    source, target = (Vocabulary.learn(text) for text in texts)
    bitext = Bitext(source.encode(texts[0]), target.encode(texts[1]))
    del texts
    alignments, _ = align_bitext(
        bitext,
        AlignmentSettings(),
        source_vocabulary_size=len(source),
        target_vocabulary_size=len(target),
        workers=1,
        report=lambda _: None,
    )
    text = AlignedText.of(bitext, alignments)
    rows = []
    for settings in request["settings"]:
        with tempfile.TemporaryDirectory() as folder:
            _train(_beginning(bitext, 100), _beginning_of_links(alignments, 100), source, target,
                   settings, folder, request["memory"])  # fmt: skip
        with tempfile.TemporaryDirectory() as folder:
            before = _forget_peak_memory()
            started, cpu_started = time.perf_counter(), time.process_time()
            table = _train(bitext, alignments, source, target, settings, folder, request["memory"])
            cpu, wall = time.process_time() - cpu_started, time.perf_counter() - started
            peak = _peak_memory()
            rows.append(
                {
                    "settings": settings,
                    "cpu_seconds": cpu,
                    "wall_seconds": wall,
                    "extra_memory": None if before is None or peak is None else peak - before,
                    "sources": table.num_sources,
                    "entries": len(table),
                    "bytes": {name: a.nbytes for name, a in table.arrays._asdict().items()},
                    "distinct_reordering": len(np.unique(table.arrays.reordering, axis=0)),
                }
            )
    occurrences = sum(map(len, extract(text, 0, len(bitext), max_words=7)))
    return {
        "pairs": len(bitext),
        "source_words": len(bitext.source.words),
        "target_words": len(bitext.target.words),
        "occurrences": occurrences,
        "tables": rows,
    }


def _train(
    bitext: Bitext,
    alignments: Alignments,
    source: Vocabulary,
    target: Vocabulary,
    settings: dict[str, Any],
    folder: str,
    memory: int,
) -> PhraseTable:
    return PhraseTable.train(
        bitext, alignments, source, target, PhraseSettings(**settings),
        scratch=Path(folder), memory=memory,
    )  # fmt: skip


def _words(path: Path, language: str, pairs: int, *, tokenized: bool) -> list[list[str]]:
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8", newline="\n") as file:
        lines = [line.rstrip("\n") for line in itertools.islice(file, pairs)]
    if tokenized:
        return [line.split() for line in lines]
    tokenizer = WordTokenizer.learn(WordSettings(), lines, language)
    return [tokenizer.tokenize(line) for line in lines]


def _beginning(bitext: Bitext, pairs: int) -> Bitext:
    first = (
        Sentences(side.words[: side.offsets[pairs]].copy(), side.offsets[: pairs + 1].copy())
        for side in (bitext.source, bitext.target)
    )
    return Bitext(*first)


def _beginning_of_links(alignments: Alignments, pairs: int) -> Alignments:
    return Alignments(alignments.source, alignments.target, alignments.offsets[: pairs + 1])


def _forget_peak_memory() -> int | None:
    """Start measuring the peak anew (Linux); return the bytes in use."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return None
    return _status("VmRSS")


def _peak_memory() -> int | None:
    return _status("VmHWM")


def _status(name: str) -> int | None:
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith(name)), None)


if __name__ == "__main__":
    answer_request(measure)
