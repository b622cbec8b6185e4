"""Learning which pieces a translation may be made of, from the word alignment of the corpus."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from nmt.corpus import TokenizedBitext
from nmt.neural.search.shortlist import Shortlist
from nmt.statistical.alignment.pieces import piece_translations
from nmt.tokenization import NUM_CONTROL_IDS, Tokenizer, TokenizerPair

_FREQUENT: Final = 200
"""Pieces that are candidates in every sentence."""
_TRANSLATIONS: Final = 100
"""Translations of a source piece at most.

Lists of Multi30k's sentences have 649 pieces by these numbers and hold 95.3 % of the references;
with 200 and 50, 458 and 93.7 %; with 500 and 100, 827 and 95.8 %. What these lists do to BLEU is
measured by scripts/measure_shortlist.py.
"""
_MOST_PAIRS: Final = 500_000
"""Sentence pairs that are aligned at most: more change the likeliest translations little."""


def learn_shortlist(
    bitext: TokenizedBitext,
    tokenizers: TokenizerPair,
    *,
    workers: int,
    report: Callable[[str], None],
) -> Shortlist:
    """The shortlist of a corpus: p(target piece | source piece) by the statistical aligner.

    A source piece also has, as candidates, the pieces that say it in the target, so that it can be
    copied; and a part of a character, as which rare characters are spelled, has all such parts.

    Args:
        bitext: the training pairs.
        tokenizers: of its pieces.
        workers: threads; the result does not depend on them.
        report: called with a line now and then.
    """
    sizes = tokenizers.source.vocabulary_size, tokenizers.target.vocabulary_size
    # Of a large corpus, pairs at equal distances.
    chosen = np.arange(0, len(bitext), -(-len(bitext) // _MOST_PAIRS))
    table = piece_translations(
        _rows(bitext.source, chosen), _rows(bitext.target, chosen),
        source_vocabulary_size=sizes[0], target_vocabulary_size=sizes[1],
        workers=workers, report=report,
    )  # fmt: skip
    copies = _copies(tokenizers)
    rows = []
    for piece in range(sizes[0]):
        cells = slice(table.offsets[piece], table.offsets[piece + 1])
        best = np.argsort(-table.probabilities[cells], kind="stable")[:_TRANSLATIONS]
        rows.append(np.union1d(table.targets[cells][best], copies[piece]))
    counts = np.bincount(bitext.target.flat, minlength=sizes[1])
    frequent = np.argsort(-counts, kind="stable")[:_FREQUENT]
    return Shortlist(
        np.sort(frequent).astype(np.int32),
        np.concatenate(([0], np.cumsum([len(row) for row in rows]))).astype(np.int64),
        np.concatenate(rows).astype(np.int32),
        sizes[1],
    )


def _rows(side: Any, chosen: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Chosen rows end to end, and where each begins."""
    if len(chosen) == len(side):
        return side.flat, side.offsets
    rows = [side[row] for row in chosen.tolist()]
    return np.concatenate(rows), np.concatenate(([0], np.cumsum([len(row) for row in rows])))


def _copies(tokenizers: TokenizerPair) -> list[Sequence[int]]:
    """For each source piece, the target pieces by which it is copied."""
    source, target = tokenizers.source, tokenizers.target
    parts = _parts_of_characters(target)
    spelled: list[Sequence[int]] = (
        [[piece] for piece in range(source.vocabulary_size)]
        if tokenizers.joint
        else list(target.encode(_texts(source)))
    )
    for piece in _parts_of_characters(source):
        spelled[piece] = [*parts, *spelled[piece]]
    for piece in range(NUM_CONTROL_IDS):
        spelled[piece] = []
    return spelled


def _texts(tokenizer: Tokenizer) -> list[str]:
    return tokenizer.decode([[piece] for piece in range(tokenizer.vocabulary_size)])


def _parts_of_characters(tokenizer: Tokenizer) -> list[int]:
    """Pieces that hold a part of a character's UTF-8 bytes: decoding cannot show them."""
    return [piece for piece, text in enumerate(_texts(tokenizer)) if "�" in text]


@dataclass(frozen=True, slots=True)
class ShortlistQuality:
    """How well a shortlist fits sentence pairs."""

    recall: float
    """Share of the targets' pieces that are candidates of their sentence."""
    candidates: float
    """Mean number of a sentence's candidates."""


def measure_shortlist(shortlist: Shortlist, bitext: TokenizedBitext) -> ShortlistQuality:
    """How much of the references a shortlist leaves to be said."""
    pairs = range(len(bitext))
    lists = shortlist.candidates([bitext.source[pair] for pair in pairs])
    pieces = np.asarray(bitext.target.flat, dtype=np.int64)
    sentences = np.repeat(np.arange(len(bitext)), bitext.target.lengths)
    found = lists.columns_of(sentences, pieces) >= 0
    recall = float(found.mean()) if len(found) else 1.0  # of blank lines nothing is left out
    return ShortlistQuality(recall, float(np.diff(lists.bounds).mean()))
