"""Ablation study of the preset "balanced".

Changes one setting at a time and evaluates on a validation set of 20 % of the training set of each
data set. The test sets of accuracy.py are not used. The data sets are the same as in accuracy.py.
GloVe vectors are used unless --scratch is given.

    python benchmarks/ablation.py --sets MR                              # half an hour
    python benchmarks/ablation.py --data sets --sets TREC SST-5 --seeds 2
"""

from __future__ import annotations

from typing import Any

from _common import format_table, machine
from _datasets import development, load
from accuracy import parser_of_sets, rows, run, vectors

from sklstm import make_text_classifier

VARIANTS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "no n-grams": {"ngrams": 0},
    "words beside the LSTM, no pairs": {"ngrams": 1},
    "triples as well": {"ngrams": 3},
    "one direction": {"bidirectional": False},
    "last output": {"pooling": "last"},
    "last, maximum and mean": {"pooling": "concat"},
    "attention": {"pooling": "attention"},
    "32 units": {"units": 32},
    "128 units": {"units": 128},
    "two layers": {"units": (64, 64)},
    "embedding dropout 0.3": {"embedding_dropout": 0.3},
    "embedding dropout 0.7": {"embedding_dropout": 0.7},
    "dropout 0.3 after the LSTM": {"dropout": 0.3},
    "no label smoothing": {"label_smoothing": 0.0},
    "constant learning rate 0.001": {"learning_rate_schedule": "constant", "learning_rate": 1e-3},
    "the same, weights averaged": {
        "learning_rate_schedule": "constant",
        "learning_rate": 1e-3,
        "average_weights": True,
    },
    "learning rate 0.0015": {"learning_rate": 0.0015},
    "3 epochs": {"epochs": 3},
    "12 epochs": {"epochs": 12},
    "10,000 words at most": {"max_tokens": 10_000},
    "frozen vectors": {"trainable_embeddings": False},
}


def main() -> None:
    parser = parser_of_sets(__doc__)
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--scratch", action="store_true", help="no pretrained vectors")
    options = parser.parse_args()
    for name, value in machine().items():
        print(f"{name + ':':13}{value}")
    for name in options.sets:
        dataset = development(load(name, options.data)).head(options.documents)
        measured = {}
        for variant in options.variants:
            measured[variant] = [
                run(model(VARIANTS[variant], options.scratch, seed), dataset)
                for seed in range(options.seeds)
            ]
            print(f"{name}, {variant}: {measured[variant]}", flush=True)
        print(f"\n{name}\n\n{format_table(rows(measured))}\n", flush=True)


def model(parameters: dict[str, Any], from_scratch: bool, seed: int) -> Any:
    given = None if from_scratch else vectors()
    return make_text_classifier("balanced", vectors=given, random_state=seed, **parameters)


if __name__ == "__main__":
    main()
