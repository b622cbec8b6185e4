"""Whether an exported model translates as the model that it was made from."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from nmt.neural.backends.ctranslate2_translator import CTranslate2Translator
from nmt.neural.explanation.forced import forced_decoding
from nmt.neural.system import NeuralTranslator
from nmt.search_options import SearchOptions
from nmt.systems import load
from nmt.tokenization.pair import TokenizerPair
from nmt.tokenization.protocol import EOS_ID, NUM_CONTROL_IDS

TIE: Final = 1e-3
"""Difference of log-probabilities within which either piece may be the likelier one."""

_MADE_UP: Final = 50
_AT_ONCE: Final = 64


@dataclass(frozen=True)
class Agreement:
    """How the greedy and the best translations of an exported model compare with the native."""

    lines: int
    same: float
    """Share of lines whose greedy translation is the same, piece by piece."""
    worst_gap: float
    """Where they part, how much likelier the native model finds its own piece; the most of all."""
    same_beam: float
    """Share of lines whose best translation, by the model's own search, is the same text."""
    native: list[str]
    """Those best translations."""
    exported: list[str]

    @property
    def agrees(self) -> bool:
        """Whether they differ by ties only."""
        return self.worst_gap <= TIE


def check_export(model: Path, exported: Path, lines: Sequence[str]) -> Agreement:
    """Translate lines with a model folder and with what was exported from it.

    Greedy translations say whether both compute the same: each program takes the likeliest piece.
    Of beam searches every program has another, so best translations may differ more.
    """
    native, other = load(model, device="cpu", backend="native"), load(exported, device="cpu")
    assert isinstance(native, NeuralTranslator)
    assert isinstance(other, NeuralTranslator | CTranslate2Translator)
    sources = [
        np.asarray(row, dtype=np.int64)
        for row in native.tokenizers.source.encode(lines)
        if 0 < len(row) <= native.max_segment_pieces
    ]
    greedy = SearchOptions(beam=1, shortlist=False)  # which other programs do not have
    ours, theirs = [], []
    for first in range(0, len(sources), _AT_ONCE):
        part = sources[first : first + _AT_ONCE]
        ours += [best[0].pieces for best in native.search_pieces(part, greedy)]
        theirs += [best[0].pieces for best in other.search_pieces(part, greedy)]
    parted = [n for n, (a, b) in enumerate(zip(ours, theirs, strict=True)) if a != b]
    gaps = _gaps(native, [sources[n] for n in parted], ours, theirs, parted)
    texts = [[one.text for one in each.translate(lines)] for each in (native, other)]
    same_beam = [a == b for a, b in zip(*texts, strict=True)]
    return Agreement(
        len(sources), 1 - len(parted) / len(sources), max(gaps, default=0.0),
        sum(same_beam) / len(same_beam), *texts,
    )  # fmt: skip


def _gaps(
    native: NeuralTranslator,
    sources: Sequence[np.ndarray],
    ours: Sequence[list[int]],
    theirs: Sequence[list[int]],
    parted: Sequence[int],
) -> list[float]:
    """For each pair that parts, the native log-probability of our piece there less of theirs."""
    scored = [
        forced_decoding(native.model, sources, [pieces[number] for number in parted])
        for pieces in (ours, theirs)
    ]
    gaps = []
    for number, one, other in zip(parted, *scored, strict=True):
        a, b = ([*pieces[number], EOS_ID] for pieces in (ours, theirs))
        place = next(t for t, (x, y) in enumerate(zip(a, b, strict=False)) if x != y)
        gap = one.log_probability_T[place] - other.log_probability_T[place]
        # Below 0 ours was not the likeliest: a limit of the native search has ruled that out.
        gaps.append(max(0.0, float(gap)))
    return gaps


def made_up_lines(tokenizers: TokenizerPair, *, seed: int = 1) -> list[str]:
    """Lines of pieces drawn at random, where there are no real ones."""
    random = np.random.default_rng(seed)
    size = tokenizers.source.vocabulary_size
    lengths = random.integers(2, 20, _MADE_UP)
    rows = [random.integers(NUM_CONTROL_IDS, size, length) for length in lengths]
    return [text for text in tokenizers.source.decode([row.tolist() for row in rows]) if text]


def same_in_transformers(exported: Path, lines: Sequence[str]) -> float | None:
    """Share of lines whose greedy translation by ``transformers`` is ours; None without it."""
    if importlib.util.find_spec("transformers") is None:
        return None
    transformers: Any = importlib.import_module("transformers")
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    model = transformers.AutoModelForSeq2SeqLM.from_pretrained(exported).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(exported)
    ours = load(exported, device="cpu", backend="native").translate(lines, beam=1, shortlist=False)
    same = 0
    for first in range(0, len(lines), _AT_ONCE):
        part = list(lines[first : first + _AT_ONCE])
        batch = tokenizer(part, return_tensors="pt", padding=True)
        most = 2 * int(batch["input_ids"].shape[1]) + 20
        found = model.generate(**batch, num_beams=1, do_sample=False, max_new_tokens=most)
        texts = tokenizer.batch_decode(found, skip_special_tokens=True)
        same += sum(a == b.text for a, b in zip(texts, ours[first:], strict=False))
    return same / len(lines)
