"""Does speed cost accuracy? The same network trained in our way, in Keras's, and on plain batches.

Three ways of training one network on film reviews of IMDB, each with several seeds: ours; the
same with batches drawn by plain shuffling, in place of documents of like length together; and stock
Keras layers in Keras's own training step. Prints mean and standard deviation of the accuracy on
reviews held out. If the means are within a standard deviation or so, speed costs nothing.

    python benchmarks/same_accuracy.py                                # some quarter of an hour
    python benchmarks/same_accuracy.py --documents 1000 --repeats 2   # to see that it works
"""

from __future__ import annotations

from statistics import mean, stdev
from unittest.mock import patch

import numpy as np
from _common import Report, options_parser, reviews
from sklearn.model_selection import train_test_split

from sklstm import LSTMTextClassifier, TextSequencer
from sklstm._backend import keras
from sklstm._network.network import Network


def plainly_shuffled(lengths, batch_size, rng):
    """Deal documents into batches of two groups, whatever their lengths."""
    batches = np.array_split(rng.permutation(len(lengths)), -(-len(lengths) // batch_size))
    return [np.array_split(batch, 2) for batch in batches]


def ways_of_training():
    """Return for each way what it replaces in the package."""
    return {
        "sklstm": [],
        "sklstm, plain shuffling": [
            patch("sklstm._training.loop.shuffled_batches", plainly_shuffled)
        ],
        "stock Keras layers and step": [
            patch("sklstm._network.build.FastLSTM", keras.layers.LSTM),
            patch("sklstm._network.reuse._network_class", lambda: Network),
            patch("sklstm._network.reuse._idle", []),
        ],
    }


def main():
    parser = options_parser(__doc__, documents=8_000, repeats=5)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--pooling", default="mean")
    options = parser.parse_args()
    report = Report(options)
    documents = reviews(options.documents)
    labels = documents["label"].to_numpy()
    ids = TextSequencer(max_tokens=5_000, max_len=300).fit_transform(documents["text"])
    accuracies = {name: [] for name in ways_of_training()}
    for seed in range(options.repeats):
        train, test, y_train, y_test = train_test_split(
            ids, labels, test_size=0.25, stratify=labels, random_state=seed
        )
        for name, patches in ways_of_training().items():
            for replaced in patches:
                replaced.start()
            classifier = LSTMTextClassifier(
                units=100,
                embedding_dim=32,
                pooling=options.pooling,
                vocab_size=5_000,
                epochs=options.epochs,
                random_state=seed,
            )
            accuracies[name].append(classifier.fit(train, y_train).score(test, y_test))
            patch.stopall()
            print(f"seed {seed}, {name}: {accuracies[name][-1]:.4f}", flush=True)
    report.table(
        f"Accuracy on the quarter of {len(ids):,} reviews held out, {options.repeats} seeds",
        [
            {"way": name, "mean": f"{mean(found):.4f}", "deviation": f"{stdev(found):.4f}"}
            for name, found in accuracies.items()
        ],
    )


if __name__ == "__main__":
    main()
