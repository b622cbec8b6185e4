"""A trained neural model as a translator."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Final, TypeVar

import numpy as np
from pydantic import ValidationError

from nmt.errors import UserError
from nmt.guide import Guide
from nmt.model_folder import COPY_AGAIN, ModelFolder
from nmt.neural.device import choose_device, prepare
from nmt.neural.explanation.attention import AttentionExplanation, explain
from nmt.neural.inference import prepare_inference
from nmt.neural.model.ensemble import SearchedModel
from nmt.neural.model.translation_model import make_model, read_architecture
from nmt.neural.piece_translator import PieceTranslator
from nmt.neural.search.beam import beam_search
from nmt.neural.search.guided import guided_search
from nmt.neural.search.guided_sentence import Conditions
from nmt.neural.search.hypotheses import FoundPieces
from nmt.neural.search.piece_automata import Spelling
from nmt.neural.search.sampling import sample
from nmt.neural.search.shortlist import SHORTLIST, Shortlist
from nmt.neural.weights import WEIGHTS, load_weights
from nmt.recipe.neural import SearchSettings
from nmt.search_options import SearchOptions
from nmt.tokenization import TokenizerPair
from nmt.tokenization.spelling import piece_bytes
from nmt.translator import Explanation, Hypothesis

TOKENIZER: Final = "tokenizer"

_EXPLAINED_AT_ONCE: Final = 32
"""Hypotheses that a worker explains before it takes the next ones."""

_In = TypeVar("_In")
_Out = TypeVar("_Out")


class NeuralTranslator(PieceTranslator):
    """Translates raw text with a neural model and its tokenizers."""

    def __init__(
        self,
        model: SearchedModel,
        tokenizers: TokenizerPair,
        settings: SearchSettings,
        *,
        source_language: str,
        target_language: str,
        workers: int,
        max_source_pieces: int | None = None,
        shortlist: Shortlist | None = None,
    ) -> None:
        """Make a translator.

        Args:
            model: the model.
            tokenizers: its tokenizers.
            settings: how to search unless a call says otherwise.
            source_language: language code of the text that it takes.
            target_language: language code of the text that it gives.
            workers: searches side by side.
            max_source_pieces: see `PieceTranslator`.
            shortlist: says of which pieces a translation may be made, where that is asked for.
        """
        super().__init__(
            tokenizers, settings,
            source_language=source_language, target_language=target_language,
            max_positions=model.architecture.max_positions, max_source_pieces=max_source_pieces,
        )  # fmt: skip
        self.model = model
        self.workers = self.searches_at_once = workers
        self.shortlist = shortlist
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="search")

    def search(
        self, segments: Sequence[str], options: SearchOptions, draws: Sequence[int] = ()
    ) -> list[list[Hypothesis]]:
        """Translate a batch of segments, shared out among the cores."""
        sources = self._encode(segments)
        return self._hypotheses(sources, self.search_pieces(sources, options, draws), options)

    def search_guided(
        self, segments: Sequence[str], guides: Sequence[Guide], options: SearchOptions
    ) -> list[list[Hypothesis]]:
        """The same for translations that are as guides say."""
        settings, spelling = self._settings(options), self._spelling
        normalize = self.tokenizers.target.normalize
        conditions = [
            Conditions.of(guide.normalized(normalize), spelling, name=segment)
            for guide, segment in zip(guides, segments, strict=True)
        ]

        def work(part: tuple[list[np.ndarray], Sequence[Conditions]]) -> list[list[FoundPieces]]:
            return guided_search(self.model, *part, spelling, settings, nbest=options.nbest)

        sources = self._encode(segments)
        found = self._share_out(work, sources, conditions)
        return self._hypotheses(sources, found, options)

    @cached_property
    def _spelling(self) -> Spelling:
        return Spelling(piece_bytes(self.tokenizers.target))

    def _encode(self, segments: Sequence[str]) -> list[np.ndarray]:
        return [np.asarray(row, dtype=np.int64) for row in self.tokenizers.source.encode(segments)]

    def _hypotheses(
        self,
        rows: Sequence[np.ndarray],
        found: Sequence[Sequence[FoundPieces]],
        options: SearchOptions,
    ) -> list[list[Hypothesis]]:
        """What was found for sources, as text."""
        flat = [hypothesis for hypotheses in found for hypothesis in hypotheses]
        texts = self.tokenizers.target.decode([hypothesis.pieces for hypothesis in flat])
        explained: list[tuple[Explanation, ...]] = [()] * len(flat)
        if options.explain:
            of_flat = [row for row, best in zip(rows, found, strict=True) for _ in best]
            explained = [(one,) for one in self._explain(of_flat, flat)]
        made = (
            Hypothesis(text, one.score, len(one.pieces) + 1, explanations)
            for text, one, explanations in zip(texts, flat, explained, strict=True)
        )
        return [list(itertools.islice(made, len(hypotheses))) for hypotheses in found]

    def _explain(
        self, sources: Sequence[np.ndarray], found: Sequence[FoundPieces]
    ) -> list[AttentionExplanation]:
        """How each hypothesis came about, ``sources`` being their sources."""

        def work(part: slice) -> list[AttentionExplanation]:
            return explain(self.model, self.tokenizers, sources[part], found[part])

        parts = [slice(n, n + _EXPLAINED_AT_ONCE) for n in range(0, len(found), _EXPLAINED_AT_ONCE)]
        return list(itertools.chain.from_iterable(self.map_parallel(work, parts)))

    def search_pieces(
        self, sources: list[np.ndarray], options: SearchOptions, draws: Sequence[int] = ()
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

        def work(part: tuple[list[np.ndarray], Sequence[int]]) -> list[list[FoundPieces]]:
            sources, draws = part
            if options.sampling is not None:
                return sample(
                    self.model, sources, settings, options.sampling,
                    count=options.nbest, draws=draws,
                )  # fmt: skip
            return beam_search(
                self.model, sources, settings, nbest=options.nbest, shortlist=shortlist
            )

        return self._share_out(work, sources, draws)

    def _settings(self, options: SearchOptions) -> SearchSettings:
        """The settings of a search with these options."""
        changes = {
            name: value
            for name in ("beam", "length_penalty")
            if (value := getattr(options, name)) is not None
        }
        return self.settings.model_copy(update=changes)

    def _share_out(
        self,
        work: Callable[[tuple[list[np.ndarray], Sequence[_In]]], list[_Out]],
        sources: list[np.ndarray],
        others: Sequence[_In],
    ) -> list[_Out]:
        """What ``work`` makes of sources and what goes with each, a part for each worker."""
        # Source i goes to part i % workers: sources come sorted by length, so parts are alike.
        parts = [
            (sources[first :: self.workers], others[first :: self.workers])
            for first in range(min(self.workers, len(sources)))
        ]
        results = self.map_parallel(work, parts)
        return [results[i % self.workers][i // self.workers] for i in range(len(sources))]

    def map_parallel(self, work: Callable[[_In], _Out], items: Sequence[_In]) -> list[_Out]:
        """``[work(item) for item in items]``, with as many at a time as there are workers."""
        if len(items) == 1 or self.workers == 1:
            return [work(item) for item in items]
        return list(self._pool.map(work, items))


def load_neural(
    folder: ModelFolder, device_name: str, *, precision: str | None = None
) -> NeuralTranslator:
    """Open a model folder of a neural system.

    Args:
        folder: the folder.
        device_name: where to compute.
        precision: in what to compute; see `prepare_inference`.

    Raises UserError if the device is not there, if something in the folder is damaged, or if the
    device cannot compute in this precision.
    """
    where = str(folder.path)
    architecture = read_architecture(folder.kind, folder.settings.get("architecture"), where=where)
    try:
        search = SearchSettings.model_validate(folder.settings.get("search"))
    except ValidationError as error:
        raise UserError(
            f"not the settings of a search: {error}", where=where, mend=COPY_AGAIN
        ) from error
    tokenizers = TokenizerPair.load(folder.path / TOKENIZER)
    sizes = (architecture.source_vocabulary_size, architecture.target_vocabulary_size)
    pieces = (tokenizers.source.vocabulary_size, tokenizers.target.vocabulary_size)
    if sizes != pieces:
        raise UserError(
            f"the model is of {sizes} source and target pieces, its tokenizers of {pieces}",
            where=where,
            mend=COPY_AGAIN,
        )
    device = choose_device(device_name)
    workers = prepare(device)
    model = make_model(architecture)
    load_weights(model, folder.file(WEIGHTS))
    return NeuralTranslator(
        prepare_inference(model, device, precision, where=where),
        tokenizers,
        search,
        source_language=folder.source_language,
        target_language=folder.target_language,
        workers=workers,
        max_source_pieces=folder.settings.get("max_source_pieces"),
        shortlist=_load_shortlist(folder, sizes),
    )


def _load_shortlist(folder: ModelFolder, sizes: tuple[int, int]) -> Shortlist | None:
    """The model's shortlist, where it has one, for so many source and target pieces."""
    if SHORTLIST not in folder.files:
        return None
    shortlist = Shortlist.load(folder.file(SHORTLIST))
    if (len(shortlist.offsets) - 1, shortlist.vocabulary_size) != sizes:
        raise UserError(
            "the shortlist is of other vocabularies than the model",
            where=str(folder.path / SHORTLIST),
            mend=COPY_AGAIN,
        )
    return shortlist
