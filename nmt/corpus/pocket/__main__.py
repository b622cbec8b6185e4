"""Show generated pairs: ``python -m nmt.corpus.pocket --split test --pairs 20 --seed 1``."""

from __future__ import annotations

import argparse
from itertools import islice

from nmt.corpus.pocket.splits import held_out_pairs, training_pairs


def main() -> None:
    """Print pairs of a set, each with the construction it was made by."""
    parser = argparse.ArgumentParser(prog="python -m nmt.corpus.pocket", description=main.__doc__)
    splits = ("train", "valid", "test", "test-deeper")
    parser.add_argument("--split", choices=splits, default="train", help="which set")
    parser.add_argument("--pairs", type=int, default=20, help="how many of its first pairs")
    parser.add_argument("--seed", type=int, default=1, help="another seed, another corpus")
    arguments = parser.parse_args()
    if arguments.split == "train":
        pairs = training_pairs(arguments.seed, arguments.pairs)
    else:
        pairs = islice(held_out_pairs(arguments.seed)[arguments.split], arguments.pairs)
    for pair in pairs:
        print(f"{pair.english}\n{pair.german}\n  ({pair.construction}, depth {pair.depth})")


if __name__ == "__main__":
    main()
