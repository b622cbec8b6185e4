"""Word-by-word search: phrase-based search over single words, in their order."""

from __future__ import annotations

import numpy as np

from nmt.recipe import WordByWordSearchSettings
from nmt.statistical.features import LANGUAGE_MODEL, NUM_FEATURES
from nmt.statistical.language_model.model import LanguageModel
from nmt.statistical.phrases.table import PhraseTable
from nmt.statistical.search.decoder import Decoder
from nmt.statistical.search.settings import PhraseSearchSettings
from nmt.statistical.word_by_word.table import WORD_TRANSLATION


def make_decoder(
    table: PhraseTable, language_model: LanguageModel, settings: WordByWordSearchSettings
) -> Decoder:
    """A decoder for source words s_1 .. s_n that looks for the target words t_1 .. t_n of highest

        sum over i of ln t(t_i | s_i) + language_weight * ln p(t_1 .. t_n, end).

    A word that the table does not know is copied, and is UNKNOWN to the language model. Jumps are
    forbidden, and all other features of phrase-based search weigh nothing.
    """
    weights = np.zeros(NUM_FEATURES)
    weights[WORD_TRANSLATION] = 1.0
    weights[LANGUAGE_MODEL] = settings.language_weight
    limits = PhraseSearchSettings(
        stack_size=settings.beam,
        pop_limit=2 * settings.beam,
        beam_threshold=3.0,  # Multi30k: 0.03 BLEU less, in two thirds of the time
        distortion_limit=0,
        max_options=max(1, int(np.diff(table.arrays.entry_offsets).max(initial=1))),
        max_phrase_words=1,
    )
    return Decoder(table.arrays, language_model.tables, language_model.begin_state, weights, limits)
