"""Train a network over epochs: schedule, early stopping, callbacks, averaged weights, history."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import ceil, cos, pi
from typing import Protocol

import numpy as np

from sklstm._network.network import BaseNetwork, Logs, MicroBatch
from sklstm._network.spec import Weights
from sklstm._progress import progress
from sklstm._runtime import ParallelMap, keras, worker_threads
from sklstm._training.batches import (
    Batch,
    bucket_widths,
    make_micro_batches,
    micro_batch_sizes,
    ordered_batches,
    shuffled_batches,
)
from sklstm._training.data import Examples

#: One value per epoch of the loss and each metric.
History = dict[str, list[float]]

# Fraction of the steps of the one-cycle schedule in which the learning rate increases, and its
# first and last value relative to the peak: close to torch.optim.lr_scheduler.OneCycleLR.
_WARM_UP = 0.25
_FIRST, _LAST = 0.04, 0.001

# Steps in which text classifiers learn what generalizes, and bounds for small and large corpora.
_AUTO_STEPS = 400
_MIN_AUTO_EPOCHS, _MAX_AUTO_EPOCHS = 3, 12


@dataclass(frozen=True)
class Schedule:
    """How long to train, in which order, and when to stop.

    Attributes
    ----------
    epochs : int
        Maximum number of epochs.
    batch_size : int
        Maximum number of documents per step.
    peak_rate : float or None
        Peak of the one-cycle learning rate; None for a constant learning rate.
    early_stopping : bool
        Whether to stop when the validation score no longer improves.
    n_iter_no_change : int
        Epochs without improvement before early stopping.
    tol : float
        Minimum improvement of the validation score.
    average_weights : bool
        Whether an epoch ends with the mean of the weights after its steps.
    shuffle : bool
        Whether each epoch has a new random order.
    """

    epochs: int
    batch_size: int
    peak_rate: float | None = None
    early_stopping: bool = False
    n_iter_no_change: int = 3
    tol: float = 1e-4
    average_weights: bool = False
    shuffle: bool = True


@dataclass(frozen=True)
class Outcome:
    """The result of training.

    Attributes
    ----------
    weights : dict of str to ndarray
        Weights of the last epoch; with early stopping those of the best epoch.
    history : dict of str to list of float
        One value per epoch of the loss and each metric.
    best_validation_score : float or None
        The best validation score, with early stopping.
    """

    weights: Weights
    history: History
    best_validation_score: float | None


class Observer(Protocol):
    """Is notified of each epoch, and does not change the network."""

    def begin_epoch(self) -> None:
        """Handle the start of an epoch."""

    def end_epoch(self, weights: Callable[[], Weights], history: History) -> bool:
        """Handle the end of an epoch; return whether to stop. `weights` returns a copy."""


def one_cycle(progress: float) -> float:
    """Return the learning rate of the one-cycle schedule [1]_, relative to its peak.

    Parameters
    ----------
    progress : float
        Fraction of all steps that are done, from 0 to 1.

    References
    ----------
    .. [1] L. Smith and N. Topin, "Super-convergence: very fast training of neural networks using
       large learning rates", SPIE 2019.
    """
    if progress < _WARM_UP:
        start, end, done = _FIRST, 1.0, progress / _WARM_UP
    else:
        start, end, done = 1.0, _LAST, (progress - _WARM_UP) / (1.0 - _WARM_UP)
    return end + (start - end) * (1.0 + cos(pi * done)) / 2.0


def auto_epochs(n_documents: int, batch_size: int) -> int:
    """Return the number of epochs with about 400 steps, at least 3 and at most 12."""
    steps = ceil(n_documents / batch_size)
    return min(_MAX_AUTO_EPOCHS, max(_MIN_AUTO_EPOCHS, round(_AUTO_STEPS / steps)))


class ProgressCallback(keras.callbacks.Callback):
    """Shows the progress of training; it does not access the model.

    Parameters
    ----------
    verbose : {0, 1, 2}
        Show nothing, a progress bar, or one line per epoch.
    """

    def __init__(self, verbose: int) -> None:
        super().__init__()
        self._verbose = verbose
        self._progress = progress(0, 0)
        self._n_done = 0

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Start the display."""
        self._progress = progress(self.params["epochs"], self._verbose)

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Start an epoch."""
        self._progress.begin_epoch(epoch, self.params["steps"])

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Show the mean metrics of the epoch so far."""
        self._n_done = batch + 1
        self._progress.update(self._n_done, logs or {})

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Show the metrics of the epoch."""
        self._progress.end_epoch(self._n_done, logs or {})

    def close(self) -> None:
        """End the display, whether training has succeeded or not."""
        self._progress.close()


def train(
    network: BaseNetwork,
    examples: Examples,
    schedule: Schedule,
    rng: np.random.Generator,
    *,
    validate: Callable[[], Logs] | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    observer: Observer | None = None,
    verbose: int = 0,
) -> Outcome:
    """Train a network, starting from its current weights and optimizer state.

    Parameters
    ----------
    network : BaseNetwork
        Prepared for training; left in the state of the last epoch, or of the best one.
    examples : Examples
        Training data.
    schedule : Schedule
        How long to train, and when to stop.
    rng : numpy.random.Generator
        Source of the order of the documents.
    validate : callable, optional
        Called after each epoch; returns the metrics on the validation data. With early stopping
        "val_accuracy" must be among them.
    callbacks : sequence of keras.callbacks.Callback
        Called as `keras.Model.fit` does.
    observer : Observer, optional
        Notified of each epoch.
    verbose : {0, 1, 2}
        Show nothing, a progress bar, or one line per epoch.

    Returns
    -------
    outcome : Outcome

    Raises
    ------
    ValueError
        If the loss or a weight is no longer finite.
    """
    n_batches = ceil(len(examples.ids) / schedule.batch_size)
    display = [ProgressCallback(verbose)] if verbose else []
    hooks = keras.callbacks.CallbackList(
        [*callbacks, *display],
        model=network.model,
        verbose=verbose,
        epochs=schedule.epochs,
        steps=n_batches,
    )
    try:
        return _run_epochs(network, examples, schedule, n_batches, rng, validate, hooks, observer)
    finally:
        for callback in display:
            callback.close()
        # A callback that keeps the model could not be pickled with its classifier.
        for callback in callbacks:
            keras.callbacks.Callback.set_model(callback, None)


def _run_epochs(
    network: BaseNetwork,
    examples: Examples,
    schedule: Schedule,
    n_batches: int,
    rng: np.random.Generator,
    validate: Callable[[], Logs] | None,
    hooks: keras.callbacks.CallbackList,
    observer: Observer | None,
) -> Outcome:
    widths = bucket_widths(
        examples.lengths,
        examples.ids.shape[1],
        schedule.epochs,
        skips_padding=network.skips_padding,
    )
    # The sizes of batches differ by at most one document.
    max_documents = ceil(len(examples.ids) / n_batches)
    preferred_rows = network.micro_batch_rows(float(examples.lengths.mean()))
    n_micro_batches, n_rows = micro_batch_sizes(max_documents, preferred_rows)
    history: History = {"loss": []}
    best = _BestEpoch(schedule.tol)
    hooks.on_train_begin()
    for epoch in range(schedule.epochs):
        hooks.on_epoch_begin(epoch)
        if observer is not None:
            observer.begin_epoch()
        batches: list[Batch]
        if schedule.shuffle:
            batches = shuffled_batches(examples.lengths, schedule.batch_size, rng)
        else:
            batches = ordered_batches(len(examples.ids), schedule.batch_size)
        prepared = (
            (
                sum(map(len, batch)),
                make_micro_batches(examples, batch, n_micro_batches, n_rows, widths),
            )
            for batch in batches
        )
        with worker_threads(n_micro_batches) as parallel_map:
            logs = _train_epoch(network, prepared, parallel_map, hooks, epoch, n_batches, schedule)
        last: Weights = {}
        if schedule.average_weights:
            last = network.weights()
            network.load(network.mean_weights())
        if validate is not None:
            logs |= validate()
        for name, value in logs.items():
            history.setdefault(name, []).append(value)
        hooks.on_epoch_end(epoch, logs)
        is_over = observer is not None and observer.end_epoch(network.weights, history)
        if schedule.early_stopping:
            best.update(logs["val_accuracy"], network)
        is_over |= network.model.stop_training
        if is_over or best.n_without_improvement >= schedule.n_iter_no_change:
            break
        if last and epoch + 1 < schedule.epochs:
            network.load(last)
    if best.weights:
        network.load(best.weights)
    hooks.on_train_end()
    weights = network.weights()
    if not all(np.isfinite(weight).all() for weight in weights.values()):
        raise ValueError(
            f"The weights became infinite in epoch {len(history['loss'])}. "
            f"{network.divergence_remedy}"
        )
    return Outcome(weights, history, best.score if best.weights else None)


class _BestEpoch:
    """The best validation score so far, its weights, and the epochs since it improved."""

    def __init__(self, tol: float) -> None:
        self.tol = tol
        self.score = -np.inf
        self.weights: Weights = {}
        self.n_without_improvement = 0

    def update(self, score: float, network: BaseNetwork) -> None:
        has_improved = score >= self.score + self.tol
        self.n_without_improvement = 0 if has_improved else self.n_without_improvement + 1
        if score > self.score:
            self.score = score
            self.weights = network.weights()


class _RunningMeans:
    """Means of the loss and metrics over the documents of an epoch so far."""

    def __init__(self) -> None:
        self._n_documents = 0
        self._sums: Logs = {}

    def add(self, n_documents: int, logs: Logs) -> None:
        self._n_documents += n_documents
        for name, value in logs.items():
            self._sums[name] = self._sums.get(name, 0.0) + n_documents * value

    def logs(self) -> Logs:
        return {name: total / self._n_documents for name, total in self._sums.items()}


def _train_epoch(
    network: BaseNetwork,
    batches: Iterable[tuple[int, list[MicroBatch]]],
    parallel_map: ParallelMap,
    hooks: keras.callbacks.CallbackList,
    epoch: int,
    n_batches: int,
    schedule: Schedule,
) -> Logs:
    """Run one step for each batch; return the mean loss and metrics."""
    means = _RunningMeans()
    running: deque[tuple[int, int, Callable[[], Logs]]] = deque()

    def finish_step() -> None:
        step, n_documents, result = running.popleft()
        logs = result()
        if not np.isfinite(logs["loss"]):
            raise ValueError(
                f"The training loss became {logs['loss']} in step {step + 1} of epoch {epoch + 1}. "
                f"{network.divergence_remedy}"
            )
        means.add(n_documents, logs)
        if hooks.callbacks:
            hooks.on_train_batch_end(step, means.logs())

    # Unless a callback may access the model, a step is computed while Python prepares the next one.
    is_observed = any(not isinstance(c, ProgressCallback) for c in hooks.callbacks)
    max_running = 0 if is_observed else 1
    for step, (n_documents, micro_batches) in enumerate(batches):
        if schedule.peak_rate is not None:
            done = (epoch + step / n_batches) / schedule.epochs
            network.set_learning_rate(schedule.peak_rate * one_cycle(done))
        if is_observed:
            hooks.on_train_batch_begin(step)
        running.append(
            (step, n_documents, network.train_on_batch(micro_batches, n_documents, parallel_map))
        )
        if is_observed:
            network.update_model()
        if schedule.average_weights:
            network.add_to_mean(step)
        if len(running) > max_running:
            finish_step()
    while running:
        finish_step()
    network.update_model()
    return means.logs()
