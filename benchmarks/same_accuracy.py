"""Effect of length-bucketed batches and fast kernels on accuracy.

Trains one network in four ways, each with several seeds: sklstm, whose batches consist of two
length buckets; the same with batches of a single length; the same with randomly shuffled
batches; and stock Keras layers in the Keras training step. Prints mean, standard deviation and
minimum of the test accuracy. If the means differ by less than about one standard deviation, the
optimizations do not reduce the accuracy. The documents are IMDB film reviews, or with --data a CSV
file with columns text and label, or a folder with such a train.csv.

    python benchmarks/same_accuracy.py                                # about twenty minutes
    python benchmarks/same_accuracy.py --data sms.csv --documents 5000 --repeats 20 \
        --units 64 --max-len 40 --pooling last --learning-rate 0.003 --epochs 2
    python benchmarks/same_accuracy.py --documents 1000 --repeats 2   # to see that it works
"""

from __future__ import annotations

from pathlib import Path
from statistics import mean, stdev
from unittest.mock import patch

import numpy as np
from _common import TUTORIAL, Report, messages, options_parser, reviews, token_ids
from sklearn.model_selection import train_test_split

from sklstm import LSTMTextClassifier
from sklstm._network.network import Network
from sklstm._runtime import keras


def plainly_shuffled(lengths, batch_size, rng):
    """Assign documents to batches of two buckets at random, regardless of their lengths."""
    batches = np.array_split(rng.permutation(len(lengths)), -(-len(lengths) // batch_size))
    return [np.array_split(batch, 2) for batch in batches]


def ways_of_training():
    """Return the parts of the package that each way of training replaces."""
    return {
        "sklstm": [],
        "sklstm, one length a batch": [patch("sklstm._training.batches._BUCKETS_PER_BATCH", 1)],
        "sklstm, plain shuffling": [
            patch("sklstm._training.batches.shuffled_batches", plainly_shuffled)
        ],
        "stock Keras layers and step": [
            patch("sklstm._network.build.FastLSTM", keras.layers.LSTM),
            patch("sklstm._network.pool._network_class", lambda: Network),
            patch("sklstm._network.pool._idle", []),
        ],
    }


def main():
    parser = options_parser(__doc__, documents=8_000, repeats=5)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--data", type=Path, help="CSV file, or folder with train.csv")
    parser.add_argument("--max-len", type=int, default=300, help="words of a document (300)")
    parser.add_argument("--units", type=int, default=100)
    parser.add_argument("--pooling", default="mean")
    parser.add_argument("--learning-rate", type=float, default=0.001)
    options = parser.parse_args()
    report = Report(options)
    n = options.documents
    documents = messages(options.data, n) if options.data else reviews(n)
    labels = documents["label"].to_numpy()
    ids = token_ids(documents["text"], max_len=options.max_len)
    accuracies = {name: [] for name in ways_of_training()}
    for seed in range(options.repeats):
        train, test, y_train, y_test = train_test_split(
            ids, labels, test_size=0.25, stratify=labels, random_state=seed
        )
        for name, patches in ways_of_training().items():
            for replaced in patches:
                replaced.start()
            given = {"pooling": options.pooling, "learning_rate": options.learning_rate}
            classifier = LSTMTextClassifier(
                **TUTORIAL | given,
                units=options.units,
                embedding_dim=32,
                vocab_size=5_000,
                epochs=options.epochs,
                random_state=seed,
            )
            accuracies[name].append(classifier.fit(train, y_train).score(test, y_test))
            patch.stopall()
            print(f"seed {seed}, {name}: {accuracies[name][-1]:.4f}", flush=True)
    report.table(
        f"Accuracy on a test set of 25 % of {len(ids):,} documents, {options.repeats} seeds",
        [
            {
                "way": name,
                "mean": f"{mean(found):.4f}",
                "deviation": f"{stdev(found):.4f}",
                "least": f"{min(found):.4f}",
            }
            for name, found in accuracies.items()
        ],
    )


if __name__ == "__main__":
    main()
