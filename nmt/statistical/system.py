"""A trained phrase-based system as a translator."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from nmt.errors import UserError
from nmt.machine import available_cores
from nmt.model_folder import COPY_AGAIN, ModelFolder
from nmt.search_options import SearchOptions
from nmt.statistical.compounds import CompoundSplitter
from nmt.statistical.features import NAMES
from nmt.statistical.language_model.classes import ClassModel
from nmt.statistical.language_model.model import LanguageModel
from nmt.statistical.phrases.table import PhraseTable
from nmt.statistical.search.decoder import Decoder
from nmt.statistical.search.explain import explain
from nmt.statistical.search.results import Derivation
from nmt.statistical.search.settings import PhraseSearchSettings
from nmt.statistical.text import Words
from nmt.tokenization import TokenizerPair
from nmt.tokenization.words import WordTokenizer
from nmt.translator import Hypothesis, Translator

TOKENIZER: Final = "tokenizer"
PHRASES: Final = "phrases"
COMPOUNDS: Final = "compounds.json"
LANGUAGE_MODEL: Final = "language-model"
CLASS_MODEL: Final = "class-model"
WEIGHTS: Final = "weights.json"

_MAX_SEGMENT_WORDS: Final = 250
"""Search takes time that grows with the length of a sentence, and memory too."""


class PhraseBasedTranslator(Translator):
    """Translates raw text with a phrase table, a language model and tuned weights."""

    def __init__(
        self,
        source: Words,
        target: Words,
        decoder: Decoder,
        *,
        source_language: str,
        target_language: str,
        workers: int,
    ) -> None:
        """Make a translator.

        Args:
            source: how source text becomes words and ids.
            target: how target words become text.
            decoder: finds the words; its settings hold unless a call says otherwise.
            source_language: language code of the text that it takes.
            target_language: language code of the text that it gives.
            workers: sentences translated side by side.
        """
        self.source = source
        self.target = target
        self.decoder = decoder
        self.source_language = source_language
        self.target_language = target_language
        self._workers = workers

    @property
    def max_segment_pieces(self) -> int:
        """Longest sentence, in words, that is searched at once."""
        return _MAX_SEGMENT_WORDS

    def count_pieces(self, segments: Sequence[str]) -> list[int]:
        """Source words of each segment."""
        return [len(self.source.tokenizer.tokenize(segment)) for segment in segments]

    def search(
        self, segments: Sequence[str], options: SearchOptions, draws: Sequence[int] = ()
    ) -> list[list[Hypothesis]]:
        """Translate a batch of segments; ``beam`` is the size of the stacks.

        Raises UserError for what it does not do: sampling, length normalisation, shortlists.
        """
        words, found = self.derive(segments, options)
        return [
            [self._hypothesis(one, sentence, options.explain) for one in derivations]
            for sentence, derivations in zip(words, found, strict=True)
        ]

    def derive(
        self, segments: Sequence[str], options: SearchOptions
    ) -> tuple[list[list[str]], list[list[Derivation]]]:
        """The words of each segment, and its n best derivations; raises as ``search`` does."""
        if options.sampling is not None:
            raise UserError(
                "a phrase-based system searches for the best translations; it does not sample",
                mend="leave out --sample",
            )
        if options.length_penalty is not None:
            raise UserError(
                "a phrase-based system has no length penalty: its word penalty is tuned",
                mend="leave out --length-penalty",
            )
        if options.shortlist:
            raise UserError(
                "a statistical system has no shortlist of pieces",
                mend="leave out --shortlist",
            )
        decoder = self.decoder
        if options.beam is not None:
            beam = {"stack_size": options.beam, "pop_limit": 2 * options.beam}
            decoder = decoder.with_settings(decoder.settings.model_copy(update=beam))
        words, sentences = self.source.encode(segments)
        if options.nbest == 1:
            return words, [[one] for one in decoder.decode(sentences, workers=self._workers)]
        nbest = decoder.nbest(sentences, options.nbest, workers=self._workers)
        return words, decoder.derivations(nbest)

    def _hypothesis(
        self, derivation: Derivation, source_words: Sequence[str], explained: bool
    ) -> Hypothesis:
        """A derivation of a segment with these words, as text."""
        word = self.target.vocabulary.word
        words = [
            word(number) if number >= 0 else source_words[~number] for number in derivation.words
        ]
        return Hypothesis(
            self.target.tokenizer.detokenize(words),
            derivation.score,
            len(words),
            (explain(self.decoder, derivation, source_words, word),) if explained else (),
        )


def weights_by_name(weights: NDArray[np.float64]) -> dict[str, float]:
    """The weights as they are stored."""
    return dict(zip(NAMES, weights.tolist(), strict=True))


def load_words(folder: ModelFolder) -> tuple[WordTokenizer, WordTokenizer]:
    """The tokenizers of a statistical system's folder; raises UserError if they are others."""
    tokenizers = TokenizerPair.load(folder.path / TOKENIZER)
    pair = tokenizers.source, tokenizers.target
    if not (isinstance(pair[0], WordTokenizer) and isinstance(pair[1], WordTokenizer)):
        raise UserError("the tokenizers are not of words", where=str(folder.path), mend=COPY_AGAIN)
    return pair[0], pair[1]


def load_phrase_based(folder: ModelFolder) -> PhraseBasedTranslator:
    """Open a phrase-based system's folder; tables are mapped, not read.

    Raises UserError if it is not what this version wrote.
    """
    try:
        settings = PhraseSearchSettings.model_validate(folder.settings["search"])
        stored = json.loads(folder.file(WEIGHTS).read_text(encoding="utf-8"))
        weights = np.array([stored[name] for name in NAMES], np.float64)
        splitter = None
        if COMPOUNDS in folder.files:
            counts = json.loads(folder.file(COMPOUNDS).read_text(encoding="utf-8"))
            splitter = CompoundSplitter(counts)
    except (KeyError, TypeError, ValueError, ValidationError) as error:
        raise UserError(
            "the settings or weights are not those of a phrase-based system of this version",
            where=str(folder.path),
            mend="upgrade with: pip install --upgrade bitext-nmt, or train again",
        ) from error
    source, target = load_words(folder)
    phrases = PhraseTable.open(folder.path / PHRASES)
    language_model = LanguageModel.open(folder.path / LANGUAGE_MODEL)
    classes = None
    if any(name.startswith(f"{CLASS_MODEL}/") for name in folder.files):
        classes = ClassModel.open(folder.path / CLASS_MODEL).tables
    return PhraseBasedTranslator(
        Words.of(source, splitter),
        Words.of(target),
        Decoder(
            phrases.arrays,
            language_model.tables,
            language_model.begin_state,
            weights,
            settings,
            classes,
        ),
        source_language=folder.source_language,
        target_language=folder.target_language,
        workers=available_cores(),
    )
