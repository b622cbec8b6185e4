"""How well the attention of neural models links words: alignment error rates, layer by layer.

    python -m scripts.bench_attention MODEL... [--data FOLDER] [--output FILE]
    python -m scripts.bench_attention --show scripts/results/bench_attention.json

The models are of Multi30k; each is made to say the validation set's references (forced decoding),
and every target word is linked to the source word that it attended to most. There are no links by
people for this text. Those of our statistical aligner, trained on the training set too, stand for
them: links in both directions are sure, those of grow-diag-final-and possible. Words are those of
`nmt.neural.explanation.words`.

"shifted" asks one step later, when the word is read and not said (Chen et al. 2020).
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from nmt.files import write_json
from nmt.lines import read_lines
from nmt.neural.explanation.attention import merge_attention
from nmt.neural.explanation.forced import forced_decoding, informative_layers
from nmt.neural.explanation.words import Word, words_of_pieces
from nmt.neural.model.transformer import Transformer
from nmt.neural.system import NeuralTranslator
from nmt.statistical.alignment.error_rate import alignment_error_rate
from nmt.statistical.alignment.pharaoh import GoldAlignment
from nmt.statistical.alignment.settings import AlignmentSettings, Symmetrization
from nmt.statistical.alignment.word_aligner import WordAligner
from nmt.systems import load
from scripts.benchmark import RESULTS, format_table, machine

Links = frozenset[tuple[int, int]]


def main(arguments: list[str] | None = None) -> int:
    """Measure, print a table, write the result."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("models", type=Path, nargs="*", metavar="MODEL")
    parser.add_argument("--data", type=Path, default=Path("../shared/data/multi30k"))
    parser.add_argument("--output", type=Path, default=RESULTS / "bench_attention.json")
    parser.add_argument("--show", type=Path)
    options = parser.parse_args(arguments)
    if options.show:
        print(render(json.loads(options.show.read_text(encoding="utf-8"))))
        return 0
    if not options.models:
        parser.error("which models?")
    result = {
        "machine": machine(),
        "models": [measure(model, options.data) for model in options.models],
    }
    print(render(result))
    write_json(options.output, result)
    return 0


def measure(folder: Path, data: Path) -> dict[str, Any]:
    """Error rates of each layer of a model, of the mean of all, and of those that are shown."""
    translator = load(folder, device="cpu")
    if not isinstance(translator, NeuralTranslator):
        raise SystemExit(f"{folder}: not a neural model")
    pieces, words = [], []
    num_valid = 0
    for language, tokenizer in (
        (translator.source_language, translator.tokenizers.source),
        (translator.target_language, translator.tokenizers.target),
    ):
        valid = list(read_lines(data / f"valid.{language}"))
        num_valid = len(valid)
        rows = tokenizer.encode([*valid, *read_lines(data / f"train.{language}")])
        pieces.append(rows[:num_valid])
        words.append(words_of_pieces(tokenizer, rows))
    sure = statistical_links(words[0], words[1], num_valid, "intersection")
    grown = statistical_links(words[0], words[1], num_valid, "grow-diag-final-and")
    golds = [GoldAlignment(a, a | b) for a, b in zip(sure, grown, strict=True)]
    model = translator.model
    num_layers = len(model.decoder) if isinstance(model, Transformer) else 1
    sources = [np.array(row, dtype=np.int64) for row in pieces[0]]
    ways: dict[str, Sequence[int]] = {f"layer {n + 1}": (n,) for n in range(num_layers)}
    if num_layers > 1:
        ways |= {"all": range(num_layers), "all but the lowest": informative_layers(num_layers)}
    results = []
    for name, chosen in ways.items():
        decoded = forced_decoding(model, sources, pieces[1], layers=chosen)
        for shift in (0, 1):
            found = [
                links_of(one.attention_TS[shift:], source, target)
                for one, source, target in zip(decoded, words[0], words[1], strict=False)
            ]
            scores = asdict(alignment_error_rate(found, golds))
            results.append({"attention": name, "shifted": bool(shift), **scores})
    return {
        "kind": type(model).__name__,
        "architecture": model.architecture.to_json(),
        "rows": results,
    }


def statistical_links(
    source: Sequence[Sequence[Word]],
    target: Sequence[Sequence[Word]],
    count: int,
    symmetrization: Symmetrization,
) -> list[Links]:
    """Links of the first ``count`` pairs by our aligner, trained on all."""
    found, _ = WordAligner.train(
        [[word.text.lower() for word in sentence] for sentence in source],
        [[word.text.lower() for word in sentence] for sentence in target],
        AlignmentSettings(symmetrization=symmetrization),
        workers=1,
        report=lambda _: None,
    )
    pairs = list(zip(found.source.tolist(), found.target.tolist(), strict=True))
    bounds = found.offsets[: count + 1].tolist()
    return [frozenset(pairs[begin:end]) for begin, end in itertools.pairwise(bounds)]


def links_of(
    attention_TS: np.ndarray, source: Sequence[Word], target: Sequence[Word]
) -> set[tuple[int, int]]:
    """Each target word and the source word that it attends to most."""
    weights_TS, _ = merge_attention(attention_TS, source, target)
    return {(int(best), t) for t, best in enumerate(weights_TS.argmax(axis=1))}


def render(result: dict[str, Any]) -> str:
    """The tables as text."""
    parts = []
    for model in result["models"]:
        sizes = model["architecture"]
        norms = f", norms {sizes['norm_position']}" if "norm_position" in sizes else ""
        title = f"{model['kind']}, width {sizes['width']}, "
        title += f"{sizes['encoder_layers']} + {sizes['decoder_layers']} layers{norms}"
        rows = [
            [
                row["attention"] + (", shifted" if row["shifted"] else ""),
                *(f"{100 * row[key]:.1f}" for key in ("error_rate", "precision", "recall")),
            ]
            for row in model["rows"]
        ]
        parts.append(f"{title}\n{format_table(['attention', 'AER', 'P', 'R'], rows)}")
    return "\n\n".join(parts)


if __name__ == "__main__":
    sys.exit(main())
