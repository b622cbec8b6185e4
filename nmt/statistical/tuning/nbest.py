"""N-best lists: what the decoder gives and tuning reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nmt.statistical.sentences import Sentences
from nmt.statistical.vocabulary import UNKNOWN, Vocabulary


@dataclass(frozen=True)
class NBest:
    """Hypotheses of all sentences, laid end to end; H hypotheses, S sentences, F features.

    A sentence has one hypothesis at least, be it an empty one.
    """

    features: NDArray[np.float64]
    """[H, F] The feature values of each hypothesis, in the order of the weights."""
    words: NDArray[np.int32]
    """The words of all hypotheses, end to end."""
    word_offsets: NDArray[np.int64]
    """[H+1] Where the words of each hypothesis begin in ``words``."""
    sentence_offsets: NDArray[np.int64]
    """[S+1] Sentence s has the hypotheses sentence_offsets[s] to sentence_offsets[s+1], the best by
    model score first."""

    def __post_init__(self) -> None:
        assert self.features.ndim == 2
        assert len(self.features) == len(self.word_offsets) - 1 == self.sentence_offsets[-1]
        assert self.word_offsets[-1] == len(self.words)
        assert (np.diff(self.sentence_offsets) > 0).all(), "a sentence without hypotheses"

    def __len__(self) -> int:
        """Number of sentences."""
        return len(self.sentence_offsets) - 1

    def with_copies(self, copied: Sentences) -> NBest:
        """The same with ids of words where ``words`` has ``~position`` of a copied source word.

        ``copied`` has, for each source sentence, the id that each word gets when copied.
        """
        begins = self.word_offsets[self.sentence_offsets]
        sentence = np.repeat(np.arange(len(self)), np.diff(begins))
        is_copy = self.words < 0
        words = self.words.copy()
        words[is_copy] = copied.words[copied.offsets[sentence[is_copy]] + ~self.words[is_copy]]
        return replace(self, words=words)


def encode_all_words(
    vocabulary: Vocabulary, *texts: Sequence[Sequence[str]]
) -> tuple[Sentences, ...]:
    """The ids of texts; words outside the vocabulary get ids beyond it, the same in all texts.

    So a name that is copied counts as a match where the reference has it too.
    """
    beyond: dict[str, int] = {}
    encoded = []
    for lines in texts:
        sentences = vocabulary.encode(lines)
        words = np.array(sentences.words)
        unknown = np.flatnonzero(words == UNKNOWN)
        flat = [word for line in lines for word in line] if len(unknown) else []
        for place in unknown:
            words[place] = beyond.setdefault(flat[place], len(vocabulary) + len(beyond))
        encoded.append(Sentences(words, sentences.offsets))
    return tuple(encoded)
