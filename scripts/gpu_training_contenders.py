"""One contender of bench_gpu_training in a process of its own: ours, or a padded loop.

``python -m scripts.gpu_training_contenders REQUEST RESULT`` reads and writes JSON.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nmt.neural.kernels.gpu import Kernel
from nmt.neural.model.architecture import Architecture, base, big, tiny
from nmt.neural.model.transformer import Transformer
from nmt.neural.packed import RowBlock, StaticShape
from nmt.neural.training.batches import BatchStream, Position, Update
from nmt.neural.training.optimizer import FlatParameters, Optimizer
from nmt.neural.training.packing import choose_shape
from nmt.neural.training.static_step import StaticStep
from nmt.prefetch import prefetch
from nmt.recipe.neural import TrainingSettings
from nmt.tokenization.protocol import BOS_ID, EOS_ID, PAD_ID
from scripts.benchmark import answer_request
from scripts.gpu_training_data import RandomPairs, draw_pairs
from scripts.gpu_training_trace import where_time_goes
from scripts.training_flops import flop_per_target_piece

PRESETS: dict[str, Callable[[], Architecture]] = {
    "base": base,
    "big": big,
    "smoke": lambda: replace(
        tiny(), encoder_layers=1, decoder_layers=1, width=32, heads=1, feed_forward_width=32
    ),
}

BLOCKS = 5
"""Spans that are timed one by one."""


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be measured."""

    contender: Literal["nmt", "padded"]
    preset: str
    vocabulary: int
    lengths: str
    batch_tokens: int
    pairs: int
    warmup: int
    """Updates before the clock starts."""
    updates: int
    """Timed updates; fewer if the seconds are over."""
    seconds: float
    compiled: bool = False
    graph: bool = True
    references: tuple[Kernel, ...] = ()
    precision: str = "bfloat16"
    trace: bool = False

    @property
    def architecture(self) -> Architecture:
        """The model's."""
        size = self.vocabulary
        chosen = PRESETS[self.preset]()
        return replace(chosen, source_vocabulary_size=size, target_vocabulary_size=size)


@dataclass(frozen=True, slots=True)
class Step:
    """What an update computed."""

    target_pieces: int
    positions: int
    """Source and target positions, padding included."""
    pieces: int
    loss: Tensor
    """Sum, on the device."""


def measure(request: dict[str, Any]) -> dict[str, Any]:
    """Answer a request: a ``Job`` as JSON."""
    job = Job(**{**request, "references": tuple(request.get("references", ()))})
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if job.precision == "float32":
        torch.set_float32_matmul_precision("high")
    pairs = draw_pairs(job.lengths, job.vocabulary, job.pairs)
    contender = ours if job.contender == "nmt" else padded
    with closing(contender(job, pairs, device)) as steps:
        result = timed(steps, job, device)
        if job.trace:
            result["trace"] = where_time_goes(lambda: next(steps), device)
    flop = flop_per_target_piece(job.architecture, pairs.source_lengths, pairs.target_lengths)
    result["flop_per_second"] = flop * result["target_pieces_per_second"]
    return result


def timed(steps: Iterator[Step], job: Job, device: torch.device) -> dict[str, Any]:
    """Let the contender warm up, then time it in blocks, each until the device is done."""
    began = time.perf_counter()
    first = float(next(steps).loss)
    seconds_to_first = time.perf_counter() - began
    for _ in range(job.warmup):
        next(steps)
    _wait(device)
    began = time.perf_counter()
    blocks = []
    done: list[Step] = []
    for _ in range(BLOCKS):
        block_began, block = time.perf_counter(), []
        for _ in range(-(-job.updates // BLOCKS)):
            block.append(next(steps))
        _wait(device)
        blocks.append((time.perf_counter() - block_began, sum(s.target_pieces for s in block)))
        done += block
        if time.perf_counter() - began > job.seconds:
            break
    seconds = sum(block[0] for block in blocks)
    pieces = sum(step.target_pieces for step in done)
    on_gpu = device.type == "cuda"
    return {
        "target_pieces_per_second": pieces / seconds,
        "rates_of_blocks": [count / took for took, count in blocks],
        "ms_per_update": 1e3 * seconds / len(done),
        "updates": len(done),
        "target_pieces_per_update": pieces / len(done),
        "padding": 1 - sum(s.pieces for s in done) / sum(s.positions for s in done),
        "peak_bytes": torch.cuda.max_memory_allocated() if on_gpu else None,
        "seconds_to_first_update": seconds_to_first,
        "loss_first": first,
        "loss_last": float(done[-1].loss) / done[-1].target_pieces,
    }


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


# --- ours


def ours(job: Job, pairs: RandomPairs, device: torch.device) -> Generator[Step, None, None]:
    """The training step of nmt-train with its batches and its prefetching thread."""
    settings = TrainingSettings.model_validate(
        {"precision": job.precision, "batch_tokens": job.batch_tokens, "learning_rate": 1e-4}
    )
    shape = choose_shape(
        pairs.source_lengths, pairs.target_lengths, batch_tokens=job.batch_tokens,
        micro_batch_tokens=job.batch_tokens, workers=1, static=True,
    )  # fmt: skip
    sizes = (job.vocabulary, job.vocabulary)
    stream = BatchStream(
        lambda chosen, _: (pairs.sources.take(chosen), pairs.targets.take(chosen)),
        np.zeros(job.pairs, np.int64), (1.0,), shape, seed=1, vocabulary_sizes=sizes,
    )  # fmt: skip
    torch.manual_seed(1)
    model = Transformer(job.architecture).to(device)
    optimizer = Optimizer(FlatParameters(model), settings)
    assert shape.micro_pairs is not None
    step = StaticStep(
        model, optimizer, settings,
        StaticShape(
            shape.micro_source_positions, shape.micro_target_positions, shape.micro_pairs, sizes
        ),
        shape.micro_batches,
        references=job.references,
        compiles=job.compiled,
        captures=job.graph and device.type == "cuda",
    )  # fmt: skip
    with closing(prefetch(stream.updates(Position()), 16, name="batches")) as updates:
        for number, update in enumerate(updates, 1):
            yield _taken(step, update, number)


def _taken(step: StaticStep, update: Update, number: int) -> Step:
    sums, _ = step(update, number)
    return Step(update.num_target_pieces, update.num_positions, update.num_pieces, sums.loss)


# --- a padded loop around torch.nn.Transformer


class PaddedTransformer(nn.Module):
    """The same model by torch.nn.Transformer, with one table for everything."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.embedding = nn.Embedding(
            architecture.target_vocabulary_size, architecture.width, padding_idx=PAD_ID
        )
        nn.init.normal_(self.embedding.weight, std=architecture.width**-0.5)
        self.positions = nn.Embedding(1024, architecture.width).requires_grad_(False)
        self.dropout = nn.Dropout(architecture.dropout)
        self.transformer = nn.Transformer(
            architecture.width, architecture.heads, architecture.encoder_layers,
            architecture.decoder_layers, architecture.feed_forward_width, architecture.dropout,
            batch_first=True, norm_first=True,
        )  # fmt: skip
        # Dropout is where ours has it: not on attention weights, not within the feed-forward.
        for module in self.transformer.modules():
            if isinstance(module, nn.MultiheadAttention):
                module.dropout = 0.0
            elif isinstance(module, nn.TransformerEncoderLayer | nn.TransformerDecoderLayer):
                module.dropout.p = 0.0

    def embed(self, pieces: Tensor) -> Tensor:
        """Pieces [B, L] to vectors [B, L, D]."""
        place = torch.arange(pieces.shape[1], device=pieces.device)
        scaled = self.embedding(pieces) * math.sqrt(self.embedding.embedding_dim)
        embedded: Tensor = self.dropout(scaled + self.positions(place))
        return embedded

    def forward(self, source: Tensor, inputs: Tensor, labels: Tensor) -> Tensor:
        """The summed loss of a batch."""
        missing, length = source == PAD_ID, inputs.shape[1]
        # With a causal mask and nothing else the decoder takes PyTorch's fastest attention; what
        # stands behind a sentence's end is seen by nobody.
        hidden = self.transformer(
            self.embed(source), self.embed(inputs),
            tgt_mask=torch.ones(length, length, dtype=torch.bool, device=source.device).triu(1),
            tgt_is_causal=True, src_key_padding_mask=missing, memory_key_padding_mask=missing,
        )  # fmt: skip
        logits = F.linear(hidden, self.embedding.weight)
        return F.cross_entropy(
            logits.flatten(0, 1).float(), labels.flatten(), ignore_index=PAD_ID, reduction="sum",
            label_smoothing=0.1,
        )  # fmt: skip


def padded(job: Job, pairs: RandomPairs, device: torch.device) -> Generator[Step, None, None]:
    """A plain loop: sentences of like length padded to the longest, autocast, fused AdamW."""
    torch.manual_seed(1)
    model = PaddedTransformer(job.architecture).to(device)
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(parameters, 1e-4, (0.9, 0.98), 1e-9, weight_decay=0.0, fused=True)
    forward: Any = model
    if job.compiled:
        backend = "inductor" if device.type == "cuda" else "aot_eager"
        forward = torch.compile(model, dynamic=True, backend=backend)
    dtype = getattr(torch, job.precision)
    batches = list(_padded_batches(pairs, job.batch_tokens, 64, device))
    number = 0
    while True:
        tensors, step = batches[number % len(batches)]
        number += 1
        with torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32):
            loss = forward(*(tensor.to(device, non_blocking=True) for tensor in tensors))
        (loss / step.target_pieces).backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        yield replace(step, loss=loss.detach())


def _padded_batches(
    pairs: RandomPairs, tokens: int, count: int, device: torch.device
) -> Iterator[tuple[tuple[Tensor, ...], Step]]:
    """Batches of as many target positions as ours have, padding counted, in random order."""
    source_lengths, target_lengths = pairs.source_lengths, pairs.target_lengths
    order = np.lexsort((source_lengths, target_lengths))
    groups, begin = [], 0
    while begin < len(order):
        end = begin + 1
        while end < len(order) and target_lengths[order[end]] * (end + 1 - begin) <= tokens:
            end += 1
        groups.append(order[begin:end])
        begin = end
    # Groups of long sentences hold fewer of them: drawn evenly, all sentences come equally often.
    for number in np.random.default_rng(3).permutation(len(groups))[:count]:
        rows = groups[number]
        sources, targets = pairs.sources.take(rows), pairs.targets.take(rows)
        source, labels = _grid(sources), _grid(targets)
        begins = torch.full((len(rows), 1), BOS_ID)
        inputs = torch.cat((begins, labels[:, :-1].where(labels[:, :-1] != EOS_ID, PAD_ID)), 1)
        tensors: tuple[Tensor, ...] = (source, inputs, labels)
        if device.type == "cuda":
            tensors = tuple(tensor.pin_memory() for tensor in tensors)
        pieces = int(target_lengths[rows].sum())
        held = pieces + int(source_lengths[rows].sum())
        positions = source.numel() + labels.numel()
        yield tensors, Step(pieces, positions, held, torch.zeros(()))


def _grid(rows: RowBlock) -> Tensor:
    """Rows with their ends, padded to the longest."""
    lengths = rows.lengths
    longest = int(lengths.max()) + 1
    grid = np.full((len(lengths), longest), PAD_ID, dtype=np.int64)
    place = np.arange(longest)
    grid[place < lengths[:, None]] = rows.flat
    grid[np.arange(len(lengths)), lengths] = EOS_ID
    return torch.from_numpy(grid)


def as_request(job: Job) -> dict[str, Any]:
    """The job as JSON."""
    request = asdict(job)
    request["references"] = list(job.references)
    return request


if __name__ == "__main__":
    answer_request(measure)
    sys.exit(0)
