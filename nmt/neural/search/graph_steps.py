"""A Transformer's decoder on a GPU: static steps, the frequent ones captured as CUDA graphs.

Shapes: R rows (hypotheses), N slots, W lanes, K slots in which families begin, S source positions,
V pieces, C candidates or columns of candidate lists.
"""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nmt.neural.model.transformer import DecoderLayer, Transformer
from nmt.neural.search.cuda_graphs import Capture, CudaCapture
from nmt.neural.search.families import Families, Layout
from nmt.neural.search.listed import listed_of_all
from nmt.neural.search.rows import packed_sources, source_bounds
from nmt.neural.search.shortlist import CandidateLists
from nmt.neural.search.static_steps import StaticStep, StepResults, Wanted
from nmt.neural.search.step_buffers import StepBuffers, StepState

_log = logging.getLogger(__name__)

CAPTURE_AFTER: Final = 16
"""Runs of a step, operation by operation, before it is captured.

To capture it takes about as long as what these would have been quicker. So whether a step turns out
to be rare or frequent, at most twice the time of the better choice is spent on it.
"""

MOST_GRAPHS: Final = 256
"""Captured steps that are kept, of a megabyte or so each; the one unused for longest goes first."""


@dataclass(frozen=True, slots=True)
class Best:
    """The likeliest next pieces of each row, control symbols left out."""

    log_p_RC: NDArray[np.floating]
    """Log-probabilities, the greatest first; NaN if the model's predictions are not numbers."""
    piece_RC: NDArray[np.int64]
    end_R: NDArray[np.floating]
    """Log-probability of the end."""
    weights_RS: NDArray[np.floating] | None
    """Attention to the source, where it was asked for."""


class _Entry:
    """A step of a layout: how often it has run, and how it is repeated once it is captured."""

    def __init__(self, step: StaticStep) -> None:
        self.step = step
        self.runs = 0
        self.replay: Callable[[], None] | None = None


class StepGraphs:
    """The static steps of a model, and their memory, for one search after another."""

    def __init__(self, model: Transformer, capture: Callable[[], Capture] | None = None) -> None:
        """Begin with nothing captured.

        Args:
            model: for inference only from now on, its weights where they are to stay.
            capture: makes what captures steps, whenever all that were captured are gone; CUDA
                graphs unless given.
        """
        self.model = model
        self.buffers = StepBuffers(model)
        self._new_capture = capture or (lambda: CudaCapture(model.output.device))
        self._capture = self._new_capture()
        self._captures = True
        self._entries: dict[tuple[Layout, Wanted], _Entry] = {}
        self._generation = 0
        self._lock = threading.Lock()
        self._user: weakref.ref[GraphSteps] | None = None

    def begin(
        self, sources: Sequence[np.ndarray], *, beam: int, lists: CandidateLists | None = None
    ) -> GraphSteps | None:
        """The state of a search; None while another search, of another thread, has one."""
        with self._lock:
            if self._user is not None and self._user() is not None:
                return None
            steps = GraphSteps(self, sources, beam=beam, lists=lists)
            self._user = weakref.ref(steps)
            return steps

    def run(self, state: StepState, layout: Layout, wanted: Wanted) -> StaticStep:
        """Compute a step whose inputs lie in the buffers."""
        results = StepResults.of(self.buffers, state, wanted)
        if self._generation != self.buffers.generation:
            self._entries.clear()
            self._capture = self._new_capture()
            self._generation = self.buffers.generation
        entry = self._entries.pop((layout, wanted), None)
        if entry is None:
            traffic = self.buffers.traffic(layout)
            entry = _Entry(StaticStep(self.model, state, traffic, results, wanted))
        self._entries[layout, wanted] = entry
        if len(self._entries) > MOST_GRAPHS:
            self._entries.pop(next(iter(self._entries)))
        entry.runs += 1
        if entry.replay is None and entry.runs > CAPTURE_AFTER and self._captures:
            self._try_to_capture(entry)
        (entry.replay or entry.step)()
        return entry.step

    def _try_to_capture(self, entry: _Entry) -> None:
        """Capture a step; if that fails, say so, and never try again: searches go on without."""
        turning = entry.step.state.turning()
        kept = [x.clone() for x in turning]

        def restore() -> None:
            for x, before in zip(turning, kept, strict=True):
                x.copy_(before)

        try:
            entry.replay = self._capture(entry.step, restore)
        except RuntimeError as error:
            restore()
            self._captures = False
            reason = str(error).partition("\n")[0]
            _log.warning("translating without CUDA graphs, more slowly: %s", reason)


class GraphSteps:
    """The decoder's state over a batch of source sentences; see `nmt.neural.search.steps`."""

    @torch.inference_mode()
    def __init__(
        self,
        graphs: StepGraphs,
        sources: Sequence[np.ndarray],
        *,
        beam: int,
        lists: CandidateLists | None = None,
    ) -> None:
        """Encode the sources; see ``begin_steps``. More rows a sentence than ``beam`` take longer.

        No other search may be using the model's graphs.
        """
        self._graphs, self._lists = graphs, lists
        self._device = graphs.buffers.device
        model = graphs.model
        self._begins, ends = source_bounds(sources)
        self._memories = _memories(model, sources)
        self._families = Families(
            ends - self._begins, beam, keeps_steps=model.architecture.decoder != "ssru"
        )
        graphs.buffers.clear()
        self._state = graphs.buffers.state(self._families.layout, listed=lists is not None)
        self._sent: torch.cuda.Event | None = None

    @torch.inference_mode()
    def advance(
        self,
        piece_R: np.ndarray,
        parent_R: np.ndarray,
        sentence_R: np.ndarray,
        *,
        weights: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Feed one piece to each row; see ``Steps.advance``."""
        wanted = Wanted(0, weights, self._lists is not None)
        results = self._step(piece_R, parent_R, sentence_R, wanted).results
        row_R = torch.from_numpy(self._row_R).to(self._device)
        assert results.logits_RV is not None
        logits = results.logits_RV.index_select(0, row_R)
        if self._lists is not None:
            bounds = self._lists.bounds
            begin_R, end_R, pieces = (
                torch.from_numpy(x).to(self._device)
                for x in (bounds[sentence_R], bounds[sentence_R + 1], self._lists.pieces)
            )
            longest = int((bounds[sentence_R + 1] - bounds[sentence_R]).max())
            logits = listed_of_all(logits, pieces, begin_R, end_R, longest)
        if results.weights_RS is None:
            return logits, None
        return logits, results.weights_RS.index_select(0, row_R)[:, : self._longest(sentence_R)]

    @torch.inference_mode()
    def start_best(
        self,
        piece_R: np.ndarray,
        parent_R: np.ndarray,
        sentence_R: np.ndarray,
        count: int,
        *,
        weights: bool = False,
    ) -> Callable[[], Best]:
        """Feed one piece to each row, and return what waits for the ``count`` likeliest next ones.

        The arguments are those of ``advance``. Before the next call, the result is to be fetched.
        """
        wanted = Wanted(count, weights, self._lists is not None)
        results = self._step(piece_R, parent_R, sentence_R, wanted).results
        given = [results.log_p_RC, results.piece_RC]
        if results.weights_RS is not None:
            given.append(results.weights_RS)
        on_host = [self._to_host(f"{n} on the host", x) for n, x in enumerate(given)]
        done = torch.cuda.current_stream(self._device).record_event() if self._is_gpu else None
        row_R, longest = self._row_R, self._longest(sentence_R)

        def fetch() -> Best:
            if done is not None:
                done.synchronize()
            log_p_RC, piece_RC, *more = (x.numpy()[row_R] for x in on_host)
            weights_RS = more[0][:, :longest] if more else None
            best_RC = np.ascontiguousarray(log_p_RC[:, :-1])
            return Best(best_RC, piece_RC, log_p_RC[:, -1], weights_RS)

        return fetch

    @property
    def _is_gpu(self) -> bool:
        return self._device.type == "cuda"

    @property
    def _row_R(self) -> NDArray[np.int64]:
        """Where the rows of the last step stand among all slots' lanes."""
        families = self._families
        return families.slot_R * families.layout.lanes + families.lane_R

    def _longest(self, sentence_R: np.ndarray) -> int:
        return int(self._families.source_positions[sentence_R].max())

    def _to_host(self, name: str, x: Tensor) -> Tensor:
        if not self._is_gpu:
            return x
        host = self._graphs.buffers.take(name, tuple(x.shape), x.dtype, on_host=True)
        return host.copy_(x, non_blocking=True)

    def _step(
        self, piece_R: np.ndarray, parent_R: np.ndarray, sentence_R: np.ndarray, wanted: Wanted
    ) -> StaticStep:
        """Compute a step, or begin to."""
        buffers, families = self._graphs.buffers, self._families
        move = families.go_on(parent_R, sentence_R)
        layout = families.layout
        if move.kept_K is not None:
            self._state = buffers.moved(self._state, layout, move.kept_K)
        if len(move.begun):
            self._begin(move.begun)
        if self._sent is not None:
            self._sent.synchronize()  # what is on its way is not written over
        traffic = buffers.traffic(layout)
        families.fill(piece_R, parent_R, move.begun, traffic.inputs)
        traffic.send()
        if self._is_gpu:
            self._sent = torch.cuda.current_stream(self._device).record_event()
        return self._graphs.run(self._state, layout, wanted)

    def _begin(self, begun_K: NDArray[np.int64]) -> None:
        """Give slots the memory of their sentences, and what these may say."""
        sentence_K = self._families.sentence_N[begun_K]
        slots = torch.from_numpy(begun_K).to(self._device)
        # Behind a source's end may be anything: the next source, or the last piece of all.
        last = len(self._memories[0]) - 1
        position_S = np.arange(self._state.layout.positions)
        place_KS = np.minimum(self._begins[sentence_K][:, None] + position_S, last)
        place = torch.from_numpy(place_KS).to(self._device)
        for target, memory_M2HE in zip(self._state.memory, self._memories, strict=True):
            target[:, slots] = memory_M2HE[place].permute(2, 0, 3, 1, 4)
        if self._lists is not None and self._state.allowed is not None:
            bounds = self._lists.bounds
            listed = [self._lists.pieces[bounds[n] : bounds[n + 1]] for n in sentence_K]
            slot = np.repeat(begun_K, [len(pieces) for pieces in listed])
            self._state.allowed[slots] = False
            self._state.allowed[
                torch.from_numpy(slot).to(self._device),
                torch.from_numpy(np.concatenate(listed).astype(np.int64)).to(self._device),
            ] = True


def _memories(model: Transformer, sources: Sequence[np.ndarray]) -> list[Tensor]:
    """For each layer, keys and values of all sources' memory, end to end: [M, 2, H, E]."""
    layers = [cast(DecoderLayer, layer) for layer in model.decoder]
    parts: list[list[Tensor]] = [[] for _ in layers]
    for packed, pieces in packed_sources(sources, model.output.device):
        memory_SD = model.encode(packed)
        for part, layer in zip(parts, layers, strict=True):
            part.append(layer.cross_attention.project_memory(memory_SD)[:pieces])
    return [torch.cat(part) for part in parts]


def prepare_graphs(model: Transformer, capture: Callable[[], Capture] | None = None) -> None:
    """Let searches of a model go by static steps, in place; for inference on a GPU.

    Args:
        model: on its device, and in the type in which it is to compute.
        capture: see ``StepGraphs``.
    """
    model.step_graphs = StepGraphs(model, capture)
