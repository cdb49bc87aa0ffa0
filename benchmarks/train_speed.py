"""Training throughput in documents per second.

Trains the network of common tutorials (5,000 words, at most 500 per text, an embedding of 32, an
LSTM with 100 units, one sigmoid: 213,301 weights; Adam, batch size 64) on IMDB film reviews, with
sklstm and with other packages. All systems get the same token ids. Each has its own process; they
run in turns. "First fit" includes imports, building, compilation and one epoch. The other columns
are for the epochs after the first.

    python benchmarks/train_speed.py                           # about ten minutes on two cores
    python benchmarks/train_speed.py --systems sklstm-jax keras-jax --documents 1000

With --growth it measures how the epoch time grows with the number of documents, their length, the
units and the vocabulary. Each is doubled three times while the others are fixed. The documents are
random, with a Zipf distribution of words, and all have the same length, so that no system benefits
from short documents.

    python benchmarks/train_speed.py --growth                  # about five minutes
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from statistics import median

import numpy as np
from _common import Report, options_parser, paired_ratio, reviews, spread, token_ids
from _peers import SKLSTM, SYSTEMS, Network, add_systems_option, installed, start
from _process import Turns

GROWTH_SYSTEMS = (SKLSTM, "keras-jax", "torch-sorted")
GROWTH_BASE = {"documents": 1_000, "tokens": 60, "units": 32, "vocabulary": 2_500}
DOUBLINGS = 3


def main() -> None:
    parser = options_parser(__doc__, documents=None, repeats=3)
    add_systems_option(parser, SYSTEMS)
    parser.add_argument(
        "--growth", action="store_true", help="measure the scaling of the epoch time"
    )
    parser.add_argument(
        "--limit", type=float, default=120, help="time limit of an epoch in seconds (120)"
    )
    options = parser.parse_args()
    report = Report(options)
    names = options.systems
    if options.growth:
        names = [name for name in names if name in GROWTH_SYSTEMS]
    turns = start(installed(names))
    try:
        (growth if options.growth else speed)(options, report, turns)
    finally:
        turns.stop()


def speed(options: argparse.Namespace, report: Report, turns: Turns) -> None:
    network = Network()
    documents = reviews(options.documents or 4_000)
    ids = token_ids(documents["text"], network.vocab_size)
    first = first_fits(turns, network, ids, documents["label"].to_numpy(), options.limit)
    seconds = turns.rounds(options.repeats, "train", limit=options.limit)
    per_second = {name: [len(ids) / s for s in taken] for name, taken in seconds.items()}
    report.table(
        f"Training on {len(ids):,} film reviews",
        [
            {"system": SYSTEMS[name].label}
            | spread(values, "documents/s")
            | {
                "ratio to sklstm (JAX)": paired_ratio(values, per_second.get(SKLSTM)),
                "first fit, s": first[name],
            }
            for name, values in per_second.items()
        ],
    )


def growth(options: argparse.Namespace, report: Report, turns: Turns) -> None:
    base = GROWTH_BASE | ({"documents": options.documents} if options.documents else {})
    measured: dict[tuple[int, ...], dict[str, float]] = {}
    for quantity, smallest in base.items():
        rows = []
        for doubling in range(DOUBLINGS + 1):
            setting = base | {quantity: smallest * 2**doubling}
            key = tuple(setting.values())
            if key not in measured:
                measured[key] = epoch_seconds(options, turns, setting)
            rows.append({quantity: setting[quantity]} | measured[key])
        report.table(
            f"Growth with {quantity} (base: {', '.join(f'{k} {v:,}' for k, v in base.items())})",
            growth_rows(quantity, rows, list(turns.workers)),
        )


def epoch_seconds(
    options: argparse.Namespace, turns: Turns, setting: dict[str, int]
) -> dict[str, float]:
    """Return the median epoch time of each system."""
    ids, y = random_documents(setting["documents"], setting["tokens"], setting["vocabulary"])
    network = replace(Network(), units=setting["units"], vocab_size=setting["vocabulary"])
    first_fits(turns, network, ids, y, options.limit)
    seconds = turns.rounds(options.repeats, "train", limit=options.limit)
    return {name: median(taken) for name, taken in seconds.items()}


def growth_rows(quantity: str, rows: list[dict], names: list[str]) -> list[dict]:
    """Add the ratio of each time to that of the previous row."""
    table = []
    for before, row in zip([{}, *rows], rows, strict=False):
        columns = {quantity: row[quantity]}
        for name in names:
            label = SYSTEMS[name].label
            columns[f"{label}: ms"] = 1e3 * row[name]
            columns[f"{label}: times"] = row[name] / before[name] if before else None
        table.append(columns)
    return table


def first_fits(
    turns: Turns, network: Network, ids: np.ndarray, y: np.ndarray, limit: float
) -> dict[str, float]:
    """Build the network of each system and train it for one epoch; return the seconds."""
    prepared = turns.each("prepare", network, ids, y)
    trained = turns.each("train", limit=limit)
    return {name: prepared[name][0] + trained[name][0] for name in trained}


def random_documents(n: int, tokens: int, vocabulary: int) -> tuple[np.ndarray, np.ndarray]:
    """Return random ids of documents of one length, with Zipf-distributed words, and labels."""
    rng = np.random.default_rng(0)
    weights = 1.0 / np.arange(1, vocabulary)
    ids = rng.choice(np.arange(1, vocabulary), (n, tokens), p=weights / weights.sum())
    return ids.astype(np.int32), np.arange(n) % 2


if __name__ == "__main__":
    main()
