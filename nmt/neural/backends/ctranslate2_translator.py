"""Translating with CTranslate2 (Klein et al. 2020): its engine and search, our text and ranking.

CTranslate2 searches until it has as many finished hypotheses as the beam is wide; the native search
goes on for as long as an open one scores better than the last of these. Both rank what they found
by the same length-normalised score, so where they differ it is because one has looked further.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from nmt.errors import UserError
from nmt.machine import available_cores
from nmt.model_folder import ModelFolder
from nmt.neural.backends.options import other_options
from nmt.neural.piece_translator import PieceTranslator
from nmt.neural.search.hypotheses import FoundPieces
from nmt.recipe.neural import SearchSettings
from nmt.search_options import SearchOptions
from nmt.tokenization.pair import TokenizerPair
from nmt.tokenization.protocol import BOS_ID, PAD_ID, UNK_ID
from nmt.translator import Hypothesis

KIND: Final = "ctranslate2"
TOKENIZER: Final = "tokenizer"

MOST_SENTENCES: Final = 64
"""Sentences that a worker searches at once; of the sizes tried in scripts/bench_backends.py."""


class CTranslate2Translator(PieceTranslator):
    """Translates raw text with a CTranslate2 model and the tokenizers that it was trained with."""

    backend = KIND

    def __init__(
        self,
        engine: Any,
        tokenizers: TokenizerPair,
        names: tuple[Sequence[str], Sequence[str]],
        settings: SearchSettings,
        *,
        source_language: str,
        target_language: str,
        max_positions: int,
        max_source_pieces: int | None = None,
    ) -> None:
        """Make a translator.

        Args:
            engine: a ``ctranslate2.Translator``.
            tokenizers: the model's.
            names: what the engine calls the pieces of the source and of the target, by their ids.
            settings: how to search unless a call says otherwise.
            source_language: language code of the text that it takes.
            target_language: language code of the text that it gives.
            max_positions: longest sequence that the model takes.
            max_source_pieces: see `PieceTranslator`.
        """
        super().__init__(
            tokenizers, settings,
            source_language=source_language, target_language=target_language,
            max_positions=max_positions, max_source_pieces=max_source_pieces,
        )  # fmt: skip
        self._engine = engine
        self._source_names, self._target_names = names
        self._target_ids = {name: number for number, name in enumerate(names[1])}
        self._max_positions = max_positions

    def search(
        self, segments: Sequence[str], options: SearchOptions, draws: Sequence[int] = ()
    ) -> list[list[Hypothesis]]:
        """Translate a batch of segments, shared out among the cores.

        Raises UserError for what CTranslate2 does not do, or not as the native search does.
        """
        found = self.search_pieces(self.tokenizers.source.encode(segments), options)
        texts = iter(self.tokenizers.target.decode([one.pieces for best in found for one in best]))
        return [
            [Hypothesis(next(texts), one.score, len(one.pieces) + 1) for one in best]
            for best in found
        ]

    def search_pieces(
        self, sources: Sequence[Sequence[int] | np.ndarray], options: SearchOptions
    ) -> list[list[FoundPieces]]:
        """The n-best pieces of each source, in order; no source may be empty.

        Raises UserError for what CTranslate2 does not do, or not as the native search does.
        """
        refuse_options(options, self.settings)
        found: list[list[FoundPieces]] = [[] for _ in sources]
        limits = [self._limit(len(source)) for source in sources]
        by_limit = sorted(range(len(sources)), key=lambda i: -limits[i])
        for limit, of_limit in itertools.groupby(by_limit, key=lambda i: limits[i]):
            numbers = list(of_limit)
            results = self._search([sources[i] for i in numbers], options, limit)
            for number, result in zip(numbers, results, strict=True):
                found[number] = result
        return found

    def _limit(self, source_pieces: int) -> int:
        """Most pieces of output, a power of two: it depends on the sentence, not on its batch."""
        wanted = self.settings.max_length_ratio * source_pieces + self.settings.max_length_extra
        return min(1 << (max(2, int(wanted)) - 1).bit_length(), self._max_positions)

    def _search(
        self, sources: Sequence[Sequence[int] | np.ndarray], options: SearchOptions, limit: int
    ) -> list[list[FoundPieces]]:
        """The n best of sources that may have so many pieces of output."""
        beam = max(options.beam or self.settings.beam, options.nbest)
        alpha = self.settings.length_penalty
        if options.length_penalty is not None:
            alpha = options.length_penalty
        workers = self._engine.num_translators
        results = self._engine.translate_batch(
            [[self._source_names[piece] for piece in source] for source in sources],
            beam_size=beam,
            num_hypotheses=beam,
            max_batch_size=min(MOST_SENTENCES, -(-len(sources) // workers)),
            length_penalty=alpha,
            max_decoding_length=limit,
            max_input_length=0,
            return_scores=True,
            no_repeat_ngram_size=self.settings.no_repeat_ngram,
            suppress_sequences=[[self._target_names[piece]] for piece in (PAD_ID, BOS_ID, UNK_ID)],
        )
        return [
            _ranked(
                (
                    ([self._target_ids[name] for name in names], score)
                    for names, score in zip(result.hypotheses, result.scores, strict=True)
                ),
                alpha,
            )[: options.nbest]
            for result in results
        ]


def _ranked(found: Iterable[tuple[list[int], float]], alpha: float) -> list[FoundPieces]:
    """Pieces and their scores by CTranslate2, ranked by the score of the native search, best first.

    CTranslate2 divides log-probabilities by ``n ** alpha``, n being the pieces and the end; the
    native search by ``((5 + n) / 6) ** alpha`` (Wu et al. 2016, equation 14).
    """
    ranked = []
    for pieces, score in found:
        n = len(pieces) + 1
        log_p = score * n**alpha
        ranked.append(FoundPieces(pieces, log_p / ((5 + n) / 6) ** alpha, log_p))
    return sorted(ranked, key=lambda one: -one.score)


def refuse_options(options: SearchOptions, settings: SearchSettings) -> None:
    """Raise UserError for what only the native search can do."""
    refused = other_options(options)
    if settings.coverage_penalty > 0:
        refused.append("coverage_penalty")
    if refused:
        raise UserError(
            f"the backend ctranslate2 cannot do what is asked for: {', '.join(refused)}",
            mend="translate with --backend native",
        )


def import_ctranslate2() -> Any:
    """The library. Raises UserError where it is not installed."""
    try:
        import ctranslate2
    except ImportError as error:
        raise UserError(
            "CTranslate2 is not installed",
            mend="install it with: pip install 'bitext-nmt[export]'",
        ) from error
    return ctranslate2


def load_ctranslate2(
    folder: ModelFolder, device: str, *, engine_folder: Path | None = None, precision: str | None
) -> CTranslate2Translator:
    """Open a model folder with CTranslate2.

    Args:
        folder: what was exported, or the folder of a Transformer that it was made from.
        device: ``auto``, ``cpu`` or ``cuda``.
        engine_folder: where CTranslate2's files are, if not in the folder.
        precision: in what to compute; None takes what the weights are kept in.

    Raises UserError if CTranslate2 is not installed, or cannot compute so on this device.
    """
    ctranslate2 = import_ctranslate2()
    if device == "auto":
        device = "cuda" if ctranslate2.get_cuda_device_count() else "cpu"
    precision = precision or folder.settings.get("quantization") or "float32"
    able = ctranslate2.get_supported_compute_types(device)
    if precision not in able:
        raise UserError(
            f"CTranslate2 does not compute in {precision} on {device} here",
            mend=f"choose one of {', '.join(sorted(able))}",
        )
    path = engine_folder or folder.path
    engine = ctranslate2.Translator(
        str(path),
        device=device,
        compute_type=precision,
        inter_threads=available_cores() if device == "cpu" else 1,
        intra_threads=1,
    )
    architecture = folder.settings["architecture"]
    return CTranslate2Translator(
        engine,
        TokenizerPair.load(folder.path / TOKENIZER),
        (_read_names(path, "source"), _read_names(path, "target")),
        SearchSettings.model_validate(folder.settings["search"]),
        source_language=folder.source_language,
        target_language=folder.target_language,
        max_positions=architecture["max_positions"],
        max_source_pieces=folder.settings.get("max_source_pieces"),
    )


def _read_names(path: Path, side: str) -> list[str]:
    """CTranslate2 keeps one vocabulary where both sides have the same."""
    own = path / f"{side}_vocabulary.json"
    shared = path / "shared_vocabulary.json"
    names: list[str] = json.loads((own if own.exists() else shared).read_text(encoding="utf-8"))
    return names
