from __future__ import annotations

import pytest
import torch

from nmt.errors import UserError
from nmt.neural.inference import prepare_inference
from nmt.neural.search.beam import beam_search
from nmt.recipe.neural import SearchSettings
from tests.neural.models import make_model, make_recurrent, random_rows

CPU, GPU = torch.device("cpu"), torch.device("cuda")

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")


@pytest.mark.parametrize("precision", ["bfloat16", "float16", "int16"])
def test_half_types_are_for_gpus(precision: str) -> None:
    with pytest.raises(UserError, match=f"does not compute in {precision} on cpu") as error:
        prepare_inference(make_model(), CPU, precision, where="runs/model")
    assert "runs/model" in str(error.value)
    assert "--precision" in str(error.value)


def test_int8_is_for_processors() -> None:
    with pytest.raises(UserError, match="does not compute in int8 on cuda"):
        prepare_inference(make_model(), GPU, "int8", where="runs/model")


def test_bfloat16_is_for_gpus_that_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Tesla T4")
    with pytest.raises(UserError, match=r"Tesla T4 has no .* bfloat16") as error:
        prepare_inference(make_model(), GPU, "bfloat16", where="runs/model")
    assert "float16" in str(error.value)


@pytest.mark.parametrize("precision", [None, "float32"])
def test_on_the_processor_weights_stay_and_steps_have_any_shape(precision: str | None) -> None:
    model = make_model()
    before = {name: tensor.clone() for name, tensor in model.named_parameters()}
    assert prepare_inference(model, CPU, precision, where="") is model
    after = dict(model.named_parameters())
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert model.step_graphs is None


@needs_gpu
@pytest.mark.parametrize("precision", [None, "bfloat16", "float16"])
def test_models_translate_on_a_gpu(precision: str | None) -> None:
    sources = random_rows([3, 9, 1])
    for make in (make_model, make_recurrent):
        expected = beam_search(make(sharpness=3.0), sources, SearchSettings())
        model = prepare_inference(make(sharpness=3.0), GPU, precision, where="")
        found = beam_search(model, sources, SearchSettings())
        for (one,), (other,) in zip(found, expected, strict=True):
            assert one.score == pytest.approx(other.score, rel=0.1, abs=0.1)
