"""The language model: estimated from text or read from a file, saved, opened, asked."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from nmt.errors import UserError
from nmt.files import write_json
from nmt.statistical.language_model.arpa_reading import read_arpa_file
from nmt.statistical.language_model.arpa_trie import sort_ngrams
from nmt.statistical.language_model.arpa_writing import write_arpa
from nmt.statistical.language_model.automaton import build_automaton
from nmt.statistical.language_model.counting import Workspace, count_windows
from nmt.statistical.language_model.kneser_ney import estimate
from nmt.statistical.language_model.settings import LanguageModelSettings
from nmt.statistical.language_model.tables import LanguageModelTables, TableRows, advance
from nmt.statistical.language_model.trie import build_trie, prune
from nmt.statistical.sentences import Sentences
from nmt.statistical.vocabulary import BEGIN, END, UNKNOWN, Vocabulary

FORMAT: Final = 1
_DESCRIPTION: Final = "language_model.json"
_VOCABULARY: Final = "vocabulary.txt"
_ROWS: Final = ("slots", "states", "words")
_KNOWN: Final = "known.npy"
LOG_P_BEGIN: Final = -99.0 * math.log(10)
"""ln p(BEGIN), which nothing ever predicts: in ARPA files, -99 stands for log10 of zero."""

LOG_P_UNKNOWN: Final = -100.0 * math.log(10)
"""ln p(UNKNOWN) where an ARPA file does not say it; as in KenLM."""


@dataclass(frozen=True)
class LanguageModel:
    """p(word | words before), by n-grams with back-off."""

    order: int
    """Words of the longest n-grams."""
    vocabulary: Vocabulary
    """The words that ids stand for, in the tables and in what is scored."""
    rows: TableRows
    """The n-grams."""
    known: NDArray[np.bool_]
    """[V] Which ids the model knows; the others have the probability of UNKNOWN."""
    first_states: NDArray[np.int64]
    """[order+1] The first state of each length, from 0 words on; last, their number."""

    @property
    def tables(self) -> LanguageModelTables:
        """What compiled loops ask (``tables.advance``)."""
        return self.rows.columns()

    @property
    def begin_state(self) -> int:
        """The state before the first word of a sentence."""
        return int(self.rows.words["state"][BEGIN])

    @classmethod
    def estimate(
        cls,
        sentences: Sentences,
        vocabulary: Vocabulary,
        settings: LanguageModelSettings,
        *,
        folder_for_spills: Path | None = None,
        report: Callable[[str], None] = lambda _: None,
    ) -> LanguageModel:
        """Estimate a model from a text (``kneser_ney.py``).

        Words of the vocabulary that the text does not hold are unknown; UNKNOWN is a word like any
        other where the text holds it. Temporary files go to ``folder_for_spills`` (None: where the
        system has them). Raises UserError if there is no text.
        """
        if len(sentences) == 0:
            raise UserError(
                "there is no text to estimate a language model from", mend="check the corpus"
            )
        with Workspace.open(folder_for_spills, settings.memory) as workspace:
            windows = count_windows(sentences, len(vocabulary), settings.order, workspace)
            trie, counts = build_trie(windows, workspace)
            del windows
            estimated = estimate(trie, counts, settings, workspace)
            sizes = np.diff(trie.offsets)
            log_p, log_back_off = estimated.log_p, estimated.log_back_off
            log_p[np.searchsorted(trie.words[: trie.offsets[1]], BEGIN)] = LOG_P_BEGIN
            if max(settings.min_count) > 1:
                trie = prune(trie, estimated.kept)
                log_p, log_back_off = log_p[estimated.kept], log_back_off[estimated.kept]
            for length, size in enumerate(np.diff(trie.offsets), start=1):
                found = f" of {sizes[length - 1]:,}" if size < sizes[length - 1] else ""
                discounts = " ".join(f"{d:.3f}" for d in estimated.discounts[length - 1, 1:])
                report(f"language model: {size:,}{found} {length}-grams, discounts {discounts}")
            rows, known, first_states = build_automaton(
                trie, log_p, log_back_off, len(vocabulary), estimated.log_p_unknown
            )
        return cls(settings.order, vocabulary, rows, known, first_states)

    @classmethod
    def read_arpa(cls, path: Path) -> LanguageModel:
        """Read an ARPA file, plain or compressed with gzip; the vocabulary is its own.

        Raises UserError, with the line number, if it is not a complete ARPA file.
        """
        file = read_arpa_file(path)
        vocabulary = Vocabulary(file.words)
        trie, log_p, log_back_off = sort_ngrams(file, path)
        rows, known, first_states = build_automaton(
            trie, log_p, log_back_off, len(vocabulary), LOG_P_UNKNOWN
        )
        return cls(trie.order, vocabulary, rows, known, first_states)

    def write_arpa(self, path: Path) -> None:
        """Write an ARPA file, compressed if its name ends in ``.gz``.

        Read again, it gives the same model. Raises UserError if it cannot be written.
        """
        write_arpa(path, self.rows, self.vocabulary, self.known, self.first_states)

    @classmethod
    def open(cls, folder: Path) -> LanguageModel:
        """Memory-map what ``save`` wrote.

        Raises UserError if there is no language model, or one of a later format.
        """
        try:
            description = json.loads((folder / _DESCRIPTION).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise UserError(
                f"there is no {_DESCRIPTION}",
                where=str(folder),
                mend="give a folder that holds a language model",
            ) from None
        if description["format"] != FORMAT:
            raise UserError(
                f"the language model has format {description['format']}, not {FORMAT}",
                where=str(folder),
                mend="install the version of nmt that wrote it, or estimate it again",
            )
        # Copy on write: maps for reading only would have every loop compiled a second time.
        rows = TableRows(
            *(np.load(folder / f"{name}.npy", mmap_mode="c").view(np.ndarray) for name in _ROWS)
        )
        return cls(
            order=description["order"],
            vocabulary=Vocabulary.load(folder / _VOCABULARY),
            rows=rows,
            known=np.load(folder / _KNOWN),
            first_states=np.array(description["first_states"], np.int64),
        )

    def save(self, folder: Path) -> None:
        """Write the model into an existing folder, as arrays, text and JSON."""
        for name, array in zip(_ROWS, self.rows, strict=True):
            np.save(folder / f"{name}.npy", array, allow_pickle=False)
        np.save(folder / _KNOWN, self.known, allow_pickle=False)
        self.vocabulary.save(folder / _VOCABULARY)
        description = {
            "format": FORMAT,
            "order": self.order,
            "first_states": self.first_states.tolist(),
        }
        write_json(folder / _DESCRIPTION, description)

    def map_words(self, vocabulary: Vocabulary) -> NDArray[np.int32]:
        """The id here of each id of a vocabulary; UNKNOWN for words that the model has not."""
        ids = [UNKNOWN, BEGIN, END, *map(self.vocabulary.id, vocabulary.words)]
        mapped = np.array(ids, np.int32)
        mapped[~self.known[mapped]] = UNKNOWN
        return mapped

    def score(self, sentences: Sentences) -> NDArray[np.float64]:
        """ln p of each sentence, its end included."""
        words = np.where(self.known[sentences.words], sentences.words, UNKNOWN).astype(np.int32)
        offsets = np.array(sentences.offsets, np.int64)
        return np.asarray(_score(self.tables, words, offsets, self.begin_state))

    def perplexity(self, sentences: Sentences) -> float:
        """The perplexity per word, ends of sentences and unknown words included."""
        num_words = len(sentences.words) + len(sentences)
        return math.exp(-float(self.score(sentences).sum()) / num_words)


@njit(cache=True, nogil=True)
def _score(tables: Any, words: Any, offsets: Any, begin_state: int) -> Any:
    scores = np.empty(len(offsets) - 1)
    for sentence in range(len(scores)):
        state = begin_state
        total = 0.0
        for position in range(offsets[sentence], offsets[sentence + 1]):
            log_p, state = advance(tables, state, words[position])
            total += log_p
        log_p, state = advance(tables, state, END)
        scores[sentence] = total + log_p
    return scores
