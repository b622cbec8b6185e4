"""Translation by nmt and by others with the same weights; started by bench_translation.py.

The weights of an nmt model folder are copied into Hugging Face's MarianMTModel and CTranslate2,
which then compute the same function: sentences come out the same, up to ties and to how each search
normalises by length and stops. Everybody goes from text to text with the model's own tokenizer.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nmt import load
from nmt.errors import UserError
from nmt.memory import peak_memory
from nmt.model_folder import open_model_folder
from nmt.neural.backends.choice import Precision
from nmt.neural.cpu import choose_matrix_library
from nmt.neural.model.architecture import Architecture
from nmt.neural.model.layers import sinusoids
from nmt.neural.model.transformer import Transformer
from nmt.neural.system import TOKENIZER
from nmt.neural.weights import WEIGHTS, load_weights
from nmt.recipe import SearchSettings
from nmt.tokenization import TokenizerPair
from nmt.tokenization.protocol import BOS_ID, EOS_ID, NUM_CONTROL_IDS, PAD_ID, UNK_ID
from scripts.benchmark import answer_request

BATCHES = (8, 16, 32, 64, 128, 256)
"""Numbers of sentences a batch from which each peer's quickest is taken."""

TRIED_LINES = 256
"""Lines by which it is found."""

Translate = Callable[[list[str], int, int], list[str]]
"""Lines, beam and batch size to translations."""


@dataclass(frozen=True)
class Job:
    """What to translate with what; the request of bench_translation.py."""

    contender: str
    tuned: bool
    model: str
    lines: list[str]
    beam: int
    repeats: int
    precision: str = "float32"
    shortlist: bool = False
    alone: int = 0
    """Lines to be translated one at a time."""


def read_model(path: str) -> tuple[Transformer, TokenizerPair, SearchSettings]:
    """What is in a model folder, without the settings of PyTorch that `nmt.load` would make."""
    folder = open_model_folder(Path(path))
    model = Transformer(Architecture.from_json(folder.settings["architecture"]))
    load_weights(model, folder.file(WEIGHTS))
    return (
        model.requires_grad_(False),
        TokenizerPair.load(folder.path / TOKENIZER),
        SearchSettings.model_validate(folder.settings["search"]),
    )


def check_convertible(architecture: Architecture, *, post_norm: bool) -> None:
    """Raise UserError where a peer's model cannot compute the architecture's function."""
    wanted: dict[str, object] = {
        "norm": "layernorm",
        "positions": "sinusoidal",
        "activation": "relu",
        "tied_embeddings": "all",
        "decoder": "attention",
    }
    if post_norm:
        wanted["norm_position"] = "post"
    for name, value in wanted.items():
        if getattr(architecture, name) != value:
            raise UserError(f"its {name} is {getattr(architecture, name)}, not {value}")


def to_marian(model: Transformer) -> Any:
    """The same function as a Hugging Face MarianMTModel."""
    from transformers import MarianConfig, MarianMTModel

    architecture = model.architecture
    check_convertible(architecture, post_norm=True)
    marian: Any = MarianMTModel(
        MarianConfig(
            vocab_size=architecture.target_vocabulary_size,
            d_model=architecture.width,
            encoder_layers=architecture.encoder_layers,
            decoder_layers=architecture.decoder_layers,
            encoder_attention_heads=architecture.heads,
            decoder_attention_heads=architecture.heads,
            encoder_ffn_dim=architecture.feed_forward_width,
            decoder_ffn_dim=architecture.feed_forward_width,
            activation_function="relu",
            max_position_embeddings=architecture.max_positions,
            scale_embedding=True,
            pad_token_id=PAD_ID,
            bos_token_id=BOS_ID,
            eos_token_id=EOS_ID,
            decoder_start_token_id=BOS_ID,
            forced_eos_token_id=None,
        )
    )
    marian.eval()
    weights = {name: tensor.detach() for name, tensor in model.named_parameters()}
    table = model.output.detach()
    state = marian.state_dict()
    new = {name: torch.zeros_like(tensor) for name, tensor in state.items()}
    for name in new:
        if "embed_positions" in name:
            # Marian keeps sines and cosines in halves, we alternate: its table becomes ours.
            new[name] = sinusoids(architecture.max_positions, architecture.width)
        elif name.endswith(("shared.weight", "embed_tokens.weight", "lm_head.weight")):
            new[name] = table
    for side in ("encoder", "decoder"):
        for number in range(getattr(architecture, f"{side}_layers")):
            layer = _layer(weights, f"{side}.{number}.")
            prefix = f"model.{side}.layers.{number}."
            for name, tensor in _marian_layer(layer).items():
                assert new[prefix + name].shape == tensor.shape
                new[prefix + name] = tensor
    marian.load_state_dict(new)
    return marian


def _layer(weights: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in weights.items()
        if name.startswith(prefix)
    }


def _marian_layer(layer: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Our names and fused maps to Marian's."""
    names = {
        "self_attention.out": "self_attn.out_proj",
        "self_attention_norm": "self_attn_layer_norm",
        "cross_attention.q": "encoder_attn.q_proj",
        "cross_attention.out": "encoder_attn.out_proj",
        "cross_attention_norm": "encoder_attn_layer_norm",
        "feed_forward.inner": "fc1",
        "feed_forward.outer": "fc2",
        "feed_forward_norm": "final_layer_norm",
    }
    fused = {
        "self_attention.qkv": [f"self_attn.{part}_proj" for part in "qkv"],
        "cross_attention.kv": [f"encoder_attn.{part}_proj" for part in "kv"],
    }
    renamed = {}
    for name, tensor in layer.items():
        stem, _, kind = name.rpartition(".")
        if stem in fused:
            for part, value in zip(fused[stem], tensor.chunk(len(fused[stem])), strict=True):
                renamed[f"{part}.{kind}"] = value
        else:
            renamed[f"{names[stem]}.{kind}"] = tensor
    return renamed


def to_ctranslate2(model: Transformer, folder: Path) -> None:
    """The same function as a CTranslate2 model in ``folder``; its tokens are our ids as text."""
    from ctranslate2.specs import Activation, TransformerSpec

    architecture = model.architecture
    check_convertible(architecture, post_norm=False)
    pre_norm = architecture.norm_position == "pre"
    spec = TransformerSpec.from_config(
        (architecture.encoder_layers, architecture.decoder_layers),
        architecture.heads,
        pre_norm=pre_norm,
        activation=Activation.RELU,
    )
    weights = {name: tensor.detach().numpy() for name, tensor in model.named_parameters()}
    table = model.output.detach().numpy()
    positions = sinusoids(architecture.max_positions, architecture.width).numpy()
    for side, part in (("encoder", spec.encoder), ("decoder", spec.decoder)):
        embeddings = part.embeddings[0] if side == "encoder" else part.embeddings
        embeddings.weight = table
        part.scale_embeddings = True
        part.position_encodings.encodings = positions
        if pre_norm:
            _set_norm(part.layer_norm, weights, f"{side}_norm")
        for number, layer in enumerate(part.layer):
            prefix = f"{side}.{number}."
            _set_linear(layer.self_attention.linear[0], weights, f"{prefix}self_attention.qkv")
            _set_linear(layer.self_attention.linear[1], weights, f"{prefix}self_attention.out")
            _set_norm(layer.self_attention.layer_norm, weights, f"{prefix}self_attention_norm")
            if side == "decoder":
                for place, name in enumerate(("q", "kv", "out")):
                    name = f"{prefix}cross_attention.{name}"
                    _set_linear(layer.attention.linear[place], weights, name)
                _set_norm(layer.attention.layer_norm, weights, f"{prefix}cross_attention_norm")
            _set_linear(layer.ffn.linear_0, weights, f"{prefix}feed_forward.inner")
            _set_linear(layer.ffn.linear_1, weights, f"{prefix}feed_forward.outer")
            _set_norm(layer.ffn.layer_norm, weights, f"{prefix}feed_forward_norm")
    spec.decoder.projection.weight = table
    tokens = [str(piece) for piece in range(architecture.target_vocabulary_size)]
    spec.register_source_vocabulary(tokens)
    spec.register_target_vocabulary(tokens)
    spec.config.bos_token = spec.config.decoder_start_token = str(BOS_ID)
    spec.config.eos_token = str(EOS_ID)
    spec.config.unk_token = str(UNK_ID)
    spec.config.add_source_eos = True
    spec.validate()
    folder.mkdir()
    spec.save(str(folder))


def _set_linear(linear: Any, weights: dict[str, np.ndarray], name: str) -> None:
    linear.weight, linear.bias = weights[f"{name}.weight"], weights[f"{name}.bias"]


def _set_norm(norm: Any, weights: dict[str, np.ndarray], name: str) -> None:
    norm.gamma, norm.beta = weights[f"{name}.weight"], weights[f"{name}.bias"]


def ours(job: Job) -> tuple[Translate, tuple[int, ...]]:
    """`Translator.translate`, with the batches that it makes by itself."""
    translator = load(
        job.model, device="cpu", backend="native", precision=as_precision(job.precision)
    )

    def translate(lines: list[str], beam: int, batch: int) -> list[str]:
        found = translator.translate(lines, beam=beam, shortlist=job.shortlist)
        return [one.text for one in found]

    return translate, (0,)


def hugging_face(job: Job) -> tuple[Translate, tuple[int, ...]]:
    """``generate`` of MarianMTModel, sentences of like lengths together."""
    model, tokenizers, settings = read_model(job.model)
    marian = to_marian(model)

    @torch.inference_mode()
    def translate(lines: list[str], beam: int, batch: int) -> list[str]:
        rows = tokenizers.source.encode(lines)
        order = sorted(range(len(rows)), key=lambda i: -len(rows[i]))
        pieces: list[list[int]] = [[] for _ in rows]
        for start in range(0, len(order), batch):
            members = order[start : start + batch]
            longest = len(rows[members[0]])
            source = torch.tensor(
                [[*rows[i], EOS_ID, *[PAD_ID] * (longest - len(rows[i]))] for i in members]
            )
            outputs = marian.generate(
                input_ids=source,
                attention_mask=(source != PAD_ID).long(),
                num_beams=beam,
                do_sample=False,
                length_penalty=settings.length_penalty,
                max_new_tokens=int(settings.max_length_ratio * longest) + settings.max_length_extra,
                suppress_tokens=[PAD_ID, BOS_ID, UNK_ID],
            )
            for i, output in zip(members, outputs.tolist(), strict=True):
                pieces[i] = _until_end(output[1:])
        return tokenizers.target.decode(pieces)

    return translate, BATCHES


def _until_end(pieces: list[int]) -> list[int]:
    return pieces[: pieces.index(EOS_ID)] if EOS_ID in pieces else pieces


def ctranslate2(job: Job) -> tuple[Translate, tuple[int, ...]]:
    """CTranslate2's Translator on one thread."""
    from ctranslate2 import Translator

    model, tokenizers, settings = read_model(job.model)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "model"
        to_ctranslate2(model, folder)
        engine = Translator(
            str(folder), device="cpu", compute_type=job.precision, inter_threads=1,
            intra_threads=1,
        )  # fmt: skip

    def translate(lines: list[str], beam: int, batch: int) -> list[str]:
        rows = [[str(piece) for piece in row] for row in tokenizers.source.encode(lines)]
        found = engine.translate_batch(
            rows,
            beam_size=beam,
            max_batch_size=batch,
            length_penalty=settings.length_penalty,
            max_decoding_length=int(settings.max_length_ratio * max(map(len, rows)))
            + settings.max_length_extra,
            suppress_sequences=[
                [str(piece)] for piece in range(NUM_CONTROL_IDS) if piece != EOS_ID
            ],
        )
        return tokenizers.target.decode([[int(p) for p in one.hypotheses[0]] for one in found])

    return translate, BATCHES


def as_precision(name: str) -> Precision:
    """The precision of this name."""
    precision: Precision = "int8" if name == "int8" else "float32"
    assert precision == name
    return precision


CONTENDERS = {
    "nmt": ours,
    "Hugging Face generate": hugging_face,
    "CTranslate2": ctranslate2,
}


def measure(request: dict[str, Any]) -> dict[str, Any]:
    """Answer one request: find the quickest batch size, then time it ``repeats`` times."""
    job = Job(**request)
    if job.tuned:
        choose_matrix_library()
    translate, batches = CONTENDERS[job.contender](job)
    translate(job.lines[:TRIED_LINES], 1, batches[-1])
    greedy_batch, _ = _quickest(translate, job.lines[:TRIED_LINES], 1, batches)
    greedy = [_timed(translate, job.lines, 1, greedy_batch) for _ in range(job.repeats)]
    batch, tried = _quickest(translate, job.lines[:TRIED_LINES], job.beam, batches)
    timings = [_timed(translate, job.lines, job.beam, batch) for _ in range(job.repeats)]
    warmed_up = job.lines[: job.alone // 5]
    alone = [_timed(translate, [line], job.beam, 1) for line in warmed_up + job.lines[: job.alone]][
        len(warmed_up) :
    ]
    return {
        "batch": batch,
        "seconds_by_batch": tried,
        "cpu_seconds": [cpu for cpu, _, _ in timings],
        "wall_seconds": [wall for _, wall, _ in timings],
        "texts": timings[-1][2],
        "greedy_cpu_seconds": [cpu for cpu, _, _ in greedy],
        "greedy_texts": greedy[-1][2],
        "alone_wall_seconds": [wall for _, wall, _ in alone],
        "peak_memory_bytes": peak_memory(),
        "threads": torch.get_num_threads(),
        "cores": len(os.sched_getaffinity(0)),
    }


def _quickest(
    translate: Translate, lines: list[str], beam: int, batches: tuple[int, ...]
) -> tuple[int, dict[int, float]]:
    """The batch size that takes the least time for these lines, and what each takes."""
    translate(lines, beam, batches[0])
    tried = {batch: _timed(translate, lines, beam, batch)[0] for batch in batches}
    return min(tried, key=lambda batch: tried[batch]), tried


def _timed(
    translate: Translate, lines: list[str], beam: int, batch: int
) -> tuple[float, float, list[str]]:
    cpu, wall = time.process_time(), time.perf_counter()
    texts = translate(lines, beam, batch)
    return time.process_time() - cpu, time.perf_counter() - wall, texts


if __name__ == "__main__":
    answer_request(measure)
