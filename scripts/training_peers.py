"""Training throughput of others, and of matrix products alone; started by bench_training.py.

Each contender trains the model that the request describes, on the request's sentence pairs, in this
process, and counts target pieces (padding not counted, ends counted) and processor time. "Tuned"
gives it what nmt sets for itself at start-up: the quickest true float32 matrix product that
PyTorch offers, and (by environment variables, set by the caller) an allocator that keeps memory;
and its updates are computed in micro-batches of nmt's size.

Shapes: B sentences, S and T their padded lengths, V pieces.
"""

from __future__ import annotations

import contextlib
import math
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scripts.benchmark import answer_request

PAD, BOS, EOS = 0, 1, 2


@dataclass(frozen=True)
class Job:
    """What to train, on what, for how long; the request of bench_training.py."""

    contender: str
    tuned: bool
    seconds: float
    """Processor time to measure."""
    warmup: float
    """Processor time to spend before."""
    rows: str
    """An .npz file with flat pieces and offsets of both sides."""
    batch_tokens: int
    micro_batch_tokens: int
    width: int
    feed_forward_width: int
    heads: int
    layers: int
    vocabulary: int
    dropout: float
    label_smoothing: float
    source_positions: int
    """Source positions of nmt's micro-batch, for the matrix products."""


def measure_updates(job: Job, updates: Iterator[int]) -> dict[str, Any]:
    """Warm up, then count the target pieces of updates and the processor time that they take."""
    begin = time.process_time()
    while time.process_time() - begin < job.warmup:
        next(updates)
    cpu, wall = [time.process_time()], [time.perf_counter()]
    pieces: list[int] = []
    while cpu[-1] - cpu[0] < job.seconds:
        pieces.append(next(updates))
        cpu.append(time.process_time())
        wall.append(time.perf_counter())
    return summary(pieces, cpu, wall)


def summary(pieces: list[int], cpu: list[float], wall: list[float]) -> dict[str, Any]:
    """Rates of updates whose ends (and the first one's begin) are in ``cpu`` and ``wall``."""
    rates = [count / (b - a) for count, (a, b) in zip(pieces, pairwise(cpu), strict=True)]
    return {
        "target_pieces_per_cpu_second": sum(pieces) / (cpu[-1] - cpu[0]),
        "target_pieces_per_second": sum(pieces) / (wall[-1] - wall[0]),
        "updates": len(pieces),
        "target_pieces": sum(pieces),
        "cpu_seconds": cpu[-1] - cpu[0],
        "quartiles": np.percentile(rates, [25, 50, 75]).tolist(),
    }


class Rows:
    """Sentence pairs as pieces."""

    def __init__(self, path: str) -> None:
        with np.load(path) as arrays:
            self.source, self.target = (
                np.split(arrays[f"{side}_flat"].astype(np.int64), arrays[f"{side}_offsets"][1:-1])
                for side in ("source", "target")
            )

    def batches(self, tokens: int, seed: int = 1) -> Iterator[list[int]]:
        """Endless batches of pairs of like lengths, about ``tokens`` target pieces in each."""
        rng = np.random.default_rng(seed)
        lengths = np.array([len(row) + 1 for row in self.target])
        source_lengths = np.array([len(row) + 1 for row in self.source])
        while True:
            order = np.lexsort((rng.random(len(lengths)), source_lengths, lengths))
            filled = np.cumsum(lengths[order]) // tokens
            batches = np.split(order, np.flatnonzero(np.diff(filled)) + 1)
            for number in rng.permutation(len(batches)):
                yield batches[number].tolist()

    def collate(self, batch: list[int]) -> tuple[Tensor, Tensor, Tensor]:
        """Padded source [B, S], decoder input [B, T] and labels [B, T]."""
        source = _pad([np.append(self.source[i], EOS) for i in batch])
        inputs = _pad([np.insert(self.target[i], 0, BOS) for i in batch])
        labels = _pad([np.append(self.target[i], EOS) for i in batch])
        return source, inputs, labels


def _pad(rows: list[np.ndarray]) -> Tensor:
    return nn.utils.rnn.pad_sequence(
        [torch.from_numpy(row) for row in rows], batch_first=True, padding_value=PAD
    )


def train_plainly(
    job: Job, model: nn.Module, logits: Callable[[Tensor, Tensor], Tensor]
) -> Iterator[int]:
    """The loop that everybody writes: length-grouped batches, cross-entropy, AdamW."""
    rows = Rows(job.rows)
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    parts = math.ceil(job.batch_tokens / job.micro_batch_tokens) if job.tuned else 1
    batches = rows.batches(job.batch_tokens // parts)
    while True:
        optimizer.zero_grad()
        pieces = 0
        for _ in range(parts):
            source, inputs, labels = rows.collate(next(batches))
            logits_BTV = logits(source, inputs)
            loss = F.cross_entropy(
                logits_BTV.flatten(0, 1),
                labels.flatten(),
                ignore_index=PAD,
                label_smoothing=job.label_smoothing,
                reduction="sum",
            )
            torch.autograd.backward(loss / job.batch_tokens)
            pieces += int((labels != PAD).sum())
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        yield pieces


class PlainTransformer(nn.Module):
    """torch.nn.Transformer with tied embeddings, as its tutorials use it."""

    def __init__(self, job: Job) -> None:
        super().__init__()
        self.embedding = nn.Embedding(job.vocabulary, job.width, padding_idx=PAD)
        nn.init.normal_(self.embedding.weight, std=job.width**-0.5)
        self.positions = nn.Embedding(1024, job.width).requires_grad_(False)
        self.dropout = nn.Dropout(job.dropout)
        self.transformer = nn.Transformer(
            d_model=job.width,
            nhead=job.heads,
            num_encoder_layers=job.layers,
            num_decoder_layers=job.layers,
            dim_feedforward=job.feed_forward_width,
            dropout=job.dropout,
            batch_first=True,
        )

    def embed(self, pieces: Tensor) -> Tensor:
        """Pieces [B, L] to vectors [B, L, D]."""
        place = torch.arange(pieces.shape[1])
        scaled = self.embedding(pieces) * math.sqrt(self.embedding.embedding_dim)
        embedded: Tensor = self.dropout(scaled + self.positions(place))
        return embedded

    def forward(self, source: Tensor, inputs: Tensor) -> Tensor:
        """Logits [B, T, V]."""
        hidden = self.transformer(
            self.embed(source),
            self.embed(inputs),
            tgt_mask=nn.Transformer.generate_square_subsequent_mask(inputs.shape[1]),
            tgt_is_causal=True,
            src_key_padding_mask=(source == PAD).float() * -1e9,
            memory_key_padding_mask=(source == PAD).float() * -1e9,
        )
        return F.linear(hidden, self.embedding.weight)


def torch_transformer(job: Job) -> dict[str, Any]:
    """A plain loop around torch.nn.Transformer."""
    model = PlainTransformer(job)
    return measure_updates(job, train_plainly(job, model, model))


def marian(job: Job) -> dict[str, Any]:
    """The same loop around Hugging Face's MarianMTModel."""
    from transformers import MarianConfig, MarianMTModel, __version__

    model = MarianMTModel(
        MarianConfig(
            vocab_size=job.vocabulary,
            d_model=job.width,
            encoder_layers=job.layers,
            decoder_layers=job.layers,
            encoder_attention_heads=job.heads,
            decoder_attention_heads=job.heads,
            encoder_ffn_dim=job.feed_forward_width,
            decoder_ffn_dim=job.feed_forward_width,
            activation_function="relu",
            dropout=job.dropout,
            attention_dropout=0.0,
            activation_dropout=0.0,
            scale_embedding=True,
            pad_token_id=PAD,
            bos_token_id=BOS,
            eos_token_id=EOS,
            decoder_start_token_id=BOS,
            forced_eos_token_id=None,
        )
    )

    def logits(source: Tensor, inputs: Tensor) -> Tensor:
        found: Tensor = model(
            input_ids=source,
            attention_mask=(source != PAD).long(),
            decoder_input_ids=inputs,
            use_cache=False,
        ).logits
        return found

    return {**measure_updates(job, train_plainly(job, model, logits)), "version": __version__}


def opennmt_py(job: Job) -> dict[str, Any]:
    """OpenNMT-py's own training command, its report of statistics read off."""
    import onmt
    from onmt.bin import train
    from onmt.utils.report_manager import ReportMgr

    pieces: list[int] = []
    cpu: list[float] = []
    wall: list[float] = []
    begin = time.process_time()

    def note(
        manager: object, step: int, num_steps: int, rate: float, patience: object, stats: Any
    ) -> object:
        if time.process_time() - begin >= job.warmup:
            if cpu:
                pieces.append(int(stats.n_words))
            cpu.append(time.process_time())
            wall.append(time.perf_counter())
            if cpu[-1] - cpu[0] >= job.seconds:
                raise _Enough
        return onmt.utils.Statistics()

    ReportMgr._report_training = note
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        parser = train._get_parser()
        options, _ = parser.parse_known_args(["-config", str(_opennmt_config(job, folder))])
        with contextlib.suppress(_Enough):
            train.train(options)
    return {**summary(pieces, cpu, wall), "version": onmt.__version__}


class _Enough(Exception):
    """Enough was measured."""


def _opennmt_config(job: Job, folder: Path) -> Path:
    """Files that OpenNMT-py reads: text of pieces, a vocabulary and the settings."""
    rows = Rows(job.rows)
    for side, sentences in (("source", rows.source), ("target", rows.target)):
        lines = (" ".join(f"p{piece}" for piece in row) for row in sentences)
        (folder / side).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    vocabulary = "".join(f"p{piece}\t1\n" for piece in range(4, job.vocabulary))
    (folder / "vocabulary").write_text(vocabulary, encoding="utf-8")
    parts = math.ceil(job.batch_tokens / job.micro_batch_tokens) if job.tuned else 1
    settings = f"""
data:
  corpus_1: {{path_src: {folder}/source, path_tgt: {folder}/target}}
save_data: {folder}
save_model: {folder}/model
src_vocab: {folder}/vocabulary
tgt_vocab: {folder}/vocabulary
share_vocab: true
share_embeddings: true
share_decoder_embeddings: true
encoder_type: transformer
decoder_type: transformer
position_encoding: true
enc_layers: {job.layers}
dec_layers: {job.layers}
heads: {job.heads}
hidden_size: {job.width}
word_vec_size: {job.width}
transformer_ff: {job.feed_forward_width}
dropout: [{job.dropout}]
attention_dropout: [0.0]
label_smoothing: {job.label_smoothing}
batch_type: tokens
normalization: tokens
batch_size: {job.batch_tokens // parts}
accum_count: [{parts}]
accum_steps: [0]
batch_size_multiple: 1
bucket_size: 262144
num_workers: 0
optim: adam
adam_beta2: 0.998
max_grad_norm: 1
decay_method: noam
learning_rate: 1
warmup_steps: 8000
train_steps: 1000000
valid_steps: 1000000
save_checkpoint_steps: 1000000
report_every: 1
world_size: 1
"""
    path = folder / "config.yaml"
    path.write_text(settings, encoding="utf-8")
    return path


def matrix_products(job: Job) -> dict[str, Any]:
    """The rate of the model's matrix products and nothing else: FLOP a second of processor time.

    Each product of nmt's micro-batch runs forward and for both gradients; the best of its runs
    counts, so this is a ceiling.
    """
    rows, columns = job.source_positions, job.micro_batch_tokens
    d, f = job.width, job.feed_forward_width
    layer = [(d, 3 * d), (d, d), (d, f), (f, d)]
    shapes = [(rows, *shape) for shape in layer] + [(columns, *shape) for shape in layer]
    shapes += [(columns, d, d), (columns, d, d), (rows, d, 2 * d)]
    counted = [(job.layers, *shape) for shape in shapes] + [(1, columns, d, job.vocabulary)]
    per_shape = job.seconds / len(counted)
    flop = seconds = 0.0
    for count, positions, inputs, outputs in counted:
        x, weight, gradient = (
            torch.randn(size)
            for size in ((positions, inputs), (outputs, inputs), (positions, outputs))
        )
        flop += count * 3 * 2 * positions * inputs * outputs
        seconds += count * sum(
            _best_seconds(product, per_shape / 3)
            for product in (
                lambda x=x, weight=weight: F.linear(x, weight),
                lambda gradient=gradient, weight=weight: gradient @ weight,
                lambda gradient=gradient, x=x: gradient.T @ x,
            )
        )
    return {"flop_per_cpu_second": flop / seconds}


def _best_seconds(product: Callable[[], Tensor], budget: float) -> float:
    product()
    best, end = math.inf, time.process_time() + budget
    while time.process_time() < end:
        begin = time.process_time()
        product()
        best = min(best, time.process_time() - begin)
    return best


CONTENDERS = {
    "matrix products": matrix_products,
    "torch.nn.Transformer": torch_transformer,
    "Hugging Face Marian": marian,
    "OpenNMT-py": opennmt_py,
}


def measure(request: dict[str, Any]) -> dict[str, Any]:
    """Answer one request of bench_training.py."""
    job = Job(**request)
    torch.manual_seed(1)
    if job.tuned:
        from nmt.neural.cpu import choose_matrix_library

        choose_matrix_library()
    result = CONTENDERS[job.contender](job)
    return {
        **result,
        "threads": torch.get_num_threads(),
        "cores": len(os.sched_getaffinity(0)),
        "matrix_precision": torch.get_float32_matmul_precision(),
    }


if __name__ == "__main__":
    answer_request(measure)
