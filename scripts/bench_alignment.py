"""Alignment error rates and processor time of our aligners and of others, in two tables.

    python -m scripts.bench_alignment [--data FOLDER] [--peers PYTHON]
    python -m scripts.bench_alignment --show scripts/results/bench_alignment.json

Every aligner is trained on the same lower-cased words, in a process of its own on one core:

- de-en: Europarl (23,580 pairs, of which 128 have gold links) and the 100 pairs of Bicici;
- en-fr: the 447 Hansards pairs with gold links, 5,000 of news commentary and 5,260 of novels. None
  of the Hansards' training text is at hand; GIZA++'s and fast_align's stored outputs, shown for
  comparison, come from programs that had all of it (1.1 million pairs);
- ja-en: the 582 pairs of the Kyoto articles and 50,000 everyday sentences, of little help;
- time: Multi30k, its 29,000 pairs; and longer texts, to see how time and memory grow.

Others are run with the Python given by --peers, that of an environment with eflomal and sil-thot
(Thot's fast_align) in it; their two directions are symmetrised by our code. Times of ours are from
words in memory to symmetrised links, after the loops were compiled; times of the others include
reading the files.
"""

from __future__ import annotations

import argparse
import gzip
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, get_args

from nmt.lines import iterate_lines, read_lines
from nmt.statistical.alignment.settings import ModelName
from nmt.tokenization.moses import WordSplitter
from scripts.benchmark import (
    ROOT,
    LoadMeter,
    describe,
    format_table,
    machine,
    run_measurement,
)
from scripts.benchmark_command import command_line, run_benchmark

_PEERS: Final = ("fast_align (Thot)", "eflomal")
_WAYS: Final = (
    "forward", "reverse", "intersection", "union", "grow-diag", "grow-diag-final",
    "grow-diag-final-and",
)  # fmt: skip
_SHORT: Final = ("fwd", "rev", "inters.", "union", "g-d", "g-d-final", "g-d-f-and")


@dataclass(frozen=True)
class Corpus:
    """Words of sentence pairs, and where some of them have gold links."""

    name: str
    pairs: list[tuple[list[str], list[str]]]
    tests: list[dict[str, Any]] = field(default_factory=list)
    stored: dict[str, tuple[Path, Path, bool]] = field(default_factory=dict)
    """Outputs of other programs: forward, reverse, and whether that is written target-source."""
    for_peers: bool = True
    """Whether others are run, too; on long texts they take minutes."""

    def write(self, folder: Path) -> list[str]:
        """Write both sides, lower-cased; pairs with an empty side, which peers refuse, are left
        out before."""
        files = []
        for side, name in enumerate(("source", "target")):
            path = folder / name
            lines = (" ".join(pair[side]).lower() for pair in self.pairs)
            path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
            files.append(str(path))
        return files


def _tokenized(*files: Path) -> Iterator[tuple[list[str], list[str]]]:
    source, target = (_lines(file) for file in files)
    for one, other in zip(source, target, strict=True):
        if one.split() and other.split():
            yield one.split(), other.split()


def _lines(file: Path) -> list[str]:
    if file.suffix != ".gz":
        return read_lines(file)
    with gzip.open(file) as stream:
        return list(iterate_lines(stream, str(file)))


def _raw(source: Path, target: Path) -> Iterator[tuple[list[str], list[str]]]:
    splitters = [WordSplitter(file.suffix.removeprefix(".")) for file in (source, target)]
    for lines in zip(read_lines(source), read_lines(target), strict=True):
        one, other = (
            [token for _, token in splitter.split(" ".join(line.split()))]
            for splitter, line in zip(splitters, lines, strict=True)
        )
        if one and other:
            yield one, other


def gold_corpora(data: Path) -> Iterator[Corpus]:
    """The corpora with gold links; these come first."""
    golds = data / "word_alignment"
    europarl = data / "europarl_de_en_comtrans"
    cmu, bicici = golds / "de-en_cmu", golds / "de-en_bicici"
    pairs = [*_tokenized(europarl / "all.de", europarl / "all.en")]
    more = [*_tokenized(bicici / "test.de", bicici / "test.en")]
    yield Corpus(
        "de-en",
        pairs[:128] + more + pairs[128:],
        [
            {"name": "de-en_cmu", "gold": str(cmu / "test.gold"), "from": 0, "begin": 0},
            {"name": "de-en_bicici", "gold": str(bicici / "de-en.wa"), "from": 0, "begin": 128},
        ],
    )
    hansards = golds / "en-fr_hansards"
    pairs = _side_by_side(hansards / "test.src-tgt")
    pairs += _raw(*(data / "news_commentary_en_fr_5k" / f"nc-5k.{code}" for code in ("en", "fr")))
    for novel in sorted((data / "novels_en_fr").glob("*.en")):
        pairs += _tokenized(novel, novel.with_suffix(".fr"))
    yield Corpus(
        "en-fr",
        pairs,
        [{"name": "en-fr_hansards", "gold": str(hansards / "test.gold"), "from": 1, "begin": 0}],
        {
            name: (hansards / f"{file}.forward.talp", hansards / f"{file}.reverse.talp", True)
            for name, file in (
                ("GIZA++, all Hansards (stored)", "giza"),
                ("fast_align, all Hansards (stored)", "fastalign"),
            )
        },
    )
    kyoto = golds / "ja-en_kftt"
    everyday = data / "small_parallel_enja"
    pairs = _side_by_side(kyoto / "test.src-tgt")
    pairs += _tokenized(everyday / "train.ja", everyday / "train.en")
    yield Corpus(
        "ja-en",
        pairs,
        [{"name": "ja-en_kftt", "gold": str(kyoto / "test.gold"), "from": 1, "begin": 0}],
    )


def timed_corpora(data: Path) -> Iterator[Corpus]:
    """Multi30k, and what shows how time grows."""
    yield Corpus(
        "multi30k en-de",
        [*_raw(data / "multi30k" / "train.en", data / "multi30k" / "train.de")],
    )
    yield Corpus(
        "tatoeba en-de",
        [*_raw(data / "tatoeba_en_de" / "train.en", data / "tatoeba_en_de" / "train.de")],
        for_peers=False,
    )
    folder = data / "europarl_it_en"
    pairs = [*_tokenized(folder / "train.it.gz", folder / "train.en.gz")]
    yield Corpus("europarl it-en", pairs, for_peers=False)


def _side_by_side(file: Path) -> list[tuple[list[str], list[str]]]:
    sides = (line.split("|||") for line in read_lines(file))
    return [(source.split(), target.split()) for source, target in sides]


def run(corpus: Corpus, peers: str | None) -> Iterator[dict[str, Any]]:
    """Measure every aligner on a corpus."""
    facts = {
        "corpus": corpus.name,
        "pairs": len(corpus.pairs),
        "token_pairs": sum(len(source) * len(target) for source, target in corpus.pairs),
    }
    measurement = "scripts.alignment_measurement"
    with tempfile.TemporaryDirectory() as folder:
        files = corpus.write(Path(folder))
        request = {"files": files, "tests": corpus.tests}
        models: tuple[ModelName, ...] = get_args(ModelName)
        for model in models:
            result = run_measurement(measurement, {**request, "model": model})
            yield {**facts, "aligner": f"nmt {model}", **result}
        links = [f"{folder}/forward", f"{folder}/reverse"]
        for peer in _PEERS if peers is not None else ():
            # One that is run on its own files only needs the repository's root to be found.
            request_of_peer = {"peer": peer, "files": files, "links": links}
            result = run_measurement("scripts.alignment_peers", request_of_peer, python=str(peers))
            if corpus.tests:
                scoring = {**request, "links": links, "reverse_is_target_source": False}
                result |= run_measurement(measurement, scoring)
            yield {**facts, "aligner": peer, **result}
        for name, (forward, reverse, turned) in corpus.stored.items():
            scoring = {
                **request,
                "links": [str(forward), str(reverse)],
                "reverse_is_target_source": turned,
            }
            yield {**facts, "aligner": name, **run_measurement(measurement, scoring)}


def show(result: dict[str, Any]) -> str:
    """Both tables."""
    tables = []
    tests = dict.fromkeys(name for row in result["rows"] for name in row.get("aer", {}))
    rows = [
        [f"{test}: {row['aligner']}", *(f"{row['aer'][test][way]:.1f}" for way in _WAYS)]
        for test in tests
        for row in result["rows"]
        if test in row.get("aer", {})
    ]
    tables.append(format_table(["alignment error rate, %", *_SHORT], rows))
    rows = [
        [
            f"{row['corpus']}: {row['aligner']}",
            f"{row['pairs']:,}",
            f"{row['cpu_seconds']:.1f}",
            f"{1e9 * row['cpu_seconds'] / row['token_pairs']:,.0f}",
            f"{row['peak_mb']:,.0f}",
            f"{row['warm_up_cpu_seconds']:.1f}" if "warm_up_cpu_seconds" in row else "",
        ]
        for row in result["rows"]
        if "cpu_seconds" in row
    ]
    header = [
        "time, one core", "pairs", "CPU s", "ns a pair of words", "peak MB", "+ warming up, s",
    ]  # fmt: skip
    tables.append(format_table(header, rows))
    return "\n\n".join([*tables, "\n".join(describe(result))])


def main(arguments: list[str] | None = None) -> int:
    """Measure, print a table, write the result; returns the exit status."""
    parser = command_line(__doc__, "bench_alignment.json")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--peers", help="a Python that has eflomal and sil-thot")
    parser.add_argument("--only", nargs="+", metavar="CORPUS", help="these corpora only")
    return run_benchmark(parser, run_all, show, arguments)


def run_all(options: argparse.Namespace) -> dict[str, Any]:
    """Measure on the corpora that the command line names."""
    rows = []
    with LoadMeter() as meter:
        for corpora in (gold_corpora(options.data), timed_corpora(options.data)):
            for corpus in corpora:
                if options.only is None or corpus.name in options.only:
                    peers = options.peers if corpus.for_peers else None
                    for row in run(corpus, peers):
                        rows.append(row)
                        print(row, file=sys.stderr)
        return {"machine": machine(), "load": meter.load().to_json(), "rows": rows}


if __name__ == "__main__":
    sys.exit(main())
