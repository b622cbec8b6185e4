"""Text in, hypotheses out, on one core: what each core that translates has of a neural model."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, Final

import numpy as np
import torch

from nmt.errors import UserError
from nmt.guide import Guide
from nmt.neural import cpu
from nmt.neural.explanation.attention import AttentionExplanation, explain
from nmt.neural.model.ensemble import SearchedModel
from nmt.neural.search.beam import beam_search
from nmt.neural.search.guided import guided_search
from nmt.neural.search.guided_sentence import Conditions
from nmt.neural.search.hypotheses import FoundPieces
from nmt.neural.search.piece_automata import Spelling
from nmt.neural.search.sampling import sample
from nmt.neural.search.shortlist import Shortlist
from nmt.recipe.neural import SearchSettings
from nmt.search_options import SearchOptions
from nmt.tokenization import NUM_CONTROL_IDS, TokenizerPair
from nmt.tokenization.spelling import piece_bytes
from nmt.translation import Explanation, Hypothesis

_EXPLAINED_AT_ONCE: Final = 32
"""Hypotheses that are explained before the next ones: they are padded to the longest."""


class Searcher:
    """A model, and all that translating with it takes; does everything in the calling thread.

    It can be pickled, so that other processes can have a copy (`nmt.worker_processes`).
    """

    def __init__(
        self,
        model: SearchedModel,
        tokenizers: TokenizerPair,
        settings: SearchSettings,
        *,
        shortlist: Shortlist | None = None,
        backend: str = "native",
    ) -> None:
        """Make a searcher.

        Args:
            model: the model.
            tokenizers: its tokenizers.
            settings: how to search unless a call says otherwise.
            shortlist: says of which pieces a translation may be made, where that is asked for.
            backend: which program computes the model, for messages.
        """
        self.model = model
        self.tokenizers = tokenizers
        self.settings = settings
        self.shortlist = shortlist
        self.backend = backend

    def search(
        self,
        segments: Sequence[str],
        guides: Sequence[Guide],
        options: SearchOptions,
        draws: Sequence[int],
    ) -> list[list[Hypothesis]]:
        """The n-best list of each segment, as `nmt.translator.Translator.search` gives it.

        With ``guides``, one for each segment, translations are as they say; else there are none.
        """
        sources = [
            np.asarray(row, dtype=np.int64) for row in self.tokenizers.source.encode(segments)
        ]
        if guides:
            found = self._search_guided(segments, sources, guides, options)
        else:
            found = self.search_pieces(sources, options, draws)
        return self._hypotheses(sources, found, options)

    def search_pieces(
        self, sources: Sequence[np.ndarray], options: SearchOptions, draws: Sequence[int] = ()
    ) -> list[list[FoundPieces]]:
        """The n-best pieces of each source, in order; no source may be empty.

        ``draws`` are for samples, as in ``search``; without them, all are the first of their text.
        Samples are drawn from all pieces, whatever the shortlist.

        Raises UserError if a shortlist is asked for and there is none.
        """
        wanted = self.settings.shortlist if options.shortlist is None else options.shortlist
        shortlist = self.shortlist if wanted else None
        if options.shortlist and shortlist is None and self.backend != "native":
            raise UserError(
                f"the backend {self.backend} knows no shortlists",
                mend="translate with --backend native",
            )
        if options.shortlist and shortlist is None:
            raise UserError(
                "the model has no shortlist",
                mend="set search.shortlist of the system to true in its recipe and start nmt-train "
                "once more: it adds one, and trains nothing anew",
            )
        settings = self._settings(options)
        if options.sampling is not None:
            return sample(
                self.model, sources, settings, options.sampling, count=options.nbest, draws=draws
            )
        return beam_search(self.model, sources, settings, nbest=options.nbest, shortlist=shortlist)

    def wake(self) -> None:
        """Do what the first search would do, in a process that computes nothing else."""
        cpu.keep_freed_memory()
        torch.set_num_threads(1)
        self.search_pieces([np.array([NUM_CONTROL_IDS])], SearchOptions())

    def __getstate__(self) -> dict[str, Any]:
        # The same library for matrix products in all processes: others round otherwise.
        return {
            **{name: value for name, value in self.__dict__.items() if name != "_spelling"},
            "precision": torch.get_float32_matmul_precision(),
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        torch.set_float32_matmul_precision(state.pop("precision"))
        self.__dict__.update(state)

    def _search_guided(
        self,
        segments: Sequence[str],
        sources: Sequence[np.ndarray],
        guides: Sequence[Guide],
        options: SearchOptions,
    ) -> list[list[FoundPieces]]:
        normalize = self.tokenizers.target.normalize
        conditions = [
            Conditions.of(guide.normalized(normalize), self._spelling, name=segment)
            for guide, segment in zip(guides, segments, strict=True)
        ]
        return guided_search(
            self.model, sources, conditions, self._spelling, self._settings(options),
            nbest=options.nbest,
        )  # fmt: skip

    @cached_property
    def _spelling(self) -> Spelling:
        return Spelling(piece_bytes(self.tokenizers.target))

    def _settings(self, options: SearchOptions) -> SearchSettings:
        """The settings of a search with these options."""
        changes = {
            name: value
            for name in ("beam", "length_penalty")
            if (value := getattr(options, name)) is not None
        }
        return self.settings.model_copy(update=changes)

    def _hypotheses(
        self,
        sources: Sequence[np.ndarray],
        found: Sequence[Sequence[FoundPieces]],
        options: SearchOptions,
    ) -> list[list[Hypothesis]]:
        """What was found for sources, as text."""
        flat = [hypothesis for hypotheses in found for hypothesis in hypotheses]
        texts = self.tokenizers.target.decode([hypothesis.pieces for hypothesis in flat])
        explained: list[tuple[Explanation, ...]] = [()] * len(flat)
        if options.explain:
            of_flat = [row for row, best in zip(sources, found, strict=True) for _ in best]
            explained = [(one,) for one in self._explain(of_flat, flat)]
        made = (
            Hypothesis(text, one.score, len(one.pieces) + 1, explanations)
            for text, one, explanations in zip(texts, flat, explained, strict=True)
        )
        return [list(itertools.islice(made, len(hypotheses))) for hypotheses in found]

    def _explain(
        self, sources: Sequence[np.ndarray], found: Sequence[FoundPieces]
    ) -> Iterator[AttentionExplanation]:
        """How each hypothesis came about, ``sources`` being their sources."""
        for begin in range(0, len(found), _EXPLAINED_AT_ONCE):
            part = slice(begin, begin + _EXPLAINED_AT_ONCE)
            yield from explain(self.model, self.tokenizers, sources[part], found[part])
