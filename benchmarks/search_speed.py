"""Time of a grid search with sklstm and with scikeras.

Runs `GridSearchCV` with 4 candidates (2 learning rates x 2 numbers of units) and 3 folds plus the
final fit: 13 fits of 2 epochs each on 5,000 short messages of at most 40 words. Compares sklstm
with `KerasClassifier` of scikeras on the same network, grid and folds. Each search has its own
process. Its time includes imports, compilation, training and scoring. The messages are sentences of
film reviews, or with --data a CSV file with columns text and label, or a folder with such a
train.csv. The labels must be binary.

    python benchmarks/search_speed.py                          # about three minutes
    python benchmarks/search_speed.py --data sms/train.csv --documents 5000
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from _common import (
    TUTORIAL,
    Report,
    messages,
    options_parser,
    paired_ratio,
    sentences,
    spread,
    token_ids,
)
from _peers import SKLSTM, SYSTEMS, Network, add_systems_option, installed, rounds_afresh

GRID = {"learning_rate": [0.001, 0.003], "units": [32, 64]}
FOLDS = 3
N_FITS = len(GRID["learning_rate"]) * len(GRID["units"]) * FOLDS + 1


def main() -> None:
    parser = options_parser(__doc__, documents=5_000, repeats=3)
    add_systems_option(parser, [SKLSTM, "scikeras"])
    parser.add_argument("--data", type=Path, help="CSV file, or folder with train.csv")
    parser.add_argument("--epochs", type=int, default=2, help="epochs of each fit (2)")
    parser.add_argument(
        "--limit", type=float, default=900, help="time limit of a search in seconds (900)"
    )
    options = parser.parse_args()
    report = Report(options)
    documents = (
        messages(options.data, options.documents) if options.data else sentences(options.documents)
    )
    ids = token_ids(documents["text"], max_len=40)
    y = np.unique(documents["label"], return_inverse=True)[1]
    seconds: dict[str, list[float]] = {}
    scores: dict[str, float] = {}
    for name, taken, score in rounds_afresh(
        installed(options.systems),
        options.repeats,
        "search_speed:Search",
        lambda name, _: (name, ids, y, options.epochs),
        options.limit,
    ):
        seconds.setdefault(name, []).append(taken)
        scores[name] = score
    report.table(
        f"GridSearchCV on {len(ids):,} messages: {N_FITS} fits of {options.epochs} epochs",
        [
            {"system": SYSTEMS[name].label}
            | spread(taken, "seconds")
            | {
                "fits": N_FITS,
                "ratio to sklstm (JAX)": paired_ratio(taken, seconds.get(SKLSTM)),
                "best accuracy": f"{scores[name]:.3f}",
            }
            for name, taken in seconds.items()
        ],
    )


class Search:
    """One search, in its own process."""

    def run(self, name: str, ids: np.ndarray, y: np.ndarray, epochs: int) -> float:
        from sklearn.model_selection import GridSearchCV, StratifiedKFold

        estimator, grid = (sklstm_search if name == SKLSTM else scikeras_search)(epochs)
        # scikit-learn does not recognize scikeras as a classifier; pass folds and score explicitly.
        search = GridSearchCV(
            estimator, grid, cv=StratifiedKFold(FOLDS), scoring="accuracy", error_score="raise"
        )
        return float(search.fit(ids, y).best_score_)


def sklstm_search(epochs: int) -> tuple[Any, dict[str, list]]:
    from sklstm import LSTMTextClassifier

    network = Network()
    classifier = LSTMTextClassifier(
        **TUTORIAL,
        embedding_dim=network.embedding_dim,
        vocab_size=network.vocab_size,
        batch_size=network.batch_size,
        # Plain Adam, as in scikeras.
        clipnorm=None,
        epochs=epochs,
        random_state=0,
    )
    return classifier, GRID


def scikeras_search(epochs: int) -> tuple[Any, dict[str, list]]:
    from _peers_keras import build_searched_model
    from scikeras.wrappers import KerasClassifier

    classifier = KerasClassifier(
        model=build_searched_model,
        model__learning_rate=0.001,
        model__units=32,
        batch_size=Network().batch_size,
        epochs=epochs,
        random_state=0,
        verbose=0,
    )
    return classifier, {f"model__{name}": values for name, values in GRID.items()}


if __name__ == "__main__":
    main()
