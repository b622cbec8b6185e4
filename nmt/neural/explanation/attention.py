"""How a neural translation came about: what it attended to, and how sure it was of each word.

Shapes: T target words and S source words; of pieces where it says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from nmt.neural.explanation.forced import ForcedDecoding, forced_decoding
from nmt.neural.explanation.words import Word, words_of_pieces
from nmt.neural.model.ensemble import SearchedModel
from nmt.neural.search.hypotheses import FoundPieces
from nmt.tokenization import TokenizerPair

_SHOWN_WORDS: Final = 3
"""Source words shown for a target word at most."""
_SHOWN_WEIGHT: Final = 0.1
"""Weight from which a source word is shown, other than the greatest."""


@dataclass(frozen=True, slots=True)
class AttentionExplanation:
    """A translation, word by word.

    Attention tells where the model looked when it said a word. That is mostly, not always, what the
    word is a translation of (Jain and Wallace 2019; Garg et al. 2019).
    """

    source: tuple[str, ...]
    target: tuple[str, ...]
    attention_TS: NDArray[np.float64]
    """How much each target word attended to each source word; rows sum to 1."""
    attention_to_end_T: NDArray[np.float64]
    """The share of its attention that went to the source's end, which is left out above: models
    look there when they need nothing from the source."""
    log_probability_T: NDArray[np.float64]
    """Of each target word, given the words before it."""
    end_log_probability: float
    """That it is complete; added to those of the words, this is the model's log-probability."""
    score: float
    """The score by which the search ranked it."""

    def to_json(self) -> dict[str, Any]:
        """As JSON values; ``links`` are those of `alignment_links`."""
        return {
            "kind": "attention",
            "source": list(self.source),
            "target": list(self.target),
            "attention": self.attention_TS.round(3).tolist(),
            "links": [list(link) for link in alignment_links(self)],
            "attention_to_end": self.attention_to_end_T.round(3).tolist(),
            "log_probability": self.log_probability_T.round(6).tolist(),
            "end_log_probability": round(self.end_log_probability, 6),
            "score": round(self.score, 6),
        }

    def __str__(self) -> str:
        """A table: target words, their probabilities, and what they attended to most."""
        rows = [("word", "probability", "on end", "attention")]
        for word, log_p, on_end, weights in zip(
            self.target,
            self.log_probability_T,
            self.attention_to_end_T,
            self.attention_TS,
            strict=True,
        ):
            rows.append((word, f"{np.exp(log_p):.1%}", f"{on_end:.0%}", self._most(weights)))
        rows.append(("(end)", f"{np.exp(self.end_log_probability):.1%}", "", ""))
        head = [" ".join(self.source), " ".join(self.target), f"score {self.score:.4f}", ""]
        return "\n".join([*head, *_columns(rows)])

    def _most(self, weight_S: NDArray[np.float64]) -> str:
        """The source words with most of the weight; equal ones are told apart by position."""
        count = Counter(self.source)
        best = np.argsort(-weight_S, kind="stable")[:_SHOWN_WORDS].tolist()
        return ", ".join(
            f"{self.source[s]}{f'[{s}]' if count[self.source[s]] > 1 else ''} {weight_S[s]:.0%}"
            for s in best
            if s == best[0] or weight_S[s] >= _SHOWN_WEIGHT
        )


def alignment_links(explanation: AttentionExplanation) -> list[tuple[int, int]]:
    """Word alignment by attention: (source position, target position), in order.

    Each target word is linked to the source word that it attended to most. Leaving out words that
    attended more to the end makes alignments worse (see `nmt.neural.explanation.forced`).
    """
    best_T = explanation.attention_TS.argmax(axis=1).tolist() if explanation.target else []
    return sorted((source, target) for target, source in enumerate(best_T))


def explain(
    model: SearchedModel,
    tokenizers: TokenizerPair,
    sources: Sequence[NDArray[np.int64]],
    found: Sequence[FoundPieces],
) -> list[AttentionExplanation]:
    """Tell how hypotheses came about, by saying them once more.

    Args:
        model: the model that said them.
        tokenizers: of its pieces.
        sources: pieces of each hypothesis' source, without its end; none is empty.
        found: the hypotheses.
    """
    targets = [one.pieces for one in found]
    source_words = words_of_pieces(tokenizers.source, [source.tolist() for source in sources])
    target_words = words_of_pieces(tokenizers.target, targets)
    decoded = forced_decoding(model, sources, targets)
    return [
        _explanation(*each) for each in zip(source_words, target_words, decoded, found, strict=True)
    ]


def _explanation(
    source: list[Word], target: list[Word], decoded: ForcedDecoding, found: FoundPieces
) -> AttentionExplanation:
    attention_TS, to_end_T = merge_attention(decoded.attention_TS, source, target)
    log_p_T = [decoded.log_probability_T[word.begin : word.end].sum() for word in target]
    return AttentionExplanation(
        source=tuple(word.text for word in source),
        target=tuple(word.text for word in target),
        attention_TS=attention_TS,
        attention_to_end_T=to_end_T,
        log_probability_T=np.array(log_p_T, dtype=np.float64),
        end_log_probability=float(decoded.log_probability_T[-1]),
        score=found.score,
    )


def merge_attention(
    pieces_TS: NDArray[np.float64], source: Sequence[Word], target: Sequence[Word]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Attention between words, [T, S], whose rows sum to 1, and attention to the end, [T].

    Args:
        pieces_TS: attention of each target piece to each source piece and to the source's end;
            the last row, of the target's end, is left out.
        source: words of the source; one at least.
        target: words of the target.
    """
    if not target:
        return np.zeros((0, len(source))), np.zeros(0)
    begins = [word.begin for word in source] + [source[-1].end]
    # Whatever asks for a word asks for any of its pieces; what a word asks is the mean of its own.
    by_word_TS = np.add.reduceat(pieces_TS, begins, axis=1)
    mean_TS = np.stack([by_word_TS[word.begin : word.end].mean(axis=0) for word in target])
    words_TS, to_end_T = mean_TS[:, :-1], mean_TS[:, -1]
    # Where all went to the end, in the digits that there are, no source word is before another.
    words_TS = np.where(words_TS.sum(axis=1, keepdims=True) > 0, words_TS, 1.0)
    return words_TS / words_TS.sum(axis=1, keepdims=True), to_end_T


def _columns(rows: Sequence[tuple[str, str, str, str]]) -> Iterator[str]:
    """Lines of a table: words to the left, numbers to the right."""
    from rich.cells import cell_len

    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    for word, probability, on_end, attention in rows:
        word += " " * (widths[0] - cell_len(word))
        cells = (word, probability.rjust(widths[1]), on_end.rjust(widths[2]), attention)
        yield "  ".join(cells).rstrip()
