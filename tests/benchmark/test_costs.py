"""What a system takes to use, by its folder alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from nmt.benchmark.costs import describe_system
from nmt.model_folder import write_model_folder


@pytest.mark.parametrize(
    ("folders", "expected"), [((".",), 14), (("members/a", "members/b"), 28), ((), None)]
)
def test_parameters_are_weights_and_nothing_else(
    tmp_path: Path, folders: tuple[str, ...], expected: int | None
) -> None:
    """A shortlist is numbers in the same format, and none of the network's."""

    def fill(staging: Path) -> None:
        (staging / "tokenizer.json").write_text("{}", encoding="utf-8")
        for folder in folders:
            (staging / folder).mkdir(parents=True, exist_ok=True)
            weights = {"a": np.zeros((3, 4), np.float32), "b": np.zeros(2, np.float32)}
            save_file(weights, staging / folder / "model.safetensors")
            save_file({"rows": np.zeros(100, np.int32)}, staging / folder / "shortlist.safetensors")

    model = write_model_folder(
        tmp_path / "model",
        kind="transformer",
        source_language="en",
        target_language="de",
        settings={},
        training={},
        fill=fill,
    )
    cost = describe_system("small", model, speed=None).cost
    assert cost.parameters == expected
    assert cost.model_bytes == sum(facts.size for facts in model.files.values())
