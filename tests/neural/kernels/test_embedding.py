from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from nmt.neural.kernels.counter import CounterKey, key_words
from nmt.neural.kernels.dropout import DropoutKeys, dropout
from nmt.neural.kernels.embedding import embed, embed_reference, group_rows
from tests.neural.exactness import assert_kernel_as_exact, with_gradients

kernel = pytest.importorskip(
    "nmt.neural.kernels.embedding_triton", reason="needs Triton", exc_type=ImportError
)


@given(st.lists(st.integers(0, 6), max_size=30))
def test_groups_are_the_rows_of_each_piece_in_order(pieces: list[int]) -> None:
    groups = group_rows(torch.tensor(pieces, dtype=torch.int64), 7)
    order, offsets = groups.order_N.tolist(), groups.offsets_V.tolist()
    for piece in range(7):
        expected = [row for row, of in enumerate(pieces) if of == piece]
        assert order[offsets[piece] : offsets[piece + 1]] == expected


@pytest.mark.parametrize("positions", ["learned", "none"])
@pytest.mark.parametrize("rate", [0.0, 0.3])
@pytest.mark.parametrize(("rows", "width"), [(1, 8), (40, 40), (3, 300)])
def test_it_is_as_exact_as_pytorch(
    rows: int, width: int, rate: float, positions: str, device: str, dtype: torch.dtype
) -> None:
    pieces = torch.randint(0, 5, (rows,), device=device)
    pieces[rows // 2 :] = 3  # more rows than are visited at once
    places = torch.randint(0, 4, (rows,), device=device)
    key = CounterKey(key_words(2, 3, device), 4)
    tables = [torch.randn(6, width, dtype=torch.float64, device=device)]
    if positions == "learned":
        tables.append(torch.randn(4, width, dtype=torch.float64, device=device))
    groups = group_rows(pieces, 6)

    def of_kernel(table: Tensor, learned: Tensor | None = None) -> Tensor:
        out: Tensor = kernel.embed(pieces, places, table, learned, 3.0, rate, key, groups)
        return out

    def of_pytorch(table: Tensor, learned: Tensor | None = None) -> Tensor:
        return embed_reference(pieces, places, table, learned, 3.0, rate, key)

    d_out = torch.randn(rows, width, dtype=torch.float64, device=device)
    assert_kernel_as_exact(of_kernel, of_pytorch, tables, d_out, dtype)


def test_no_rows(device: str) -> None:
    none = torch.zeros(0, dtype=torch.int64, device=device)
    table = torch.randn(3, 8, device=device, requires_grad=True)
    out = kernel.embed(none, none, table, None, 1.0, 0.0, None, group_rows(none, 3))
    assert out.shape == (0, 8)
    (gradient,) = torch.autograd.grad(out.sum(), table)
    assert gradient.shape == table.shape
    assert not gradient.any()


def test_torch_compile_takes_it_whole(device: str) -> None:
    pieces = torch.tensor([1, 2, 1], device=device)
    places = torch.tensor([0, 1, 0], device=device)
    words = key_words(1, 2, device)

    def vectors(table: Tensor, learned: Tensor) -> Tensor:
        groups = group_rows(pieces, 3)
        out: Tensor = kernel.embed(
            pieces, places, table, learned, 2.0, 0.3, CounterKey(words, 1), groups
        )
        return out

    tables = [torch.randn(3, 8, device=device), torch.randn(2, 8, device=device)]
    d_out = torch.randn(3, 8, device=device)
    compiled = torch.compile(vectors, fullgraph=True, backend="aot_eager")
    expected = with_gradients(vectors, tables, d_out, torch.float32)
    given_ = with_gradients(compiled, tables, d_out, torch.float32)
    torch.testing.assert_close(given_, expected, rtol=0, atol=0)


def test_on_the_cpu_it_is_the_lookup_and_dropout() -> None:
    table, learned = torch.randn(5, 8), torch.randn(4, 8)
    pieces, places = torch.tensor([1, 4, 0]), torch.tensor([0, 1, 0])
    out = embed(pieces, places, table, learned, 2.0, 0.4, DropoutKeys(1))
    expected = F.embedding(pieces, table) * 2.0 + F.embedding(places, learned)
    assert torch.equal(out, dropout(expected, 0.4, DropoutKeys(1)))
