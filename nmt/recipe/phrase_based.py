"""Settings of a phrase-based statistical system."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from nmt.settings import Contradiction, Settings
from nmt.statistical.alignment.settings import AlignmentSettings
from nmt.statistical.language_model.settings import ClassModelSettings, LanguageModelSettings
from nmt.statistical.phrases.settings import PhraseSettings
from nmt.statistical.search.settings import PhraseSearchSettings
from nmt.statistical.tuning.settings import TuningSettings


class PhraseBasedSettings(Settings):
    """A phrase-based system (Koehn, Och and Marcu 2003). Its words are not the tokenizer's."""

    kind: Literal["phrase-based"] = "phrase-based"
    """A phrase-based system."""
    truecase: bool = True
    """Write the first word of a sentence in its most frequent form within sentences."""
    split_compounds: bool = False
    """Split rare source words into frequent ones, such as German compounds (Koehn and Knight)."""
    alignment: AlignmentSettings = AlignmentSettings()
    """How words are aligned."""
    phrases: PhraseSettings = PhraseSettings()
    """Which phrase pairs are taken, and how they are scored."""
    language_model: LanguageModelSettings = LanguageModelSettings()
    """The language model of the target side."""
    class_model: ClassModelSettings = ClassModelSettings()
    """The model of its word classes."""
    search: PhraseSearchSettings = PhraseSearchSettings()
    """How it translates unless the command says otherwise."""
    tuning: TuningSettings = TuningSettings()
    """How the weights of its features are found."""

    def contradictions(self) -> Iterable[Contradiction]:
        """A search for phrases that the table cannot have."""
        longest, searched = self.phrases.max_words, self.search.max_phrase_words
        if searched > longest:
            yield Contradiction(
                f"search looks for phrases of {searched} words, and the longest have {longest}",
                ("search.max_phrase_words", "phrases.max_words"),
                f"set search.max_phrase_words to {longest} or less",
            )
