"""One contender of bench_gpu_translation in a process of its own.

``python -m scripts.gpu_translation_contenders REQUEST RESULT`` reads and writes JSON.
"""

from __future__ import annotations

import math
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from nmt.neural.inference import prepare_inference
from nmt.neural.model.transformer import Transformer
from nmt.neural.search.beam import beam_search
from nmt.recipe.neural import SearchSettings
from nmt.tokenization.protocol import BOS_ID, EOS_ID, NUM_CONTROL_IDS, PAD_ID, UNK_ID
from scripts.benchmark import answer_request
from scripts.gpu_training_contenders import PRESETS
from scripts.gpu_training_data import draw_pairs
from scripts.gpu_training_trace import where_time_goes

Search = Callable[[Sequence[np.ndarray], SearchSettings], list[list[int]]]
"""Sources, the longest first, to the pieces of their translations, ends left out."""


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be measured."""

    contender: Literal["nmt", "ctranslate2", "huggingface"]
    preset: str
    vocabulary: int
    lengths: str
    """A corpus of ``gpu_training_data``, as long as whose sentences the sources are."""
    sentences: int
    at_once: int
    """Sentences of a batch."""
    beam: int
    precision: str
    graphs: bool
    seconds: float
    """Timed passes end when these are over; one at least."""
    folder: str = ""
    """A model folder in place of a random model; then ``lines`` are translated."""
    lines: tuple[str, ...] = ()
    trace: bool = False


def measure(request: dict[str, Any]) -> dict[str, Any]:
    """Answer a request: a ``Job`` as JSON."""
    job = Job(**{**request, "lines": tuple(request.get("lines", ()))})
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model, sources, settings = from_folder(job) if job.folder else at_random(job)
    order = sorted(range(len(sources)), key=lambda number: -len(sources[number]))
    batches = [
        [sources[number] for number in order[start : start + job.at_once]]
        for start in range(0, len(order), job.at_once)
    ]
    of_batches = [settings if job.folder else fixed_length(settings, batch) for batch in batches]
    contenders = {"nmt": ours, "ctranslate2": ctranslate2, "huggingface": hugging_face}
    with tempfile.TemporaryDirectory() as scratch:
        search = contenders[job.contender](job, model, device, Path(scratch))

        def once() -> list[list[int]]:
            pairs = zip(batches, of_batches, strict=True)
            return [pieces for batch, asked in pairs for pieces in search(batch, asked)]

        result = timed(once, job, device)
        if job.trace:
            result["trace"] = where_time_goes(lambda: search(batches[0], of_batches[0]), device)
    if not job.folder:
        steps = sum(asked.max_length_extra for asked in of_batches)
        result["ms_per_step"] = 1e3 * result["seconds"] / steps
    return result


def timed(
    translate: Callable[[], list[list[int]]], job: Job, device: torch.device
) -> dict[str, Any]:
    """Let the contender translate everything, then time it doing so again."""
    began = time.perf_counter()
    found = translate()
    first = time.perf_counter() - began
    passes: list[float] = []
    while not passes or sum(passes) < job.seconds:
        began = time.perf_counter()
        found = translate()
        passes.append(time.perf_counter() - began)
    pieces = sum(len(one) + 1 for one in found)
    seconds = sum(passes) / len(passes)
    on_gpu = device.type == "cuda" and job.contender != "ctranslate2"
    return {
        "target_pieces_per_second": pieces / seconds,
        "sentences_per_second": len(found) / seconds,
        "seconds": seconds,
        "seconds_of_first_pass": first,
        "passes": passes,
        "target_pieces": pieces,
        "peak_bytes": torch.cuda.max_memory_allocated() if on_gpu else None,
        "outputs": [zlib.crc32(np.array(one, dtype=np.int32).tobytes()) for one in found],
    }


# --- models and sentences


def at_random(job: Job) -> tuple[Transformer, list[np.ndarray], SearchSettings]:
    """A new model that never ends by itself, and sentences of real lengths."""
    size = job.vocabulary
    position: Literal["pre", "post"] = "post" if job.contender == "huggingface" else "pre"
    architecture = replace(
        PRESETS[job.preset](), source_vocabulary_size=size, target_vocabulary_size=size,
        norm_position=position,
    )  # fmt: skip
    torch.manual_seed(1)
    model = Transformer(architecture).requires_grad_(False)
    never_end(model)
    pairs = draw_pairs(job.lengths, size, job.sentences)
    rows = pairs.sources
    sources = [
        rows.flat[begin:end].astype(np.int64)
        for begin, end in zip(rows.offsets[:-1], rows.offsets[1:], strict=True)
    ]
    return model, sources, SearchSettings(beam=job.beam)


def never_end(model: Transformer) -> None:
    """Make the end of a sentence so improbable that only the limit brings it."""
    last = model.decoder_norm
    if model.architecture.norm_position == "post":
        last = model.decoder[-1].get_submodule("feed_forward_norm")
    assert isinstance(last, nn.LayerNorm)
    with torch.no_grad():
        last.weight[0], last.bias[0] = 0.0, 10.0
        model.output[:, 0] = 0.0
        model.output[EOS_ID, 0] = -10.0


def fixed_length(settings: SearchSettings, sources: Sequence[np.ndarray]) -> SearchSettings:
    """Translations of a batch as long as its longest source, the ends included."""
    longest = max(map(len, sources)) + 1
    return settings.model_copy(
        update={"max_length_ratio": 1e-6, "max_length_extra": max(2, longest)}
    )


def from_folder(job: Job) -> tuple[Transformer, list[np.ndarray], SearchSettings]:
    """A trained model and the lines in its pieces."""
    from scripts.translation_peers import read_model

    model, tokenizers, settings = read_model(job.folder)
    sources = [np.asarray(row, dtype=np.int64) for row in tokenizers.source.encode(job.lines)]
    return model, sources, settings.model_copy(update={"beam": job.beam})


# --- who computes


def ours(job: Job, model: Transformer, device: torch.device, _: Path) -> Search:
    """nmt's own search."""
    if device.type == "cuda":
        prepare_inference(model, device, job.precision, where="the model")
        if not job.graphs:
            model.step_graphs = None
    else:
        from nmt.neural.search.graph_steps import prepare_graphs

        model.to(getattr(torch, job.precision))
        if job.graphs:
            prepare_graphs(model, lambda: lambda work, restore: work)

    def search(sources: Sequence[np.ndarray], settings: SearchSettings) -> list[list[int]]:
        return [found[0].pieces for found in beam_search(model, sources, settings)]

    return search


def ctranslate2(job: Job, model: Transformer, device: torch.device, scratch: Path) -> Search:
    """CTranslate2 with the same weights."""
    import ctranslate2

    from scripts.translation_peers import to_ctranslate2

    to_ctranslate2(model, scratch / "model")
    engine = ctranslate2.Translator(
        str(scratch / "model"), device=device.type, compute_type=job.precision
    )
    unsaid = [[str(piece)] for piece in (PAD_ID, BOS_ID, UNK_ID)]

    def search(sources: Sequence[np.ndarray], settings: SearchSettings) -> list[list[int]]:
        found = engine.translate_batch(
            [[str(piece) for piece in source] for source in sources],
            beam_size=settings.beam,
            max_batch_size=job.at_once,
            length_penalty=settings.length_penalty,
            max_decoding_length=_limit(settings, sources) - 1,
            suppress_sequences=unsaid,
        )
        return [[int(token) for token in one.hypotheses[0]] for one in found]

    return search


def hugging_face(job: Job, model: Transformer, device: torch.device, _: Path) -> Search:
    """``generate`` of Hugging Face's MarianMTModel with the same weights."""
    from scripts.translation_peers import to_marian

    marian = to_marian(model).to(device, getattr(torch, job.precision))

    @torch.inference_mode()
    def search(sources: Sequence[np.ndarray], settings: SearchSettings) -> list[list[int]]:
        longest = max(map(len, sources))
        source = torch.tensor(
            [[*row.tolist(), EOS_ID, *[PAD_ID] * (longest - len(row))] for row in sources]
        ).to(device)
        outputs = marian.generate(
            input_ids=source,
            attention_mask=(source != PAD_ID).long(),
            num_beams=settings.beam,
            do_sample=False,
            length_penalty=settings.length_penalty,
            max_new_tokens=_limit(settings, sources),
            suppress_tokens=[piece for piece in range(NUM_CONTROL_IDS) if piece != EOS_ID],
        )
        rows = [row[1:] for row in outputs.tolist()]
        return [row[: row.index(EOS_ID)] if EOS_ID in row else row[:-1] for row in rows]

    return search


def _limit(settings: SearchSettings, sources: Sequence[np.ndarray]) -> int:
    """Most pieces of a batch's translations, ends included."""
    longest = max(map(len, sources))
    return math.floor(settings.max_length_ratio * longest) + settings.max_length_extra


def as_request(job: Job) -> dict[str, Any]:
    """The job as JSON."""
    request = asdict(job)
    request["lines"] = list(job.lines)
    return request


if __name__ == "__main__":
    answer_request(measure)
    sys.exit(0)
