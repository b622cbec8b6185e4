"""A decoder in ONNX Runtime, one step for many hypotheses at once.

Shapes: B sentences, S source positions, R rows (hypotheses), G sentences that have rows now, K
slots for the rows of each, V pieces; see `nmt.neural.export.onnx_format` for what the graphs take.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nmt.neural.backends.onnx_model import OnnxTransformer
from nmt.neural.search.rows import filled_up, rows_at_once
from nmt.tokenization.protocol import EOS_ID, PAD_ID


class OnnxSteps:
    """The decoder's state over a batch of source sentences; see `nmt.neural.search.steps.Steps`."""

    def __init__(self, model: OnnxTransformer, sources: Sequence[np.ndarray], *, beam: int) -> None:
        """Encode the sources.

        Args:
            model: the model.
            sources: pieces of each source sentence, without its end.
            beam: rows a sentence at most.
        """
        self._model = model
        self._beam = beam
        self._length_B = np.array([len(source) + 1 for source in sources], dtype=np.int64)
        self._memory = self._encode(sources)
        heads, width = model.architecture.heads, model.architecture.head_width
        attends = model.architecture.decoder == "attention"
        shape = (1, heads, 0, width) if attends else (1, heads * width)
        nothing = np.zeros(shape, dtype=model.decoder.dtype)
        self._caches: dict[str, Any] = {
            name.removeprefix("past_"): model.decoder.upload(nothing)
            for name in model.decoder.inputs
            if name.startswith("past_")
        }
        self._columns = 0
        self._step_R = self._begin_R = np.empty(0, dtype=np.int64)

    def _encode(self, sources: Sequence[np.ndarray]) -> dict[str, Any]:
        """Keys and values of all sources' memory, by layer."""
        longest, first = int(self._length_B.max()), 0
        memory: dict[str, np.ndarray] = {}
        positions = rows_at_once(torch.device("cpu"))
        while first < len(sources):
            count = max(1, positions // int(self._length_B[first:].max()))
            length_B = self._length_B[first : first + count]
            pieces_BS = np.full((len(length_B), length_B.max()), PAD_ID, dtype=np.int64)
            for row, source in enumerate(sources[first : first + count]):
                pieces_BS[row, : len(source)] = source
                pieces_BS[row, len(source)] = EOS_ID
            outputs = self._model.encoder.run(
                {"pieces": pieces_BS, "lengths": length_B}, {}, fetched=self._names()
            )
            for name, part in outputs.items():
                axis = 3 if "keys" in name else 2
                if name not in memory:
                    shape = [len(sources), *part.shape[1:]]
                    shape[axis] = longest
                    memory[name] = np.zeros(shape, dtype=part.dtype)
                end = part.shape[axis]
                of_part = memory[name][first : first + len(length_B)]
                (of_part[..., :end] if axis == 3 else of_part[..., :end, :])[:] = part
            first += len(length_B)
        return {name: self._model.decoder.upload(array) for name, array in memory.items()}

    def _names(self) -> set[str]:
        layers = range(self._model.architecture.decoder_layers)
        return {f"memory_{kind}_{number}" for number in layers for kind in ("keys", "values")}

    def advance(
        self,
        piece_R: np.ndarray,
        parent_R: np.ndarray,
        sentence_R: np.ndarray,
        *,
        weights: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Feed one piece to each row; see ``Steps.advance``."""
        rows = len(piece_R)
        row_R = filled_up(rows)
        parent_R = parent_R[row_R].astype(np.int64)
        goes_on_R = parent_R >= 0
        step_R = np.zeros(len(row_R), dtype=np.int64)
        begin_R = np.full(len(row_R), self._columns, dtype=np.int64)
        step_R[goes_on_R] = self._step_R[parent_R[goes_on_R]] + 1
        begin_R[goes_on_R] = self._begin_R[parent_R[goes_on_R]]
        drop = int(begin_R.min())
        sentence_G, row_GK, slot_R = self._slots(sentence_R)
        arrays = {
            "piece": piece_R[row_R].astype(np.int64),
            "step": step_R,
            "parent": np.maximum(parent_R, 0),
            "begin": begin_R - drop,
            "drop": np.array([drop]),
            "columns": np.array([self._columns + 1]),
            "sentence": sentence_G,
            "length": self._length_B[sentence_G],
            "row_of_slot": row_GK,
            "slot_of_row": slot_R[row_R],
        }
        kept = {f"past_{name}": cache for name, cache in self._caches.items()} | self._memory
        outputs = self._model.decoder.run(arrays, kept, fetched={"logits", "attention"})
        self._caches = {name: outputs[f"new_{name}"] for name in self._caches}
        self._columns += 1 - drop
        self._step_R, self._begin_R = step_R, begin_R - drop
        logits_RV = torch.from_numpy(outputs["logits"])[:rows]
        attention_RS = torch.from_numpy(outputs["attention"])[:rows] if weights else None
        return logits_RV, attention_RS

    def _slots(self, sentence_R: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Sentences that have rows, the row in each of their slots, the slot of each row.

        A slot that no row has holds the first row; nobody reads what comes of it.
        """
        sentence_G, group_R, counts_G = np.unique(
            sentence_R, return_inverse=True, return_counts=True
        )
        slots = max(self._beam, int(counts_G.max()))
        order_R = np.argsort(group_R, kind="stable")
        first_G = np.cumsum(counts_G) - counts_G
        slot_R = np.empty(len(sentence_R), dtype=np.int64)
        within_R = np.arange(len(sentence_R)) - first_G[group_R[order_R]]
        slot_R[order_R] = group_R[order_R] * slots + within_R
        row_GK = np.zeros(len(sentence_G) * slots, dtype=np.int64)
        row_GK[slot_R] = np.arange(len(sentence_R))
        return sentence_G.astype(np.int64), row_GK, slot_R
