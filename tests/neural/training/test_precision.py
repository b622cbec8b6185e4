"""What becomes of a model to be trained in float8, where it is refused, and what it learns."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from nmt.errors import UserError
from nmt.neural.kernels.float8 import Float8Linear
from nmt.neural.model.architecture import Architecture, base, big, fast, small, tiny
from nmt.neural.model.transformer import Transformer
from nmt.neural.training.precision import adopt_precision, compute_type, refuse_precision
from nmt.neural.training.steps import UsualSteps
from nmt.recipe.neural import TrainingSettings
from nmt.recipe.recurrent import RecurrentSettings
from tests.neural.models import SMALL
from tests.neural.training.small_training import make_trainer, train

FLOAT8 = TrainingSettings(precision="float8")


def linear_layers(model: nn.Module) -> dict[str, type]:
    return {
        name: type(module)
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | Float8Linear)
    }


@pytest.mark.parametrize("preset", [fast, tiny, small, base, big])
def test_all_layers_of_our_presets_are_in_float8(preset: Callable[[], Architecture]) -> None:
    """And neither parameters, nor their names and order, nor the model's other parts change."""
    model = Transformer(
        replace(
            preset(), encoder_layers=1, decoder_layers=1, source_vocabulary_size=9,
            target_vocabulary_size=9,
        )
    )  # fmt: skip
    before = dict(model.named_parameters())
    layers = list(linear_layers(model))
    assert len(layers) == (10 if preset is fast else 11)
    assert adopt_precision(model, FLOAT8) == "emulated, slower than bfloat16"
    assert linear_layers(model) == dict.fromkeys(layers, Float8Linear)
    after = dict(model.named_parameters())
    assert list(after) == list(before)
    assert all(after[name] is before[name] for name in before)


def test_other_precisions_leave_a_model_as_it_is() -> None:
    for precision in ("float32", "bfloat16", "float16"):
        model = Transformer(SMALL)
        settings = TrainingSettings.model_validate({"precision": precision})
        assert adopt_precision(model, settings) is None
        assert set(linear_layers(model).values()) == {nn.Linear}
        assert compute_type(settings) == getattr(torch, precision)
    assert compute_type(FLOAT8) == torch.bfloat16


def test_layers_that_float8_cannot_take_are_named(tmp_path: Path) -> None:
    """Here the feed-forward, of width 24."""
    model = Transformer(SMALL)
    said = str(adopt_precision(model, FLOAT8))
    assert "emulated" in said
    assert "encoder.0.feed_forward.inner, encoder.0.feed_forward.outer and 6 more" in said
    layers = linear_layers(model)
    assert layers["encoder.0.feed_forward.inner"] is nn.Linear
    assert layers["decoder.1.cross_attention.kv"] is Float8Linear
    trainer = make_trainer(tmp_path, precision="float8")
    assert isinstance(trainer.steps, UsualSteps)
    words = trainer.steps.in_words()
    trainer.close()
    assert "float8 (emulated" in words
    assert "and 2 more" in words


@pytest.mark.parametrize(
    ("capability", "has"), [((8, 0), False), ((8, 6), False), ((8, 9), True), ((9, 0), True)]
)
def test_a_gpu_without_float8_is_refused(
    capability: tuple[int, int], has: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "A Board 100")
    refuse_precision(FLOAT8, torch.device("cpu"), "mine")
    refuse_precision(TrainingSettings(precision="bfloat16"), torch.device("cuda:1"), "mine")
    if has:
        refuse_precision(FLOAT8, torch.device("cuda:1"), "mine")
        return
    with pytest.raises(UserError, match="A Board 100 has no matrix units") as raised:
        refuse_precision(FLOAT8, torch.device("cuda:1"), "mine")
    assert raised.value.where == "systems.mine.training.precision"
    assert "bfloat16" in str(raised.value.mend)


def test_a_recurrent_system_is_refused() -> None:
    with pytest.raises(ValidationError, match="the products of an LSTM"):
        RecurrentSettings(training=FLOAT8)


def test_a_model_learns_in_float8_nearly_as_fast(tmp_path: Path) -> None:
    """To copy: in as many updates, nearly by as much; but by other numbers from the first on."""
    losses: dict[str, torch.Tensor] = {}
    for precision in ("float32", "bfloat16", "float8"):
        folder = tmp_path / precision
        folder.mkdir()
        trainer = make_trainer(
            folder, precision=precision, dropout=0.0, wide=True, max_updates=50, room=128,
            validate_every=100,
        )  # fmt: skip
        train(trainer)
        lines = (folder / "metrics.jsonl").read_text("utf-8").splitlines()
        records = [record for record in map(json.loads, lines) if record["kind"] == "training"]
        losses[precision] = torch.tensor([record["loss"] for record in records])
    exact = losses["float32"]
    assert exact[-5:].mean() < 0.55 * exact[0]
    torch.testing.assert_close(losses["bfloat16"][-5:].mean(), exact[-5:].mean(), rtol=0.01, atol=0)
    torch.testing.assert_close(losses["float8"][-5:].mean(), exact[-5:].mean(), rtol=0.05, atol=0)
    # The losses of the first update, by the same weights, differ by rounding alone: seen are
    # 0.0006 and 0.011.
    by_bfloat16, by_float8 = (
        float((losses[name][0] - exact[0]).abs()) for name in ("bfloat16", "float8")
    )
    assert by_float8 > 3 * by_bfloat16
