"""Train a network over epochs: schedule, early stopping, callbacks, averaged weights, history."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from math import ceil, cos, pi
from typing import Any

import numpy as np

from sklstm._network.network import BaseNetwork, Logs
from sklstm._network.spec import Weights
from sklstm._progress import progress
from sklstm._runtime import ParallelMap, ignore_copy_warning, keras, worker_threads
from sklstm._sklearn import FitTasks
from sklstm._training import batches
from sklstm._training.data import RunningMeans, TrainingRun

#: One value per epoch of the loss and each metric.
History = dict[str, list[float]]

# One-cycle schedule, similar to torch.optim.lr_scheduler.OneCycleLR: fraction of the steps in which
# the learning rate increases, and first and last learning rate relative to the peak.
_WARM_UP = 0.25
_FIRST, _LAST = 0.04, 0.001

# epochs="auto": target number of steps, and limits for large and small corpora. More steps overfit
# data sets of few classes. Networks with more outputs need more steps.
_AUTO_STEPS, _OUTPUTS, _MIN_AUTO_EPOCHS = 400, 8, 3


@dataclass(frozen=True)
class Schedule:
    """Settings of the training loop.

    Attributes
    ----------
    epochs : int
        Maximum number of epochs.
    one_cycle : bool
        Whether the learning rate follows the one-cycle schedule; otherwise it is constant.
    early_stopping : bool
        Whether to stop when the validation score no longer improves.
    n_iter_no_change : int
        Number of epochs without improvement after which training stops.
    tol : float
        Minimum improvement of the validation score.
    average_weights : bool
        Whether to use the mean of the weights over the steps of an epoch as its result.
    """

    epochs: int
    one_cycle: bool
    early_stopping: bool
    n_iter_no_change: int
    tol: float
    average_weights: bool

    def is_warm_up(self, epoch: int) -> bool:
        """Return whether the learning rate still increases at the end of an epoch.

        Until then, a network may learn so slowly that the validation score does not improve.
        """
        return self.one_cycle and epoch + 1 < _WARM_UP * self.epochs


@dataclass(frozen=True)
class Outcome:
    """The result of training.

    Attributes
    ----------
    weights : dict of str to ndarray
        Weights of the last epoch; with early stopping those of the best epoch.
    history : dict of str to list of float
        One value per epoch of the loss and each metric.
    best_epoch : int or None
        The epoch with the best validation score, counted from 1, with early stopping.
    best_validation_score : float
        The best validation score; -inf without early stopping.
    """

    weights: Weights
    history: History
    best_epoch: int | None
    best_validation_score: float


def one_cycle(progress: float) -> float:
    """Return the learning rate of the one-cycle schedule [1]_, relative to its peak.

    Parameters
    ----------
    progress : float
        Fraction of completed steps, from 0 to 1.

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


def auto_epochs(n_documents: int, batch_size: int, n_outputs: int, most: int) -> int:
    """Return the number of epochs for a number of steps that is suitable for the data.

    The steps are about 400, or 50 per output if there are more than eight, in 3 to `most` epochs.
    """
    n_steps = _AUTO_STEPS * max(1.0, n_outputs / _OUTPUTS)
    n_epochs = round(n_steps / ceil(n_documents / batch_size))
    return min(most, max(_MIN_AUTO_EPOCHS, n_epochs))


def train(
    network: BaseNetwork,
    run: TrainingRun,
    schedule: Schedule,
    rng: np.random.Generator,
    validate: Callable[[BaseNetwork], Logs] | None,
    tasks: FitTasks | None,
    fitted_attributes: Callable[[Weights, History], dict[str, Any]],
    verbose: int,
) -> Outcome:
    """Train a network, starting from its current weights and optimizer state.

    Parameters
    ----------
    network : BaseNetwork
        Network that is prepared for training. Afterwards it has the weights of the last epoch, or
        of the best epoch with early stopping.
    run : TrainingRun
        Data, callbacks and settings.
    schedule : Schedule
        Settings of the training loop.
    rng : numpy.random.Generator
        Source of the order of the documents.
    validate : callable or None
        Returns the metrics of the network on the validation data, with the prefix "val_"; None
        without validation data. Early stopping uses "val_score", or "val_loss" without it.
    tasks : FitTasks or None
        Notifies scikit-learn callbacks of each epoch.
    fitted_attributes : callable
        Returns the fitted attributes by name, from weights and history, for `tasks`.
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
    examples, callbacks, batch_size = run.training, run.callbacks, run.batch_size
    n_batches = ceil(len(examples.ids) / batch_size)
    skips_padding, width = network.skips_padding, examples.ids.shape[1]
    widths = batches.bucket_widths(
        examples.lengths, width, schedule.epochs, skips_padding=skips_padding
    )
    # The sizes of batches differ by at most one document.
    max_documents = ceil(len(examples.ids) / n_batches)
    preferred_rows = network.micro_batch_rows(float(examples.lengths.mean()))
    n_micro_batches, n_rows = batches.micro_batch_sizes(max_documents, preferred_rows)
    history: History = {"loss": []}
    best = _BestEpoch(schedule.tol)
    hooks: keras.callbacks.CallbackList | None = None

    def notify(event: str, *arguments: object) -> None:
        """Call a method of all callbacks, which may read and change the model."""
        if hooks is not None:
            network.update_model()
            getattr(hooks, event)(*arguments)

    def train_epoch(epoch: int, parallel_map: ParallelMap) -> Logs:
        """Run one step for each batch; return the mean loss and metrics."""
        means = RunningMeans()
        running: deque[tuple[int, int, Callable[[], Logs]]] = deque()

        def finish_step() -> None:
            step, n_documents, result = running.popleft()
            logs = result()
            if not np.isfinite(logs["loss"]):
                raise ValueError(
                    f"The training loss became {logs['loss']} in step {step + 1} of epoch "
                    f"{epoch + 1}. {network.divergence_remedy}"
                )
            means.add(n_documents, logs)
            if hooks is not None or verbose:  # Computing the means takes a while.
                logs = means.logs()
                notify("on_train_batch_end", step, logs)
                display.update(step + 1, logs)

        if run.shuffle:
            epoch_batches = batches.shuffled_batches(examples.lengths, batch_size, rng)
        else:
            epoch_batches = batches.ordered_batches(len(examples.ids), batch_size)
        for step, batch in enumerate(epoch_batches):
            micro_batches = batches.make_micro_batches(
                examples, batch, n_micro_batches, n_rows, widths
            )
            if schedule.one_cycle:
                done = (epoch + step / n_batches) / schedule.epochs
                network.set_learning_rate(run.peak_rate * one_cycle(done))
            notify("on_train_batch_begin", step)
            n_documents = sum(map(len, batch))
            result = network.train_on_batch(micro_batches, n_documents, parallel_map)
            running.append((step, n_documents, result))
            if schedule.average_weights:
                network.add_to_mean(step)
            # Without callbacks, which may access the model, Python prepares the next step while
            # this one is computed.
            if hooks is not None or len(running) > 1:
                finish_step()
        while running:
            finish_step()
        return means.logs()

    with closing(progress(schedule.epochs, verbose)) as display, ExitStack() as at_end:
        if callbacks:
            at_end.enter_context(ignore_copy_warning())
            for callback in callbacks:
                # Remove the model from callbacks, so that the classifier can be pickled with them.
                at_end.callback(keras.callbacks.Callback.set_model, callback, None)
            hooks = keras.callbacks.CallbackList(
                callbacks,
                model=network.model,
                verbose=verbose,
                epochs=schedule.epochs,
                steps=n_batches,
            )
        notify("on_train_begin")
        for epoch in range(schedule.epochs):
            notify("on_epoch_begin", epoch)
            display.begin_epoch(epoch, n_batches)
            if tasks is not None:
                tasks.begin_epoch()
            with worker_threads(n_micro_batches) as parallel_map:
                logs = train_epoch(epoch, parallel_map)
            last: Weights = {}
            if schedule.average_weights:
                last = network.weights()
                network.load(network.mean_weights())
            if validate is not None:
                logs |= validate(network)
            for name, value in logs.items():
                history.setdefault(name, []).append(value)
            notify("on_epoch_end", epoch, logs)
            display.end_epoch(n_batches, logs)
            is_over = tasks is not None and tasks.end_epoch(
                lambda: fitted_attributes(network.weights(), history)
            )
            if schedule.early_stopping:
                best.update(logs.get("val_score", -logs["val_loss"]), logs["val_loss"], network)
                if schedule.is_warm_up(epoch):
                    best.n_without_improvement = 0
            is_over |= hooks is not None and network.model.stop_training
            if is_over or best.n_without_improvement >= schedule.n_iter_no_change:
                break
            if last and epoch + 1 < schedule.epochs:
                network.load(last)
        if best.weights:
            network.load(best.weights)
        notify("on_train_end")
    weights = network.weights()
    if not all(np.isfinite(weight).all() for weight in weights.values()):
        raise ValueError(
            f"The weights became infinite in epoch {len(history['loss'])}. "
            f"{network.divergence_remedy}"
        )
    return Outcome(weights, history, best.epoch, best.score)


class _BestEpoch:
    """The epoch with the best validation score, its weights, and the epochs since it improved.

    Equal scores are compared by the validation loss, because a score such as the F1 score of a rare
    class may be constant while the network still learns.
    """

    def __init__(self, tol: float) -> None:
        self.tol = tol
        self.score = -np.inf
        self.loss = np.inf
        self.weights: Weights = {}
        self.epoch: int | None = None
        self.n_epochs = 0
        self.n_without_improvement = 0

    def update(self, score: float, loss: float, network: BaseNetwork) -> None:
        self.n_epochs += 1
        is_tie = score == self.score
        has_improved = score >= self.score + self.tol and not is_tie
        has_improved |= is_tie and loss < self.loss and loss <= self.loss - self.tol
        self.n_without_improvement = 0 if has_improved else self.n_without_improvement + 1
        if score > self.score or (is_tie and loss < self.loss):
            self.score, self.loss, self.epoch = score, loss, self.n_epochs
            self.weights = network.weights()
