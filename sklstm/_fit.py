"""Turn the classifier's parameters and its data into the plain state of a trained network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state, compute_sample_weight

from sklstm import _validation
from sklstm._architecture import network_spec
from sklstm._embeddings import Embedded, embed
from sklstm._network.ngram_table import choose_buckets, naive_bayes
from sklstm._network.spec import NetworkSpec, TrainingSpec
from sklstm._sklearn import FitTasks, check_sample_weight
from sklstm._training.batches import Examples, Ids, left_align
from sklstm._training.rates import epochs_for
from sklstm._vocabulary import OOV_ID

if TYPE_CHECKING:
    from sklstm._network.initial import Weights
    from sklstm._training.loop import History, Schedule
    from sklstm.classifier import LSTMTextClassifier


@dataclass(frozen=True)
class _Task:
    """What there is to learn: the checked data, and the network that it asks for."""

    spec: NetworkSpec
    classes: NDArray[Any]
    embedded: Embedded
    training: Examples
    validation: Examples | None
    rows: NDArray[np.intp] | None
    """Documents of X that are trained on; None for all."""


def fit_state(
    estimator: LSTMTextClassifier,
    X: Any,
    y: Any,
    *,
    sample_weight: ArrayLike | None = None,
    X_val: Any = None,
    y_val: Any = None,
    classes: ArrayLike | None = None,
    goes_on: bool = False,
    is_partial: bool = False,
) -> dict[str, Any]:
    """Train, and return the fitted attributes by name.

    Parameters
    ----------
    estimator : LSTMTextClassifier
        Whose parameters, and fitted attributes if `goes_on`, are used. Only
        ``n_features_in_`` and ``feature_names_in_`` are set on it.
    X, y, sample_weight, X_val, y_val
        As in `LSTMTextClassifier.fit`.
    classes : array-like, optional
        As in `LSTMTextClassifier.partial_fit`.
    goes_on : bool
        Whether to start from the estimator's weights.
    is_partial : bool
        Whether to train for one epoch, and keep the optimizer's state for the next call.

    Returns
    -------
    attributes : dict of str to object
        Arrays, strings, numbers, and lists and dicts of them.
    """
    seed = estimator._seed if goes_on else draw_seed(estimator.random_state)
    call = estimator._n_calls if goes_on else 0
    weight_seed, order_seed, dropout_seed, split_seed, vector_seed = (
        np.random.SeedSequence([seed, call]).generate_state(5).tolist()
    )
    seeds = (split_seed, vector_seed)
    task = _prepare(estimator, X, y, sample_weight, X_val, y_val, classes, goes_on, seeds)

    # Imported here, so that a classifier can be made, cloned and loaded without Keras.
    from sklstm._network.initial import initial_weights
    from sklstm._network.network import EMBEDDINGS
    from sklstm._network.reuse import borrowed_network
    from sklstm._runtime import keras
    from sklstm._training.loop import train

    callbacks = _validation.check_callbacks(estimator.callbacks, keras.callbacks.Callback)
    _validation.check_float32(
        learning_rate=estimator.learning_rate,
        weight_decay=estimator.weight_decay,
        clipnorm=estimator.clipnorm,
    )
    training_spec = TrainingSpec(
        optimizer=estimator.optimizer,
        clipnorm=estimator.clipnorm,
        weight_decay=estimator.weight_decay,
        label_smoothing=estimator.label_smoothing,
    )
    schedule = _schedule(estimator, len(task.training.ids), is_partial)
    tasks = (
        None if is_partial else FitTasks(estimator, schedule.epochs, X, y, sample_weight, task.rows)
    )
    # A network that callbacks have had in hand may differ from its spec.
    with borrowed_network(task.spec, training_spec, keep=not callbacks) as network:
        if goes_on:
            start = dict(estimator.weights_)
        else:
            start = initial_weights(network.weight_shapes, np.random.default_rng(weight_seed))
            start |= _start_of_ngrams(task)
        if task.embedded.pretrained is not None:
            trained = start[EMBEDDINGS][: task.embedded.n_trained]
            start[EMBEDDINGS] = np.concatenate([trained, task.embedded.pretrained])
        network.load(start)
        network.prepare_training(training_spec, estimator.learning_rate, dropout_seed)
        kept = estimator._optimizer_state if goes_on and is_partial else None
        if kept is not None and kept["optimizer"] == estimator.optimizer:
            network.load_optimizer_state(kept["values"])
        outcome = train(
            network,
            task.training,
            schedule,
            np.random.default_rng(order_seed),
            validation=task.validation,
            callbacks=callbacks,
            observer=None if tasks is None else _Observer(tasks, task),
            verbose=int(estimator.verbose),
        )
        values = network.optimizer_state() if is_partial else None
    attributes = _fitted_attributes(task, outcome.weights, outcome.history) | {
        "_optimizer_state": values and {"optimizer": estimator.optimizer, "values": values},
        "_seed": seed,
        "_n_calls": call + 1,
    }
    if outcome.best_score is not None:
        attributes["best_score_"] = outcome.best_score
    if tasks is not None:
        tasks.end(attributes)
    return attributes


@dataclass(frozen=True)
class _Observer:
    """Hears of the epochs from the training loop, and tells scikit-learn's callbacks."""

    tasks: FitTasks
    task: _Task

    def begin_epoch(self) -> None:
        self.tasks.begin_epoch()

    def end_epoch(self, weights: Callable[[], Weights], history: History) -> bool:
        return self.tasks.end_epoch(lambda: _fitted_attributes(self.task, weights(), history))


def _fitted_attributes(task: _Task, weights: Weights, history: History) -> dict[str, Any]:
    """Return by name what prediction needs, and what training has come to."""
    from sklstm._network.network import EMBEDDINGS

    embeddings = weights[EMBEDDINGS]
    embeddings[~task.embedded.is_known] = embeddings[OOV_ID]
    curves = {name: list(values) for name, values in history.items()}
    return {
        "classes_": task.classes,
        "vocab_size_": task.embedded.vocab_size,
        "embedding_ids_": task.embedded.ids,
        "n_parameters_": sum(weight.size for weight in weights.values()),
        "weights_": weights,
        "history_": curves,
        "loss_curve_": curves["loss"],
        "n_iter_": len(curves["loss"]),
        "_architecture": asdict(task.spec),
        "_vectors": task.embedded.vectors,
        "_known_ids": task.embedded.is_known,
    }


def _start_of_ngrams(task: _Task) -> dict[str, NDArray[np.float32]]:
    """Return what the weights of n-grams start from, by name."""
    if not task.spec.ngrams:
        return {}
    from sklstm._network.initial import NGRAM_BIAS, NGRAM_WEIGHTS

    examples, spec = task.training, task.spec
    table, bias = naive_bayes(
        examples.ids, examples.targets, examples.weights, spec.ngrams, spec.ngram_buckets
    )
    return {NGRAM_WEIGHTS: table, NGRAM_BIAS: bias}


def _schedule(estimator: LSTMTextClassifier, n_documents: int, is_partial: bool) -> Schedule:
    """Return how long to train; a part of the documents is read once, at a constant rate."""
    from sklstm._training.loop import Schedule

    if is_partial:
        epochs = 1
    elif estimator.epochs == "auto":
        epochs = epochs_for(n_documents, estimator.batch_size)
    else:
        epochs = int(estimator.epochs)
    has_cycle = estimator.learning_rate_schedule == "one_cycle" and not is_partial
    return Schedule(
        epochs=epochs,
        batch_size=estimator.batch_size,
        peak_rate=estimator.learning_rate if has_cycle else None,
        early_stopping=estimator.early_stopping,
        n_iter_no_change=estimator.n_iter_no_change,
        tol=estimator.tol,
        average_weights=estimator.average_weights,
    )


def _prepare(
    estimator: LSTMTextClassifier,
    X: Any,
    y: Any,
    sample_weight: ArrayLike | None,
    X_val: Any,
    y_val: Any,
    classes: ArrayLike | None,
    goes_on: bool,
    seeds: tuple[int, int],
) -> _Task:
    """Check everything that was passed, and set validation documents aside where needed."""
    split_seed, vector_seed = seeds
    numbers = _validation.check_numbers(estimator, X, reset=not goes_on)
    y = _validation.check_labels(y, len(numbers))
    weights = document_weights(estimator, y, numbers, sample_weight)
    all_classes = estimator.classes_ if goes_on else _validation.check_classes(y, weights, classes)
    ids = _validation.as_ids(numbers, estimator.invalid_ids, type(estimator).__name__)
    documents, rows = (ids, y, weights), None
    held_out = validation_documents(estimator, X_val, y_val)
    if held_out is None and estimator.early_stopping:
        rows, held_out_rows = _validation.split_off_validation(
            y, estimator.validation_fraction, split_seed
        )
        held_out = (ids[held_out_rows], y[held_out_rows], weights[held_out_rows])
        documents = (ids[rows], y[rows], weights[rows])
    embedded = embed(
        estimator,
        ids,
        documents[0],
        held_out and held_out[0],
        goes_on=goes_on,
        seed=vector_seed,
    )
    spec = network_spec(estimator, ids.shape[1], y, all_classes, embedded, goes_on)
    if spec.ngrams and not spec.ngram_buckets:
        n_buckets = choose_buckets(embedded.rows(documents[0]), spec.ngrams)
        spec = replace(spec, ngram_buckets=n_buckets)
    return _Task(
        spec=spec,
        classes=all_classes,
        embedded=embedded,
        training=_examples(*documents, all_classes, spec, embedded, "y"),
        validation=held_out and _examples(*held_out, all_classes, spec, embedded, "y_val"),
        rows=rows,
    )


def document_weights(
    estimator: LSTMTextClassifier,
    y: NDArray[Any],
    X: NDArray[Any],
    sample_weight: ArrayLike | None,
) -> NDArray[np.float64]:
    """Return the product of class weight and sample weight of each document."""
    weights = _scaled(
        check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
    )
    if estimator.class_weight is None:
        return weights
    _validation.check_class_weight(estimator.class_weight)
    return weights * _scaled(compute_sample_weight(estimator.class_weight, y))


def _scaled(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return weights times a power of two, which changes no digit, so that no sum overflows."""
    return np.ldexp(weights, -np.frexp(weights.max())[1])


def draw_seed(random_state: Any) -> int:
    """Return a seed from `random_state`; from the operating system, not numpy's state, if None."""
    if random_state is None:
        return int(np.random.SeedSequence().generate_state(1)[0])
    return int(check_random_state(random_state).randint(2**31 - 1))


def validation_documents(
    estimator: LSTMTextClassifier, X_val: Any, y_val: Any
) -> tuple[Ids, NDArray[Any], NDArray[np.float64]] | None:
    """Return the ids, labels and weights that the user validates on, if any."""
    if X_val is None and y_val is None:
        return None
    if X_val is None or y_val is None:
        given, absent = ("X_val", "y_val") if y_val is None else ("y_val", "X_val")
        raise ValueError(f"{given} was passed without {absent}; pass both, or neither.")
    ids = _validation.check_ids(estimator, X_val)
    return ids, _validation.check_labels(y_val, len(ids), "y_val"), np.ones(len(ids))


def _examples(
    ids: Ids,
    y: NDArray[Any],
    weights: NDArray[np.float64],
    classes: NDArray[Any],
    spec: NetworkSpec,
    embedded: Embedded,
    name: str,
) -> Examples:
    mean_weight = weights.mean()
    if mean_weight == 0:
        raise ValueError(f"All the documents of {name} have weight 0; give some a positive one.")
    aligned, lengths = network_inputs(embedded.rows(ids), spec)
    return Examples(
        aligned,
        _validation.encode_labels(y, classes, spec.n_outputs, name),
        (weights / mean_weight).astype(np.float32),
        lengths,
    )


def network_inputs(ids: Ids, spec: NetworkSpec) -> tuple[Ids, NDArray[np.int64]]:
    """Return ids as a network of `spec` takes them, and how many of each row it must read.

    Ids outside the vocabulary become the unknown token.
    """
    narrow = np.where(ids < spec.vocab_size, ids, OOV_ID).astype(np.int32)
    if spec.mask_padding:
        return left_align(narrow)
    return narrow, np.full(len(ids), ids.shape[1])
