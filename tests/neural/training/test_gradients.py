"""The gradient of an update is one sum, however it is divided among batches and workers."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from nmt.neural.kernels.dropout import DropoutKeys
from nmt.neural.model.architecture import Architecture
from nmt.neural.model.transformer import Transformer
from nmt.neural.packed import pack_batch
from nmt.neural.training.batches import Position, Update
from nmt.neural.training.cores import Cores
from nmt.neural.training.gradients import GradientWorkers
from nmt.neural.training.optimizer import FlatParameters
from nmt.recipe.neural import TrainingSettings
from nmt.tokenization.protocol import PAD_ID

VOCABULARY = 50


def make_model(dtype: torch.dtype = torch.float64, **sizes: Any) -> Transformer:
    """A tiny model without dropout unless asked for."""
    torch.manual_seed(1)
    values: dict[str, Any] = {
        "encoder_layers": 1, "decoder_layers": 1, "width": 16, "feed_forward_width": 24, "heads": 2,
        "dropout": 0.0, "embedding_dropout": 0.0, "max_positions": 64,
        "source_vocabulary_size": VOCABULARY, "target_vocabulary_size": VOCABULARY,
    }  # fmt: skip
    return Transformer(Architecture(**(values | sizes))).to(dtype)


def make_pairs(count: int = 32) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Sentences of random pieces and lengths, empty ones among them."""
    rng = np.random.default_rng(1)
    source, target = (
        [rng.integers(4, VOCABULARY, length) for length in rng.integers(0, 12, count)]
        for _ in range(2)
    )
    return source, target


def make_update(sizes: list[int], room: int = 0) -> Update:
    """The pairs cut into micro-batches of so many, each with some padding."""
    source, target = make_pairs(sum(sizes))
    bounds = np.cumsum([0, *sizes])
    batches = []
    for begin, end in itertools.pairwise(bounds):
        part = slice(begin, end)
        rooms = [sum(len(row) + 1 for row in rows[part]) + room for rows in (source, target)]
        batches.append(pack_batch(source[part], target[part], *rooms))
    pieces = sum(batch.num_target_pieces for batch in batches)
    return Update(
        batches, range(len(batches)), pieces, 0, 0, np.arange(len(source)), Position(), 0.0
    )


def computed(
    update: Update, *, workers: int = 1, model: Transformer | None = None, **settings: Any
) -> tuple[float, float, Tensor]:
    """Loss, negative log-likelihood and gradient."""
    model = model or make_model()
    flat = FlatParameters(model)
    chosen = TrainingSettings.model_validate({"max_updates": 1, "label_smoothing": 0.1, **settings})
    cores = Cores(workers)
    computing = GradientWorkers(model, flat, chosen, cores)
    try:
        sums = computing.accumulate(update, 1)
    finally:
        cores.close()
    return float(sums.loss), float(sums.nll), flat.gradients


def assert_same(
    one: tuple[float, float, Tensor], other: tuple[float, float, Tensor], tolerance: float = 1e-12
) -> None:
    """Equal but for the order of sums."""
    assert one[0] == pytest.approx(other[0], rel=tolerance)
    assert one[1] == pytest.approx(other[1], rel=tolerance)
    assert float((one[2] - other[2]).norm()) <= tolerance * float(other[2].norm())


@pytest.mark.parametrize("sizes", [[1] * 32, [5, 20, 7], [31, 1]])
@pytest.mark.parametrize("room", [0, 9])
def test_one_batch_of_32_is_many_smaller_ones(sizes: list[int], room: int) -> None:
    """Loss and gradient are sums, and padding adds nothing."""
    assert_same(computed(make_update(sizes, room)), computed(make_update([32])))


@pytest.mark.parametrize("workers", [2, 3, 5])
def test_workers_only_share_the_work(workers: int) -> None:
    """Also when there are more of them than micro-batches."""
    sizes = [8, 8, 8, 8]
    assert_same(computed(make_update(sizes), workers=workers), computed(make_update(sizes)))


@pytest.mark.parametrize("r_drop", [0.0, 3.0])
def test_workers_draw_the_same_masks(r_drop: float) -> None:
    """Dropout belongs to the micro-batch, not to the worker or the order of work."""
    found = [
        computed(
            make_update([8, 8, 8, 8]), workers=workers, r_drop=r_drop,
            model=make_model(dropout=0.3, attention_dropout=0.2, encoder_layer_drop=0.3),
        )
        for workers in (1, 2, 4)
    ]  # fmt: skip
    for one in found[1:]:
        assert_same(one, found[0])
    without = computed(make_update([8, 8, 8, 8]))
    assert abs(found[0][0] - without[0]) > 1e-3


def test_updates_and_seeds_have_masks_of_their_own() -> None:
    """The same at the same number and seed, another at any other."""
    model = make_model(dropout=0.5)
    flat = FlatParameters(model)
    losses = []
    for seed, number in ((1, 1), (1, 2), (2, 1), (1, 1)):
        settings = TrainingSettings(max_updates=9, seed=seed)
        cores = Cores(1)
        workers = GradientWorkers(model, flat, settings, cores)
        losses.append(float(workers.accumulate(make_update([4]), number).loss))
        cores.close()
    assert losses[0] == losses[3]
    assert len(set(losses)) == 3


def test_gradients_add_up_over_calls() -> None:
    """Until they are cleared by the optimiser."""
    model = make_model()
    flat = FlatParameters(model)
    cores = Cores(2)
    workers = GradientWorkers(model, flat, TrainingSettings(max_updates=1), cores)
    update = make_update([4, 4])
    workers.accumulate(update, 1)
    once = flat.gradients.clone()
    workers.accumulate(update, 1)
    torch.testing.assert_close(flat.gradients, 2 * once)
    cores.close()


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.4])
def test_loss_is_pytorchs(smoothing: float) -> None:
    """Label smoothing as ``torch.nn.functional.cross_entropy`` has it, gradient included."""
    model = make_model()
    update = make_update([16], room=5)
    (batch,) = update.micro_batches
    logits = F.linear(model(batch), model.output)
    expected = F.cross_entropy(
        logits, batch.labels_T, ignore_index=PAD_ID, reduction="sum", label_smoothing=smoothing
    )
    plain = F.cross_entropy(logits, batch.labels_T, ignore_index=PAD_ID, reduction="sum")
    torch.autograd.backward(expected)
    gradients = {name: p.grad for name, p in model.named_parameters()}
    loss, nll, flat = computed(update, model=copy.deepcopy(model), label_smoothing=smoothing)
    assert loss == pytest.approx(float(expected.detach()), rel=1e-12)
    assert nll == pytest.approx(float(plain.detach()), rel=1e-12)
    views = FlatParameters(make_model()).views(flat)
    for name, gradient in gradients.items():
        assert gradient is not None
        torch.testing.assert_close(views[name], gradient, rtol=1e-10, atol=1e-12)


def reference_r_drop(model: Transformer, update: Update, weight: float, smoothing: float) -> Tensor:
    """Liang et al. (2021), equation 4, over two passes; each piece counts once."""
    (batch,) = update.micro_batches
    keys = DropoutKeys(1, 1, 0)
    mask = batch.labels_T != PAD_ID
    passes = [
        F.log_softmax(F.linear(model(batch, keys), model.output), dim=-1)[mask] for _ in range(2)
    ]
    labels = batch.labels_T[mask]
    nll = sum(
        F.cross_entropy(logp, labels, reduction="sum", label_smoothing=smoothing) for logp in passes
    )
    p, q = passes
    kl = F.kl_div(q, p, log_target=True, reduction="sum") + F.kl_div(
        p, q, log_target=True, reduction="sum"
    )
    return (nll + weight * kl / 2) / 2


@pytest.mark.parametrize("weight", [0.5, 5.0])
def test_r_drop_is_the_papers(weight: float) -> None:
    """Loss and gradient, by PyTorch's own divergences."""
    model = make_model(dropout=0.3)
    update = make_update([16], room=5)
    expected = reference_r_drop(model, update, weight, 0.1)
    torch.autograd.backward(expected)
    gradients = {name: p.grad for name, p in model.named_parameters()}
    loss, _, flat = computed(update, model=copy.deepcopy(model), r_drop=weight)
    assert loss == pytest.approx(float(expected.detach()), rel=1e-10)
    views = FlatParameters(make_model()).views(flat)
    for name, gradient in gradients.items():
        torch.testing.assert_close(views[name], gradient, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("precision", ["bfloat16", "float16", "float8"])
@pytest.mark.parametrize("r_drop", [0.0, 2.0])
def test_half_precision_is_near_float32(precision: str, r_drop: float) -> None:
    """Autocast runs on the processor, too; weights and gradients stay in float32.

    Some layers here have shapes for float8, others stay in bfloat16.
    """
    update = make_update([16, 16])

    def found(precision: str) -> tuple[float, float, Tensor]:
        model = make_model(torch.float32, dropout=0.2)
        return computed(update, model=model, workers=2, precision=precision, r_drop=r_drop)

    half, single = found(precision), found("float32")
    assert half[2].dtype == torch.float32
    assert half[0] == pytest.approx(single[0], rel=0.02)
    assert float(F.cosine_similarity(half[2], single[2], dim=0)) > 0.98
    assert not torch.equal(half[2], single[2])


def test_the_loss_scale_is_on_the_gradient_only() -> None:
    """What is reported is the loss itself."""
    model = make_model()
    flat = FlatParameters(model)
    cores = Cores(1)
    workers = GradientWorkers(model, flat, TrainingSettings(max_updates=1), cores)
    losses = []
    for scale in (1.0, 4.0):
        flat.gradients.zero_()
        losses.append(float(workers.accumulate(make_update([4]), 1, scale).loss))
        if scale == 1.0:
            once = flat.gradients.clone()
    torch.testing.assert_close(flat.gradients, 4 * once)
    assert losses[0] == losses[1]
    cores.close()


def test_errors_of_workers_reach_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not lost in a thread."""

    def fail(*_: object) -> None:
        raise MemoryError("no more")

    model = make_model()
    cores = Cores(2)
    workers = GradientWorkers(model, FlatParameters(model), TrainingSettings(max_updates=1), cores)
    failing: Callable[..., None] = fail
    monkeypatch.setattr(workers, "_micro_batch", failing)
    with pytest.raises(MemoryError, match="no more"):
        workers.accumulate(make_update([2, 2]), 1)
    cores.close()
