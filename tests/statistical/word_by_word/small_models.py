"""Small random models, and word-by-word translation as it is defined: every choice of words."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from nmt.recipe import WordByWordSearchSettings
from nmt.statistical.language_model.model import LanguageModel
from nmt.statistical.language_model.settings import LanguageModelSettings
from nmt.statistical.phrases.table import PhraseTable
from nmt.statistical.search.decoder import Decoder
from nmt.statistical.sentences import Bitext, Sentences
from nmt.statistical.vocabulary import FIRST_WORD, UNKNOWN, Vocabulary
from nmt.statistical.word_by_word.decoder import make_decoder
from nmt.statistical.word_by_word.table import train_word_table

SOURCE = Vocabulary(f"s{n}" for n in range(6))
TARGET = Vocabulary(f"t{n}" for n in range(6))
NEVER_SEEN = FIRST_WORD + 5
"""A source word that is in no training pair."""


def sentences_of(lines: Sequence[Sequence[int]]) -> Sentences:
    """Sentences of ids."""
    flat = np.array([word for line in lines for word in line], np.int32)
    return Sentences.of_lengths(flat, np.array([len(line) for line in lines], np.int64))


@dataclass
class SmallModel:
    """A translation table and a language model, trained on a few random pairs."""

    table: PhraseTable
    language_model: LanguageModel
    settings: WordByWordSearchSettings

    def decoder(self, *, exact: bool) -> Decoder:
        """The decoder of the settings; if exact, nothing is pruned."""
        decoder = make_decoder(self.table, self.language_model, self.settings)
        if not exact:
            return decoder
        all_of = {"stack_size": None, "pop_limit": None, "beam_threshold": None}
        return decoder.with_settings(decoder.settings.model_copy(update=all_of))

    def ways(self, word: int) -> list[tuple[int, float]]:
        """What a source word may become, with ln t; UNKNOWN stands for a copy."""
        entries = self.table.lookup([SOURCE.word(word)]) if word >= FIRST_WORD else []
        if not entries:
            return [(UNKNOWN, 0.0)]
        return [(TARGET.id(entry.target[0]), max(entry.scores, key=abs)) for entry in entries]

    def translations(self, sentence: Sequence[int]) -> Iterator[tuple[float, tuple[int, ...]]]:
        """Every translation of a sentence, with its score."""
        for choice in itertools.product(*map(self.ways, sentence)):
            words = tuple(word for word, _ in choice)
            language = float(self.language_model.score(sentences_of([words]))[0])
            yield (
                sum(log_t for _, log_t in choice) + self.settings.language_weight * language,
                words,
            )


def small_model(seed: int, *, beam: int = 3, language_weight: float = 0.7) -> SmallModel:
    """A model of 20 random pairs of up to 5 words."""
    rng = np.random.default_rng(seed)
    source = sentences_of([rng.integers(FIRST_WORD, NEVER_SEEN, n) for n in rng.integers(1, 6, 20)])
    target = sentences_of([rng.integers(FIRST_WORD, 9, n) for n in rng.integers(1, 6, 20)])
    table = train_word_table(
        Bitext(source, target), SOURCE, TARGET,
        iterations=3, max_translations=4, workers=1, report=lambda _: None,
    )  # fmt: skip
    model = LanguageModel.estimate(target, TARGET, LanguageModelSettings(order=3))
    return SmallModel(
        table, model, WordByWordSearchSettings(beam=beam, language_weight=language_weight)
    )
