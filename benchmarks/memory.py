"""Memory use of many small fits and of one large fit.

First table: two hundred classifiers of ten architectures, with varying seeds, numbers and lengths
of documents, are fitted and predict in one process. The memory of the process after 20, 40, ...
fits should be nearly constant. Second table: peak memory of a process that trains the network of
common tutorials (5,000 words, at most 500 per text, an LSTM with 100 units) for one epoch on IMDB
film reviews, with sklstm and with stock Keras, each in its own process. "Before" is the memory with
the data loaded, before the imports of the training code.

    python benchmarks/memory.py                                # about ten minutes
    python benchmarks/memory.py --fits 50 --documents 1000
"""

from __future__ import annotations

import gc
import sys
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from _common import TUTORIAL, Report, options_parser, reviews, sentences, token_ids
from _peers import SKLSTM, SYSTEMS, Network, add_systems_option, installed, rounds_afresh
from _process import Lost, run_afresh

MB = 2**20
ARCHITECTURES: tuple[dict[str, Any], ...] = (
    {"units": 16},
    {"units": 16, "bidirectional": True},
    {"units": 24, "pooling": "max"},
    {"units": (16, 16)},
    {"units": 16, "pooling": "concat", "dense_units": 8, "dropout": 0.2},
    {"units": 32, "optimizer": "rmsprop"},
    {"units": 16, "ngrams": 2, "embedding_weights": "auto"},
    {"units": 8, "pooling": "mean", "average_weights": True},
    {"units": 16, "mask_padding": False},
    {"units": 16, "embedding_dropout": 0.3, "input_dropout": 0.2, "early_stopping": True},
)


def main() -> None:
    parser = options_parser(__doc__, documents=4_000, repeats=1)
    add_systems_option(parser, (SKLSTM, "keras-jax", "keras-tensorflow"))
    parser.add_argument("--fits", type=int, default=200, help="fits of small classifiers (200)")
    parser.add_argument(
        "--limit", type=float, default=900, help="time limit of a process in seconds (900)"
    )
    options = parser.parse_args()
    report = Report(options)
    names = installed(options.systems)
    if SKLSTM in names:
        series_table(options.fits, options.limit, report)
    before: dict[str, list[float]] = {name: [] for name in names}
    peak: dict[str, list[float]] = {name: [] for name in names}
    for name, _, (held, most) in rounds_afresh(
        names,
        options.repeats,
        "memory:LargeFit",
        lambda name, _: (name, options.documents),
        options.limit,
    ):
        before[name].append(held / MB)
        peak[name].append(most / MB)
    reference = median(peak[SKLSTM]) if peak.get(SKLSTM) else None
    report.table(
        f"Peak memory of an epoch on {options.documents:,} film reviews",
        [
            {
                "system": SYSTEMS[name].label,
                "before, MB": median(before[name]),
                "peak, MB": median(peak[name]),
                "ratio to sklstm (JAX)": median(peak[name]) / reference if reference else None,
            }
            for name in names
            if peak[name]
        ],
    )


def series_table(fits: int, limit: float, report: Report) -> None:
    try:
        _, held = run_afresh(
            "memory:ManyFits", "run", fits, environment=SYSTEMS[SKLSTM].environment, limit=limit
        )
    except Lost as reason:
        print(f"{SYSTEMS[SKLSTM].label}, many fits: left out, {reason}", flush=True)
        return
    first = next(iter(held.values()))
    report.table(
        f"Memory held after many fits of {SYSTEMS[SKLSTM].label}",
        [
            {"fits": n, "held, MB": size / MB, "ratio to the first": size / first}
            for n, size in held.items()
        ],
    )


class ManyFits:
    """Small classifiers of several architectures, fitted one after the other."""

    def run(self, fits: int) -> dict[int, int]:
        """Return the memory use by number of fits."""
        from sklstm import LSTMTextClassifier, TextSequencer

        documents = sentences(1_000)
        y = documents["label"].to_numpy()
        rng = np.random.default_rng(0)
        held = {}
        for number in range(1, fits + 1):
            n, width = int(rng.integers(200, 500)), int(rng.integers(20, 60))
            ids = TextSequencer(max_tokens=2_000, max_len=width).fit_transform(
                documents["text"][:n]
            )
            LSTMTextClassifier(
                **TUTORIAL | ARCHITECTURES[number % len(ARCHITECTURES)],
                embedding_dim=16,
                epochs=1,
                random_state=number,
            ).fit(ids, y[:n]).predict(ids)
            if number % max(1, fits // 10) == 0:
                gc.collect()
                held[number] = memory_held()
        return held


class LargeFit:
    """One epoch of one system."""

    def run(self, name: str, documents: int) -> tuple[int, int]:
        """Return the memory use before and the peak."""
        frame = reviews(documents)
        network = Network()
        ids = token_ids(frame["text"], network.vocab_size)
        y = frame["label"].to_numpy()
        del frame
        gc.collect()
        before = memory_held()
        forget_peak()
        module, _, kind = SYSTEMS[name].kind.partition(":")
        peer = getattr(import_module(module), kind)()
        peer.prepare(network, ids, y)
        peer.train()
        return before, most_memory_held()


def memory_held() -> int:
    """Return the current memory use of this process in bytes."""
    try:
        import psutil
    except ImportError:
        return _status("VmRSS")
    return psutil.Process().memory_info().rss


def most_memory_held() -> int:
    """Return the peak memory use of this process in bytes."""
    if Path("/proc/self/status").exists():
        # Not ru_maxrss, whose initial value is that of the parent.
        return _status("VmHWM")
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def forget_peak() -> None:
    """Reset the peak where the system supports it, to exclude reading the texts."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        print("the peak includes the reading of the texts", file=sys.stderr)


def _status(name: str) -> int:
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"the system does not tell {name}; pip install psutil")


if __name__ == "__main__":
    main()
