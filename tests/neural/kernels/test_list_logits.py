from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from nmt.neural.kernels.list_logits import list_logits, list_logits_reference
from tests.neural.exactness import assert_as_exact


def lists_of(lengths: list[int], vocabulary: int, seed: int = 0) -> tuple[Tensor, np.ndarray]:
    """Lists of these lengths end to end, and their bounds."""
    random = np.random.default_rng(seed)
    lists = [np.sort(random.choice(vocabulary, length, replace=False)) for length in lengths]
    return torch.from_numpy(np.concatenate(lists).astype(np.int32)), np.cumsum([0, *lengths])


@pytest.mark.parametrize("function", [list_logits, list_logits_reference])
@pytest.mark.parametrize("width", [1, 16, 37])
def test_logits_of_the_listed_pieces_only(function: object, width: int) -> None:
    assert callable(function)
    lengths, sentence_R = [1, 4, 5, 63, 66], np.array([0, 1, 1, 1, 2, 3, 3, 4, 0])
    pieces, bounds = lists_of(lengths, 70)
    begin, end = (torch.from_numpy(x[sentence_R]) for x in (bounds[:-1], bounds[1:]))
    hidden, weight = torch.randn(9, width), torch.randn(70, width)
    found = function(hidden, weight, pieces, begin, end)
    assert found.shape == (9, 128)
    for row, sentence in enumerate(sentence_R):
        listed = pieces[bounds[sentence] : bounds[sentence + 1]].long()
        exact = weight[listed].double() @ hidden[row].double()
        assert_as_exact(found[row, : len(listed)], weight[listed] @ hidden[row], exact)
        assert bool((found[row, len(listed) :] == -torch.inf).all())


def test_a_row_does_not_depend_on_the_others() -> None:
    lengths = [130, 3, 64, 65]
    pieces, bounds = lists_of(lengths, 200)
    sentence_R = np.repeat(np.arange(4), [3, 1, 5, 2])
    hidden, weight = torch.randn(11, 48), torch.randn(200, 48)
    begin, end = (torch.from_numpy(x[sentence_R]) for x in (bounds[:-1], bounds[1:]))
    together = list_logits(hidden, weight, pieces, begin, end)
    for row, sentence in enumerate(sentence_R):
        one = slice(row, row + 1)
        alone = list_logits(hidden[one], weight, pieces, begin[one], end[one])
        length = lengths[sentence]
        assert torch.equal(alone[0, :length], together[row, :length])
