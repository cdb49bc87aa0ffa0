"""Time from raw texts to a test accuracy of 0.87.

The time starts with the process, before any import, and ends when the accuracy on 5,000 IMDB test
reviews reaches the target; 20,000 other reviews are used for training. Compares sklstm with the
script of common tutorials: stock Keras, texts truncated and padded to 500 words, batch size 64,
Adam, at most 6 epochs. Both use `TextSequencer` for reading and tokenization, which is included in
the time. Both are evaluated at the end of each epoch with the validation data of `fit`, or, with
--checks 4, four times per epoch, in which case both are trained on a quarter of the documents at a
time. Each repetition has its own seed for weights and document order; the test reviews are fixed.
The systems run in turns.

    python benchmarks/time_to_accuracy.py                     # about twenty minutes on two cores
    python benchmarks/time_to_accuracy.py --learning-rate 0.001 --pooling last   # the tutorial's
"""

from __future__ import annotations

import argparse
from ast import literal_eval
from statistics import median
from typing import Any

import numpy as np
from _common import TUTORIAL, Report, options_parser, paired_ratio, reviews, spread, token_ids
from _peers import SKLSTM, SYSTEMS, Network, add_systems_option, installed, rounds_afresh

RACERS = (SKLSTM, "sklstm-torch", "sklstm-tensorflow", "keras-jax", "keras-tensorflow")
DEFAULT_RACERS = [SKLSTM, "keras-jax", "keras-tensorflow"]


def main() -> None:
    parser = options_parser(__doc__, documents=25_000, repeats=3)
    add_systems_option(parser, RACERS, DEFAULT_RACERS)
    parser.add_argument("--target", type=float, default=0.87, help="accuracy to reach (0.87)")
    parser.add_argument("--checks", type=int, default=1, help="evaluations per epoch (1)")
    parser.add_argument("--epochs", type=int, default=6, help="maximum number of epochs (6)")
    parser.add_argument(
        "--limit", type=float, default=900, help="time limit of a run in seconds (900)"
    )
    network = Network()
    sklstm = parser.add_argument_group("settings of sklstm; others use those of the tutorial")
    sklstm.add_argument("--units", type=int, default=network.units)
    sklstm.add_argument("--embedding-dim", type=int, default=network.embedding_dim)
    sklstm.add_argument("--batch-size", type=int, default=network.batch_size)
    # Pooling adds no weights; with mean pooling, learning starts at the first step.
    sklstm.add_argument("--learning-rate", type=float, default=0.005)
    sklstm.add_argument("--pooling", default="mean")
    sklstm.add_argument(
        "--set",
        nargs="+",
        default=[],
        metavar="NAME=VALUE",
        help="other parameters of LSTMTextClassifier, such as average_weights=True",
    )
    options = parser.parse_args()
    report = Report(options)
    runs: dict[str, list[dict[str, Any]]] = {}
    for name, seconds, run in rounds_afresh(
        installed(options.systems),
        options.repeats,
        "time_to_accuracy:Race",
        lambda name, seed: (name.partition("-")[0], options, seed),
        options.limit,
    ):
        reached = run["curve"][-1] >= options.target
        runs.setdefault(name, []).append(run | {"seconds": seconds, "reached": reached})
        curve = " ".join(f"{value:.3f}" for value in run["curve"])
        print(f"{SYSTEMS[name].label}: {seconds:.1f} s, accuracy {curve}", flush=True)
    report.table(
        f"From process start to an accuracy of {options.target}",
        [table_row(name, runs, options) for name in runs],
    )


def table_row(
    name: str, runs_by_name: dict[str, list[dict[str, Any]]], options: argparse.Namespace
) -> dict[str, Any]:
    runs, reference = runs_by_name[name], runs_by_name.get(SKLSTM, [])
    seconds = [run["seconds"] for run in runs]
    n_reached = sum(run["reached"] for run in runs)
    all_reached = all(run["reached"] for run in [*runs, *reference])
    return (
        {"system": SYSTEMS[name].label, "reached it": f"{n_reached} of {len(runs)}"}
        | spread(seconds, "seconds")
        | {
            # Runs that did not reach the target have no time to compare.
            "ratio to sklstm (JAX)": paired_ratio(seconds, [run["seconds"] for run in reference])
            if all_reached
            else None,
            "texts to ids, s": median(run["tokenizing"] for run in runs),
            "epochs": median(len(run["curve"]) / options.checks for run in runs),
            "last accuracy": f"{median(run['curve'][-1] for run in runs):.3f}",
        }
    )


class Race:
    """One run, in its own process."""

    def run(self, kind: str, options: argparse.Namespace, seed: int) -> dict[str, Any]:
        from time import perf_counter

        documents = reviews(options.documents)
        start = perf_counter()
        ids = token_ids(documents["text"], Network().vocab_size)
        tokenizing = perf_counter() - start
        y = documents["label"].to_numpy()
        n_test = len(y) // 5
        train, test = (ids[n_test:], y[n_test:]), (ids[:n_test], y[:n_test])
        runner = (SklstmRunner if kind == "sklstm" else TutorialRunner)(options, seed)
        if options.checks == 1:
            curve = runner.fit(train, test)
        else:
            curve = run_in_parts(runner, train, test, options, seed)
        return {"curve": curve, "tokenizing": tokenizing}


def run_in_parts(
    runner: Any, train: tuple, test: tuple, options: argparse.Namespace, seed: int
) -> list[float]:
    """Train on parts of the documents and evaluate after each; return the accuracies."""
    rng = np.random.default_rng(seed)
    ids, y = train
    curve: list[float] = []
    for _ in range(options.epochs):
        order = rng.permutation(len(y))
        # Use whole batches except in the last part: JAX compiles for each other size.
        n_batches = -(-len(y) // runner.batch_size)
        ends = np.linspace(0, n_batches, options.checks + 1).astype(int)[1:-1] * runner.batch_size
        for rows in np.split(order, ends):
            runner.learn(ids[rows], y[rows])
            curve.append(runner.accuracy(*test))
            if curve[-1] >= options.target:
                return curve
    return curve


class SklstmRunner:
    """LSTMTextClassifier with the settings of the command line."""

    def __init__(self, options: argparse.Namespace, seed: int) -> None:
        from sklstm import LSTMTextClassifier

        self.batch_size, self.target = options.batch_size, options.target
        given = {"learning_rate": options.learning_rate, "pooling": options.pooling}
        self.classifier = LSTMTextClassifier(
            **TUTORIAL | given,
            units=options.units,
            embedding_dim=options.embedding_dim,
            vocab_size=Network().vocab_size,
            batch_size=options.batch_size,
            epochs=options.epochs,
            random_state=seed,
        ).set_params(**parsed_settings(options.set))

    def fit(self, train: tuple, test: tuple) -> list[float]:
        self.classifier.set_params(callbacks=[stop_at(self.target)])
        self.classifier.fit(*train, X_val=test[0], y_val=test[1])
        return self.classifier.history_["val_accuracy"]

    def learn(self, ids: np.ndarray, y: np.ndarray) -> None:
        self.classifier.partial_fit(ids, y, classes=[0, 1])

    def accuracy(self, ids: np.ndarray, y: np.ndarray) -> float:
        return self.classifier.score(ids, y)


class TutorialRunner:
    """Stock Keras with the settings of the tutorials."""

    def __init__(self, options: argparse.Namespace, seed: int) -> None:
        import keras
        from _peers_keras import build_model

        keras.utils.set_random_seed(seed)
        self.epochs, self.target = options.epochs, options.target
        self.batch_size = Network().batch_size
        self.model = build_model(Network())
        self.how = {"batch_size": self.batch_size, "verbose": 0}

    def fit(self, train: tuple, test: tuple) -> list[float]:
        history = self.model.fit(
            *train,
            validation_data=test,
            epochs=self.epochs,
            callbacks=[stop_at(self.target)],
            **self.how,
        )
        return history.history["val_accuracy"]

    def learn(self, ids: np.ndarray, y: np.ndarray) -> None:
        self.model.fit(ids, y, epochs=1, **self.how)

    def accuracy(self, ids: np.ndarray, y: np.ndarray) -> float:
        return self.model.evaluate(ids, y, **self.how)[1]


def stop_at(target: float) -> Any:
    """Return a Keras callback that stops training at the target validation accuracy."""
    import keras

    class StopAt(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            if logs["val_accuracy"] >= target:
                self.model.stop_training = True

    return StopAt()


def parsed_settings(settings: list[str]) -> dict[str, Any]:
    """Parse parameters of the form "name=value"; non-literal values are strings."""
    parsed = {}
    for setting in settings:
        name, _, value = setting.partition("=")
        try:
            parsed[name] = literal_eval(value)
        except (SyntaxError, ValueError):
            parsed[name] = value
    return parsed


if __name__ == "__main__":
    main()
