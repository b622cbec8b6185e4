"""A trained word-by-word system as a translator."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Final

from pydantic import ValidationError

from nmt.errors import UserError
from nmt.machine import available_cores
from nmt.model_folder import ModelFolder
from nmt.recipe import WordByWordSearchSettings
from nmt.search_options import SearchOptions
from nmt.statistical.language_model.model import LanguageModel
from nmt.statistical.phrases.table import PhraseTable
from nmt.statistical.search.results import Derivation
from nmt.statistical.system import PhraseBasedTranslator, load_words
from nmt.statistical.text import Words
from nmt.statistical.word_by_word.decoder import make_decoder
from nmt.statistical.word_by_word.explain import explain_words
from nmt.translator import Hypothesis

WORD_TABLE: Final = "word-table"
LANGUAGE_MODEL: Final = "language-model"


class WordByWordTranslator(PhraseBasedTranslator):
    """A phrase-based translator whose phrases are single words, in the order of the source.

    Its decoder comes from `make_decoder`.
    """

    def derive(
        self, segments: Sequence[str], options: SearchOptions
    ) -> tuple[list[list[str]], list[list[Derivation]]]:
        """The words of each segment, and its n best derivations.

        Raises UserError for what this search does not do: sampling, and length normalisation.
        """
        if options.sampling is not None:
            raise UserError(
                "a word-by-word system searches for the best translations; it does not sample",
                mend="leave out --sample",
            )
        if options.length_penalty is not None:
            raise UserError(
                "a word-by-word system has no length penalty: its output is as long as its input",
                mend="leave out --length-penalty",
            )
        return super().derive(segments, options)

    def _hypothesis(
        self, derivation: Derivation, source_words: Sequence[str], explained: bool
    ) -> Hypothesis:
        found = super()._hypothesis(derivation, source_words, False)
        if not explained:
            return found
        word_of = self.target.vocabulary.word
        explanation = explain_words(self.decoder, derivation, source_words, word_of)
        return dataclasses.replace(found, explanations=(explanation,))


def load_word_by_word(folder: ModelFolder) -> WordByWordTranslator:
    """Open a word-by-word system's folder; tables are mapped, not read.

    Raises UserError if it is not what this version wrote.
    """
    try:
        settings = WordByWordSearchSettings.model_validate(folder.settings["search"])
    except (KeyError, ValidationError) as error:
        raise UserError(
            "the settings are not those of a word-by-word system of this version",
            where=str(folder.path),
            mend="upgrade with: pip install --upgrade bitext-nmt, or train again",
        ) from error
    source, target = load_words(folder)
    return WordByWordTranslator(
        Words.of(source),
        Words.of(target),
        make_decoder(
            PhraseTable.open(folder.path / WORD_TABLE),
            LanguageModel.open(folder.path / LANGUAGE_MODEL),
            settings,
        ),
        source_language=folder.source_language,
        target_language=folder.target_language,
        workers=available_cores(),
    )
