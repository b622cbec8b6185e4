"""A step of a Transformer's decoder on buffers that do not change: what a GPU replays as one graph.

What limits a step: model `base` (22 million weights in six layers of the decoder, without the table
of pieces), 400 sentences, beam 5, that is 2,000 rows, on an H100 in bfloat16.

- Operations: 52 MFLOP a row with 8,000 pieces, 77 with 32,000: 0.10 to 0.15 TFLOP, 0.3 to 0.4 ms.
- Bytes: 52 to 77 MB of weights; 12 KB of keys and values for each row and step said (0.4 GB at 16
  steps), a fifth of that for each source position, which the rows of a sentence share; five passes
  over the logits, 0.06 GB in float32 with 8,000 pieces. Together 0.3 ms.
- Launches: operation by operation a step is some 300 kernels at 5 to 8 us each, and 17 waits
  (numbers looked at, copies from memory that is not pinned): 2 to 2.5 ms, however few the rows. So
  up to thousands of rows the host limits: of 64 sentences all arithmetic takes 0.1 ms.

So a step has to be few kernels and one launch, and its results few bytes and one wait:

- The rows of a sentence stand side by side (`Families`), and attend together to one block of
  keys: those of the source, and those of all that the family said, with a mask that tells
  each hypothesis its own line. That multiplies more than needed (some 4 % of a step's operations)
  but reads each key once, gathers nothing, and reorders a beam by a table of lanes.
- It is 136 of PyTorch's operations, some 150 kernels, and a graph takes about 2.5 us for each.
- The greatest log-probabilities are found on the device: 2 (beam + 1) numbers a row come back, to
  pinned memory, and that is the one time that the host waits.
- Products with the pieces give float32 whatever their inputs are, as bfloat16 would round logits to
  a sixteenth; softmax, norms (inside) and scores are float32 too.

The choice among a sentence's candidates stays on the host (`beam_update`), and with it limits,
penalties and whatever else a search wants. All that the host does between two steps was seen to
take 0.27 ms with 64 sentences and 0.53 ms with 400, on one core of an AMD Zen 5.

Shapes: N slots, W lanes, R = N * W rows, T steps, S source positions, L layers, H heads, E head
width, D model width, V pieces, C candidates.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from nmt.neural.kernels.striped_top_pieces import striped_top_pieces
from nmt.neural.model.ssru import ssru_step
from nmt.neural.model.transformer import DecoderLayer, Transformer
from nmt.neural.search.step_buffers import StepBuffers, StepState, Traffic
from nmt.tokenization.protocol import BOS_ID, EOS_ID, PAD_ID, UNK_ID


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a step is to give."""

    candidates: int
    """The so many likeliest pieces; 0 for the logits of all."""
    weights: bool
    """Whether the attention to the source, too."""
    listed: bool
    """Whether there are candidate lists."""


@dataclass(frozen=True, slots=True)
class StepResults:
    """Where a step writes what it gives."""

    log_p_RC: Tensor
    """[R, C + 1]: log-probabilities of the likeliest pieces, and, last, of the end."""
    piece_RC: Tensor
    """int64 [R, C]"""
    logits_RV: Tensor | None
    weights_RS: Tensor | None
    """In the wide type."""

    @classmethod
    def of(cls, buffers: StepBuffers, state: StepState, wanted: Wanted) -> StepResults:
        """The buffers for the results of a step."""
        layout, count = state.layout, wanted.candidates
        rows, wide = layout.slots * layout.lanes, buffers.wide
        logits = weights = None
        if not count:
            logits = buffers.take("logits", (rows, buffers.num_pieces), wide)
        if wanted.weights:
            weights = buffers.take("weights", (rows, layout.positions), wide)
        log_p = buffers.take("log_p", (rows, count + 1), wide)
        return cls(log_p, buffers.take("piece", (rows, count), torch.int64), logits, weights)


class StaticStep:
    """The step of one layout. Nothing in it asks the device for a number."""

    def __init__(
        self,
        model: Transformer,
        state: StepState,
        traffic: Traffic,
        results: StepResults,
        wanted: Wanted,
    ) -> None:
        """Take what the step reads and writes."""
        self._model, self._layers = model, [cast(DecoderLayer, layer) for layer in model.decoder]
        self.state, self.traffic, self.results, self.wanted = state, traffic, results, wanted
        layout, device = state.layout, model.output.device
        self._slot_N = torch.arange(layout.slots, device=device)
        self._lane_W = torch.arange(layout.lanes, device=device)
        self._step_T = torch.arange(layout.steps, device=device)
        self._position_S = torch.arange(layout.positions, device=device)

    @torch.inference_mode()
    def __call__(self) -> None:
        """Feed one piece to each row of the inputs, and write what comes of it to the results."""
        layout, traffic = self.state.layout, self.traffic
        of_lanes = (layout.slots, layout.lanes)
        step_R = traffic.step_N[:, None].expand(of_lanes).reshape(-1)
        x_RD: Tensor = self._model.target_embedding(traffic.piece_NW.view(-1), step_R)
        of_line = self._follow_lines(x_RD)
        of_source = self._source_mask(x_RD)
        with _attention_without_plans(x_RD.device):
            for number, layer in enumerate(self._layers):
                if of_line is None:
                    x_RD = self._recur(number, layer, x_RD)
                else:
                    x_RD = self._look_back(number, layer, x_RD, step_R, of_line)
                x_RD = self._look_at_source(number, layer, x_RD, of_source)
                y_RD = layer.feed_forward(layer.enter(x_RD, layer.feed_forward_norm))
                x_RD = layer.leave(y_RD, x_RD, layer.feed_forward_norm, None)
        self._predict(self._model.decoder_norm(x_RD))

    def _follow_lines(self, like: Tensor) -> Tensor | None:
        """Let each hypothesis go on from its parent's line; what it may attend to, [N, 1, W, TW].

        As numbers to be added to scores: 0 or -inf.
        """
        line = self.state.line
        if line is None:
            return None
        slots, lanes, steps = line.shape
        step_N11 = self.traffic.step_N[:, None, None]
        before = line.gather(1, self.traffic.lane_NW[:, :, None].expand(-1, -1, steps))
        own_W1 = self._lane_W[:, None]
        line.copy_(torch.where(self._step_T == step_N11, own_W1, before))
        seen = (line[..., None] == self._lane_W) & (self._step_T <= step_N11)[..., None]
        return _to_add(seen.view(slots, 1, lanes, steps * lanes), like)

    def _source_mask(self, like: Tensor) -> Tensor:
        """The same for positions of the source: [N, 1, W, S]."""
        seen_NS = self._position_S < self.traffic.length_N[:, None]
        return _to_add(seen_NS, like)[:, None, None].expand(-1, -1, len(self._lane_W), -1)

    def _look_back(
        self, number: int, layer: DecoderLayer, x_RD: Tensor, step_R: Tensor, mask: Tensor
    ) -> Tensor:
        """Self-attention to what the family said."""
        assert self.state.past is not None
        past = self.state.past[number]
        entered_RD = layer.enter(x_RD, layer.self_attention_norm)
        qkv_R3HE = layer.self_attention.project(entered_RD, step_R)
        qkv = qkv_R3HE.unflatten(0, self.traffic.piece_NW.shape)
        kv_N2HWE = qkv[:, :, 1:].permute(0, 2, 3, 1, 4)
        past[:, self._slot_N, :, self.traffic.step_N] = kv_N2HWE
        k, v = past.flatten(3, 4)
        q_NHWE = qkv[:, :, 0].transpose(1, 2)
        mixed_NHWE = F.scaled_dot_product_attention(q_NHWE, k, v, attn_mask=mask)
        y_RD = layer.self_attention.out(mixed_NHWE.transpose(1, 2).reshape(x_RD.shape))
        return layer.leave(y_RD, x_RD, layer.self_attention_norm, None)

    def _recur(self, number: int, layer: DecoderLayer, x_RD: Tensor) -> Tensor:
        """An SSRU, going on from the parent's state."""
        assert self.state.recurrent is not None
        state_NWD = self.state.recurrent[number]
        before_NWD = state_NWD.gather(
            1, self.traffic.lane_NW[:, :, None].expand(-1, -1, x_RD.shape[1])
        )
        begins_N11 = (self.traffic.step_N == 0)[:, None, None]
        before_RD = before_NWD.masked_fill(begins_N11, 0.0).flatten(0, 1)
        maps_R2D = layer.recurrence.maps(layer.enter(x_RD, layer.recurrence_norm))
        y_RD, after_RD = ssru_step(maps_R2D, before_RD)
        state_NWD.copy_(after_RD.view(state_NWD.shape))
        return layer.leave(y_RD, x_RD, layer.recurrence_norm, None)

    def _look_at_source(
        self, number: int, layer: DecoderLayer, x_RD: Tensor, mask: Tensor
    ) -> Tensor:
        """Attention to the source, of all rows of a slot together."""
        k, v = self.state.memory[number]
        entered_RD = layer.enter(x_RD, layer.cross_attention_norm)
        q_RHE = layer.cross_attention.project_queries(entered_RD)
        q_NHWE = q_RHE.unflatten(0, self.traffic.piece_NW.shape).transpose(1, 2)
        mixed_NHWE = F.scaled_dot_product_attention(q_NHWE, k, v, attn_mask=mask)
        if self.results.weights_RS is not None and number + 1 == len(self._layers):
            wide = self.results.weights_RS.dtype
            scores_NHWS = (q_NHWE @ k.transpose(2, 3)) * k.shape[-1] ** -0.5 + mask
            weights_NHWS = torch.softmax(scores_NHWS, dim=-1, dtype=wide)
            self.results.weights_RS.copy_(weights_NHWS.mean(dim=1).flatten(0, 1))
        y_RD = layer.cross_attention.out(mixed_NHWE.transpose(1, 2).reshape(x_RD.shape))
        return layer.leave(y_RD, x_RD, layer.cross_attention_norm, None)

    def _predict(self, hidden_RD: Tensor) -> None:
        """Logits of all pieces, or log-probabilities of the likeliest that are text or the end."""
        logits_RV = wide_product(hidden_RD, self._model.output)
        if self.results.logits_RV is not None:
            self.results.logits_RV.copy_(logits_RV)
            return
        log_p_RV = torch.log_softmax(logits_RV, dim=-1)
        allowed = self.state.allowed
        if allowed is not None:
            # The first rows are slots, so that lanes share what is allowed.
            of_slots = log_p_RV.view(*self.traffic.piece_NW.shape, -1)
            of_slots.masked_fill_(~allowed[:, None], -math.inf)
        for control in (PAD_ID, BOS_ID, UNK_ID):
            log_p_RV[:, control].fill_(-math.inf)
        log_p_RC, piece_RC = striped_top_pieces(log_p_RV, self.wanted.candidates)
        self.results.log_p_RC[:, :-1] = log_p_RC
        self.results.log_p_RC[:, -1] = log_p_RV[:, EOS_ID]
        self.results.piece_RC.copy_(piece_RC)


def wide_product(hidden_RD: Tensor, weight_VD: Tensor) -> Tensor:
    """``hidden @ weight.T``, of half types as float32: [R, V]."""
    if hidden_RD.dtype not in (torch.bfloat16, torch.float16):
        return F.linear(hidden_RD, weight_VD)
    if hidden_RD.device.type == "cpu":  # which has no such product
        return F.linear(hidden_RD.float(), weight_VD.float())
    return torch.mm(hidden_RD, weight_VD.T, out_dtype=torch.float32)


def _to_add(seen: Tensor, like: Tensor) -> Tensor:
    """0 where something is seen, -inf elsewhere, in the type and on the device of another."""
    return like.new_zeros(seen.shape).masked_fill_(~seen, -math.inf)


@contextlib.contextmanager
def _attention_without_plans(device: torch.device) -> Iterator[None]:
    """Of PyTorch's attentions those that need no plan for each new shape, as cuDNN's does."""
    if device.type != "cuda":
        yield
        return
    with sdpa_kernel([SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]):
        yield
