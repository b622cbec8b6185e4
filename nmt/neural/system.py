"""A trained neural model as a translator."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

import numpy as np
from pydantic import ValidationError

from nmt.begun import Begun, DealtOut, Later
from nmt.errors import UserError
from nmt.guide import Guide
from nmt.model_folder import COPY_AGAIN, ModelFolder
from nmt.neural.device import choose_device, prepare
from nmt.neural.inference import prepare_inference
from nmt.neural.model.ensemble import SearchedModel
from nmt.neural.model.translation_model import make_model, read_architecture
from nmt.neural.piece_translator import PieceTranslator
from nmt.neural.search.hypotheses import FoundPieces
from nmt.neural.search.shortlist import SHORTLIST, Shortlist
from nmt.neural.searcher import Searcher
from nmt.neural.searchers import Searchers
from nmt.neural.weights import WEIGHTS, load_weights
from nmt.recipe.neural import SearchSettings
from nmt.search_options import SearchOptions
from nmt.tokenization import TokenizerPair
from nmt.translator import Hypothesis

TOKENIZER: Final = "tokenizer"

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
        backend: str = "native",
        processes: bool = False,
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
            backend: which program computes the model.
            processes: whether long work may go to processes that have a copy of the model, which
                then must not change.
        """
        super().__init__(
            tokenizers, settings,
            source_language=source_language, target_language=target_language,
            max_positions=model.architecture.max_positions, max_source_pieces=max_source_pieces,
        )  # fmt: skip
        self.model = model
        self.shortlist = shortlist
        self.backend = backend
        self.workers = self.searches_at_once = workers
        searcher = Searcher(model, tokenizers, settings, shortlist=shortlist, backend=backend)
        self.searchers = Searchers(searcher, workers, processes=processes)

    def search(
        self, segments: Sequence[str], options: SearchOptions, draws: Sequence[int] = ()
    ) -> list[list[Hypothesis]]:
        """Translate a batch of segments, shared out among the cores."""
        return self.begin_search(segments, (), options, draws).result()

    def search_guided(
        self, segments: Sequence[str], guides: Sequence[Guide], options: SearchOptions
    ) -> list[list[Hypothesis]]:
        """The same for translations that are as guides say."""
        return self.begin_search(segments, guides, options, ()).result()

    def begin_search(
        self,
        segments: Sequence[str],
        guides: Sequence[Guide],
        options: SearchOptions,
        draws: Sequence[int],
    ) -> Begun[list[list[Hypothesis]]]:
        """Share a batch out among the cores; each takes it up when it has nothing else to do."""
        options = dataclasses.replace(options, glossary=None)  # what it asks is in the guides
        searcher = self.searchers.searcher
        if self.workers == 1 or len(segments) == 1:
            return Later(lambda: searcher.search(segments, guides, options, draws))
        # Segments come sorted by length: dealt out, the parts are alike.
        return DealtOut(
            [
                self.searchers.submit(
                    Searcher.search, segments[part], guides[part], options, draws[part]
                )
                for part in self._parts(len(segments))
            ]
        )

    def search_pieces(
        self, sources: Sequence[np.ndarray], options: SearchOptions, draws: Sequence[int] = ()
    ) -> list[list[FoundPieces]]:
        """The n-best pieces of each source, in order: `Searcher.search_pieces`, on all cores."""
        if self.workers == 1 or len(sources) == 1:
            return self.searchers.searcher.search_pieces(sources, options, draws)
        return DealtOut(
            [
                self.searchers.submit(Searcher.search_pieces, sources[part], options, draws[part])
                for part in self._parts(len(sources))
            ]
        ).result()

    def _parts(self, number: int) -> list[slice]:
        """A part for each worker, of so many segments that are dealt out."""
        workers = min(self.workers, number)
        return [slice(first, None, workers) for first in range(workers)]

    def map_parallel(self, work: Callable[[_In], _Out], items: Sequence[_In]) -> list[_Out]:
        """``[work(item) for item in items]``, with as many at a time as there are workers."""
        if len(items) == 1 or self.workers == 1:
            return [work(item) for item in items]
        return self.searchers.map(work, items)


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
        processes=device.type == "cpu",
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
