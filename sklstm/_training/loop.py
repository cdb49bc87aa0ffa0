"""Train a network over epochs: early stopping, callbacks, averaged weights, history."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from sklstm._runtime import keras, worker_threads
from sklstm._training.batches import (
    Examples,
    bucket_widths,
    in_batches,
    part_sizes,
    shuffled_batches,
    training_parts,
)
from sklstm._training.progress import ShowProgress
from sklstm._training.rates import one_cycle
from sklstm._training.scores import accuracy, mean_loss

if TYPE_CHECKING:
    from sklstm._network.initial import Weights
    from sklstm._network.network import Network, Part

#: A value an epoch of each figure.
History = dict[str, list[float]]

_REMEDY = "Lower learning_rate, set clipnorm (such as clipnorm=1.0), or keep activation='tanh'."


@dataclass(frozen=True)
class Schedule:
    """How long to train and when to stop: parameters of `LSTMTextClassifier`.

    `peak_rate` is the learning rate, where it changes during training; else None.
    """

    epochs: int
    batch_size: int
    peak_rate: float | None = None
    early_stopping: bool = False
    n_iter_no_change: int = 3
    tol: float = 1e-4
    average_weights: bool = False


@dataclass(frozen=True)
class Outcome:
    """What training gave.

    Attributes
    ----------
    weights : dict of str to ndarray of float32
        Of the last epoch; with early stopping of the best one.
    history : dict of str to list of float
        A value an epoch of each of "loss", "accuracy", "val_loss", "val_accuracy".
    best_score : float or None
        The best validation accuracy, with early stopping.
    """

    weights: Weights
    history: History
    best_score: float | None


class Observer(Protocol):
    """Who hears of each epoch, without touching the network."""

    def begin_epoch(self) -> None:
        """Hear that an epoch begins."""

    def end_epoch(self, weights: Callable[[], Weights], history: History) -> bool:
        """Hear that an epoch is over, and return whether to stop; `weights` gives a copy."""


def train(
    network: Network,
    examples: Examples,
    schedule: Schedule,
    rng: np.random.Generator,
    *,
    validation: Examples | None = None,
    callbacks: Sequence[Any] = (),
    observer: Observer | None = None,
    verbose: int = 0,
) -> Outcome:
    """Train a network, from the weights and the optimizer state that it has.

    Parameters
    ----------
    network : Network
        Prepared for training; left in the state of the last epoch.
    examples : Examples
        What to learn from.
    schedule : Schedule
        How long.
    rng : numpy.random.Generator
        Source of the order of the documents.
    validation : Examples, optional
        What is scored after each epoch.
    callbacks : sequence of keras.callbacks.Callback
        Called as `keras.Model.fit` does.
    observer : Observer, optional
        Told of each epoch.
    verbose : {0, 1, 2}
        Show nothing, a progress bar, a line an epoch.

    Returns
    -------
    outcome : Outcome

    Raises
    ------
    ValueError
        If the loss or a weight is not finite any more.
    """
    n_batches = ceil(len(examples.ids) / schedule.batch_size)
    shown = [ShowProgress(verbose)] if verbose else []
    hooks = keras.callbacks.CallbackList(
        [*callbacks, *shown],
        model=network.model,
        verbose=verbose,
        epochs=schedule.epochs,
        steps=n_batches,
    )
    try:
        return _run_epochs(network, examples, schedule, n_batches, rng, validation, hooks, observer)
    finally:
        for each in shown:
            each.close()
        # A callback that kept the model could not be pickled with the classifier that holds it.
        for callback in callbacks:
            keras.callbacks.Callback.set_model(callback, None)


def _run_epochs(
    network: Network,
    examples: Examples,
    schedule: Schedule,
    n_batches: int,
    rng: np.random.Generator,
    validation: Examples | None,
    hooks: Any,
    observer: Observer | None,
) -> Outcome:
    widths = bucket_widths(
        examples.lengths,
        examples.ids.shape[1],
        schedule.epochs,
        skips_padding=network.skips_padding,
    )
    # What shuffled_batches gives: batches that differ by one document at most.
    n_most = ceil(len(examples.ids) / n_batches)
    n_parts, n_rows = part_sizes(n_most, network.part_rows(float(examples.lengths.mean())))
    history: History = {}
    best = _BestEpoch(schedule.tol)
    hooks.on_train_begin()
    for epoch in range(schedule.epochs):
        hooks.on_epoch_begin(epoch)
        if observer is not None:
            observer.begin_epoch()
        batches = (
            (sum(map(len, groups)), training_parts(examples, groups, n_parts, n_rows, widths))
            for groups in shuffled_batches(examples.lengths, schedule.batch_size, rng)
        )
        with worker_threads(n_parts) as parallel_map:
            logs = _train_epoch(network, batches, parallel_map, hooks, epoch, n_batches, schedule)
        last: Weights = {}
        if schedule.average_weights:
            last = network.weights()
            network.load(network.mean_weights())
        if validation is not None:
            logs |= _validate(network, validation)
        for name, value in logs.items():
            history.setdefault(name, []).append(value)
        hooks.on_epoch_end(epoch, logs)
        is_over = observer is not None and observer.end_epoch(network.weights, history)
        if schedule.early_stopping:
            best.update(logs["val_accuracy"], network)
        is_over |= network.model.stop_training or best.n_without_gain >= schedule.n_iter_no_change
        if is_over:
            break
        if last and epoch + 1 < schedule.epochs:
            network.load(last)
    if schedule.early_stopping:
        network.load(best.weights)
    hooks.on_train_end()
    weights = network.weights()
    if not all(np.isfinite(weight).all() for weight in weights.values()):
        raise ValueError(f"The weights became infinite in epoch {len(history['loss'])}. {_REMEDY}")
    return Outcome(weights, history, best.score if schedule.early_stopping else None)


class _BestEpoch:
    """The best validation score so far, its weights, and how long ago it was."""

    def __init__(self, tol: float) -> None:
        self.tol = tol
        self.score = -np.inf
        self.weights: Weights = {}
        self.n_without_gain = 0

    def update(self, score: float, network: Network) -> None:
        self.n_without_gain = 0 if score >= self.score + self.tol else self.n_without_gain + 1
        if score > self.score:
            self.score = score
            self.weights = network.weights()


class _RunningMeans:
    """Mean loss and accuracy of the documents seen so far in an epoch."""

    def __init__(self) -> None:
        self._n_seen = 0
        self._sums = np.zeros(2)

    def add(self, n_documents: int, loss: float, share_right: float) -> None:
        self._n_seen += n_documents
        self._sums += n_documents * np.array([loss, share_right])

    def logs(self) -> dict[str, float]:
        return dict(zip(("loss", "accuracy"), (self._sums / self._n_seen).tolist(), strict=True))


def _train_epoch(
    network: Network,
    batches: Iterable[tuple[int, list[Part]]],
    parallel_map: Callable[..., Any],
    hooks: Any,
    epoch: int,
    n_batches: int,
    schedule: Schedule,
) -> dict[str, float]:
    """Take a step for each batch; return the mean loss and accuracy."""
    means = _RunningMeans()
    under_way: deque[tuple[int, int, Callable[[], tuple[float, float]]]] = deque()

    def finish_step() -> None:
        step, n_documents, result = under_way.popleft()
        loss, share_right = result()
        if not np.isfinite(loss):
            when = f"step {step + 1} of epoch {epoch + 1}"
            raise ValueError(f"The training loss became {loss} in {when}. {_REMEDY}")
        means.add(n_documents, loss, share_right)
        if hooks.callbacks:
            hooks.on_train_batch_end(step, means.logs())

    # A progress bar takes the figures and leaves the model alone.
    is_watched = any(not isinstance(c, ShowProgress) for c in hooks.callbacks)
    # Unless somebody watches, a step is computed while Python prepares the next one.
    n_ahead = 0 if is_watched else 1
    for step, (n_documents, parts) in enumerate(batches):
        if schedule.peak_rate is not None:
            progress = (epoch + step / n_batches) / schedule.epochs
            network.set_learning_rate(schedule.peak_rate * one_cycle(progress))
        if is_watched:
            hooks.on_train_batch_begin(step)
        under_way.append(
            (step, n_documents, network.train_on_batch(parts, n_documents, parallel_map))
        )
        if is_watched:
            network.update_model()
        if schedule.average_weights:
            network.add_to_mean(step)
        if len(under_way) > n_ahead:
            finish_step()
    while under_way:
        finish_step()
    network.update_model()
    return means.logs()


def _validate(network: Network, validation: Examples) -> dict[str, float]:
    score = network.scorer("logits", network.weights())
    logits = in_batches(network, score, validation.ids, validation.lengths)
    scored = (logits, validation.targets, validation.weights, network.spec.output_activation)
    return {"val_loss": mean_loss(*scored), "val_accuracy": accuracy(*scored)}
