"""Word alignments by attention and by phrases, against the statistical aligner's.

``python -m scripts.measure_alignments MODEL... --data DIR`` trains our statistical aligner on
Multi30k (training pairs and those measured), makes every model say the references of a test set,
and prints alignment error rates (Och and Ney 2003) with the aligner's links for gold.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path

import numpy as np

import nmt
from nmt.lines import read_lines
from nmt.neural.explanation.attention import alignment_links, explain
from nmt.neural.search.hypotheses import FoundPieces
from nmt.neural.system import NeuralTranslator
from nmt.statistical.alignment.error_rate import alignment_error_rate
from nmt.statistical.alignment.pharaoh import GoldAlignment
from nmt.statistical.alignment.settings import AlignmentSettings
from nmt.statistical.alignment.word_aligner import WordAligner

Links = list[list[tuple[int, int]]]
Words = list[list[str]]

_WORD = re.compile(r"\w+|[^\w\s]")


def forced_links(
    translator: NeuralTranslator, source: list[str], target: list[str]
) -> tuple[Words, Words, Links]:
    """The words of pairs as the model's explanations have them, and the links by its attention."""
    rows = [np.asarray(row, dtype=np.int64) for row in translator.tokenizers.source.encode(source)]
    said = [FoundPieces(row, 0.0, 0.0) for row in translator.tokenizers.target.encode(target)]
    found = explain(translator.model, translator.tokenizers, rows, said)
    return (
        [list(one.source) for one in found],
        [list(one.target) for one in found],
        [alignment_links(one) for one in found],
    )


def aligned(train: tuple[Words, Words], source: Words, target: Words) -> Links:
    """The statistical aligner's links of pairs; it is trained on these and on others."""
    settings = AlignmentSettings(model="eflomal")
    alignments, _ = WordAligner.train(
        source + train[0], target + train[1], settings, workers=1, report=lambda _line: None
    )
    return [alignments[number] for number in range(len(source))]


def main() -> None:
    """Print a table, and write it as JSON if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds multi30k")
    parser.add_argument("--test", default="valid")
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    folder = arguments.data / "multi30k"
    results = {}
    for path in arguments.models:
        translator = nmt.load(path, device="cpu")
        assert isinstance(translator, NeuralTranslator)
        texts = {
            split: [
                read_lines(folder / f"{split}.{language}")
                for language in (translator.source_language, translator.target_language)
            ]
            for split in ("train", arguments.test)
        }
        train = [[_WORD.findall(line) for line in side] for side in texts["train"]]
        source, target, links = forced_links(translator, *texts[arguments.test])
        gold = aligned((train[0], train[1]), source, target)
        score = alignment_error_rate(
            links, [GoldAlignment(frozenset(one), frozenset(one)) for one in gold]
        )
        results[str(path)] = {
            "error_rate": round(100 * score.error_rate, 2),
            "precision": round(100 * score.precision, 2),
            "recall": round(100 * score.recall, 2),
        }
        print(path, results[str(path)])
    if arguments.output:
        arguments.output.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
