"""What is said of the results, and which sentences are shown."""

from __future__ import annotations

import random

import pytest

from nmt.benchmark.findings import choose_examples, example_lines, findings
from nmt.benchmark.results import Sentence
from tests.benchmark.made_up import results, step

KINDS = {"phrases": "phrase-based", "lstm": "recurrent", "best": "transformer"}


def test_steps_and_jumps_are_told_with_their_p() -> None:
    found = results(
        {"phrases": 30.0, "lstm": 33.0, "best": 38.5}, KINDS,
        steps=[step("phrases", "lstm", 3.0, 0.01), step("lstm", "best", 5.5, 0.0001)],
        jumps=[step("phrases", "best", 8.5, 0.0001)],
    )  # fmt: skip
    assert findings(found) == [
        "test: lstm beats phrases by 3.00 BLEU (p = 0.0100)",
        "test: best beats lstm by 5.50 BLEU (p = 0.0001)",
        "test: best beats phrases by 8.50 BLEU (p = 0.0001)",
    ]


@pytest.mark.parametrize(
    ("p", "words"),
    [
        (0.049, ["falls behind", "STATISTICAL WINS"]),
        (0.05, ["NOT SIGNIFICANT", "is ahead, though"]),
    ],
)
def test_a_loss_of_the_network_is_told_plainly(p: float, words: list[str]) -> None:
    found = results(
        {"phrases": 30.0, "best": 29.0}, KINDS, steps=[step("phrases", "best", -1.0, p)]
    )
    said = findings(found)
    assert len(said) == len(words)
    for sentence, word in zip(said, words, strict=True):
        assert word in sentence
        assert f"p = {p:.4f}" in sentence


def test_a_win_that_no_test_covers_says_so() -> None:
    kinds = {"words": "word-by-word", **KINDS}
    found = results({"words": 20.0, "phrases": 30.0, "lstm": 10.0}, kinds)
    said = findings(found)
    assert len(said) == 2
    assert all("not tested" in sentence for sentence in said)


def sentence(number: int, num_words: int, gain: float) -> Sentence:
    """One whose chrF rises by so much from the phrases to the best, and falls in between."""
    return Sentence(
        source=" ".join([f"s{number}"] * num_words),
        reference="r",
        outputs=dict.fromkeys(KINDS, "o"),
        chrf={"phrases": 40.0, "lstm": 0.0, "best": 40.0 + gain},
        explanations={},
    )


def test_examples_are_of_ordinary_length_and_rise_most() -> None:
    """Against a plain count of what is better."""
    rng = random.Random(5)
    all_of_them = [sentence(n, rng.randint(1, 30), rng.uniform(-40, 40)) for n in range(200)]
    found = results(dict.fromkeys(KINDS, 1.0), KINDS, sentences=all_of_them)
    examples = choose_examples(found)
    assert examples is not None
    assert (examples.before, examples.after) == ("phrases", "best")
    lengths = sorted(len(one.source.split()) for one in all_of_them)
    assert len(examples.sentences) == 3
    for chosen in examples.sentences:
        num_words = len(chosen.source.split())
        assert lengths[48] <= num_words <= lengths[151]
        better = [
            one
            for one in all_of_them
            if one.chrf["best"] > chosen.chrf["best"]
            and lengths[52] <= len(one.source.split()) <= lengths[147]
        ]
        assert len(better) < 3
    assert "chosen for contrast" in examples.rule
    lines = example_lines(examples)
    assert sum(line.startswith("source ") for line in lines) == 3
    assert sum(line.startswith("phrases ") for line in lines) == 3


def test_no_example_where_nothing_rises() -> None:
    fallen = [sentence(number, 5, -1.0) for number in range(9)]
    examples = choose_examples(results(dict.fromkeys(KINDS, 1.0), KINDS, sentences=fallen))
    assert examples is not None
    assert examples.sentences == ()
    assert choose_examples(results({"best": 1.0}, KINDS)) is None
