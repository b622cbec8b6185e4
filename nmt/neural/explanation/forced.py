"""Forced decoding: what a model thinks of a given translation, in one pass over all of its pieces.

Search keeps neither the probability of each piece nor where the model attended: asking again, for
the few hypotheses that were chosen, costs next to nothing, and search stays as fast as it is.

Shapes: T target positions and S source positions (ends included; of a packed batch in the code), B
pairs, D model width, H heads, E head width, V pieces.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import assert_never, cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from nmt.errors import UserError
from nmt.neural.backends.onnx_model import OnnxTransformer
from nmt.neural.kernels.packed_lstm import Visits
from nmt.neural.kernels.step_attention import step_cross_attention
from nmt.neural.model.attention import CrossAttention
from nmt.neural.model.ensemble import Ensemble, SearchedModel
from nmt.neural.model.recurrent import Recurrent
from nmt.neural.model.transformer import DecoderLayer, Transformer
from nmt.neural.model.translation_model import TranslationModel
from nmt.neural.packed import PackedBatch, pack_batch
from nmt.neural.search.rows import round_up

_POSITIONS = 320
"""Target positions computed at once: their logits fit a processor's cache, their padded keys a
GPU's memory."""


@dataclass(frozen=True, slots=True)
class ForcedDecoding:
    """What a model thinks of a translation. Step t says its piece t; the last step says its end."""

    log_probability_T: NDArray[np.float64]
    """Of what each step says, given all that was said before."""
    attention_TS: NDArray[np.float64]
    """How much each step attends to each source piece, and, last, to the source's end; the mean
    over heads. Rows sum to 1."""


@torch.inference_mode()
def forced_decoding(
    model: SearchedModel,
    sources: Sequence[NDArray[np.int64]],
    targets: Sequence[Sequence[int]],
    *,
    layers: Sequence[int] | None = None,
) -> list[ForcedDecoding]:
    """Make the model say each target, a translation of the source beside it.

    What is found for a pair does not depend on the others.

    Args:
        model: the model.
        sources: pieces of the sources, without their ends.
        targets: pieces of the targets, without their ends.
        layers: the layers of a Transformer's decoder whose mean attention is wanted; None takes
            all above the lowest (`informative_layers`). A recurrent model attends in one place.
    """
    if isinstance(model, Ensemble):
        by_member = [
            forced_decoding(member, sources, targets, layers=layers) for member in model.members
        ]
        return [_mean(decoded) for decoded in zip(*by_member, strict=True)]
    if isinstance(model, OnnxTransformer):
        raise UserError(
            "the backend onnx cannot explain translations",
            mend="translate with --backend native, or with the model that was exported",
        )
    found: list[ForcedDecoding] = []
    rows = [np.asarray(target, dtype=np.int64) for target in targets]
    for part in _batches([len(row) + 1 for row in rows]):
        found += _decode(model, sources[part], rows[part], layers)
    return found


def _mean(decoded: Sequence[ForcedDecoding]) -> ForcedDecoding:
    """What an ensemble thinks: the mean of its members' probabilities, and of their attention."""
    log_p_MT = np.stack([one.log_probability_T for one in decoded])
    return ForcedDecoding(
        np.logaddexp.reduce(log_p_MT, axis=0) - np.log(len(decoded)),
        np.mean([one.attention_TS for one in decoded], axis=0),
    )


def _batches(lengths: Sequence[int]) -> Iterator[slice]:
    """Pairs in order, in batches of so many target positions (or a single longer one)."""
    begin = used = 0
    for number, length in enumerate(lengths):
        if number > begin and used + length > _POSITIONS:
            yield slice(begin, number)
            begin, used = number, 0
        used += length
    if begin < len(lengths):
        yield slice(begin, len(lengths))


def _decode(
    model: TranslationModel,
    sources: Sequence[NDArray[np.int64]],
    targets: Sequence[NDArray[np.int64]],
    layers: Sequence[int] | None,
) -> list[ForcedDecoding]:
    """A batch of pairs."""
    source_lengths = [len(source) + 1 for source in sources]
    target_ends = np.cumsum([len(target) + 1 for target in targets])
    capacities = round_up(sum(source_lengths)), round_up(int(target_ends[-1]))
    batch = pack_batch(sources, targets, *capacities).to(model.output.device)
    match model:
        case Transformer():
            if layers is None:
                layers = informative_layers(len(model.decoder))
            hidden_TD, weights_TS = _transformer(model, batch, layers)
        case Recurrent():
            hidden_TD, weights_TS = _recurrent(model, batch)
        case _:
            assert_never(model)
    wide = torch.promote_types(hidden_TD.dtype, torch.float32)
    log_p_TV = torch.log_softmax(F.linear(hidden_TD, model.output), dim=-1, dtype=wide)
    log_p_T = log_p_TV.gather(1, batch.labels_T[:, None])[:, 0].double().cpu().numpy()
    attention_TS = weights_TS.double().cpu().numpy()
    target_begins = target_ends - [len(target) + 1 for target in targets]
    return [
        ForcedDecoding(log_p_T[begin:end], attention_TS[begin:end, :length])
        for begin, end, length in zip(target_begins, target_ends, source_lengths, strict=True)
    ]


def informative_layers(num_layers: int) -> range:
    """The layers of a decoder whose mean attention shows best which word comes from which.

    Garg et al. (2019) found it in the layer before the last of six. In smaller models it is now
    this layer, now that: on Multi30k's validation set, against the links of our statistical
    aligner, the alignment error rates of the layers of two models are 93, 48, 25 (3 layers, norms
    last) and 72, 27, 29, 35 (4 layers, norms first). Only the lowest is never of use: it looks at
    what was said last (of which, in the next step, it does tell the source: 33 and 31). The mean
    of the others has 27 and 27; a recurrent model on the same data 32.
    """
    return range(min(1, num_layers - 1), num_layers)


def _transformer(
    model: Transformer, batch: PackedBatch, attending: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """Last hidden states, [T, D], and the mean attention of some layers, [T, longest source]."""
    target, source = batch.target, batch.source
    memory_SD = model.encode(source)
    x_TD: Tensor = model.target_embedding(target.pieces_N, target.positions_N)
    weights = []
    for number, layer in enumerate(cast(DecoderLayer, layer) for layer in model.decoder):
        if number in attending:
            # The layer's first sublayer, which it computes once more below.
            asking_TD = layer.enter(layer.look_back(x_TD, target), layer.cross_attention_norm)
            weights.append(_weights(layer.cross_attention, asking_TD, memory_SD, batch))
        x_TD = layer(x_TD, target, memory_SD, source)
    return model.decoder_norm(x_TD), torch.stack(weights).mean(dim=0)


def _recurrent(model: Recurrent, batch: PackedBatch) -> tuple[Tensor, Tensor]:
    """The same of a recurrent model."""
    target, source = batch.target, batch.source
    memory_SD = model.encode(source)
    # The decoder's bottom layer, which is computed once more below.
    x_TD = model.embed(target.pieces_N, model.target_table)
    first_BD = model.begin(memory_SD, source)[:, 0]
    asking_TD = model.decoder_lstms[0](x_TD, Visits.of(target.offsets), first_BD)
    weights_TS = _weights(model.attention, asking_TD, memory_SD, batch)
    return model.decode(target, memory_SD, source), weights_TS


def _weights(
    attention: CrossAttention, asking_TD: Tensor, memory_SD: Tensor, batch: PackedBatch
) -> Tensor:
    """Attention weights of the positions that are of a sentence, [T, longest source]."""
    offsets = batch.source.offsets.long()
    lengths = (batch.target.offsets[1:] - batch.target.offsets[:-1]).long()
    begin_T, end_T = offsets[:-1].repeat_interleave(lengths), offsets[1:].repeat_interleave(lengths)
    queries_THE = attention.project_queries(asking_TD)[: batch.num_target_pieces]
    _, weights_TS = step_cross_attention(
        queries_THE, attention.project_memory(memory_SD), begin_T, end_T, weights=True
    )
    assert weights_TS is not None
    return weights_TS
