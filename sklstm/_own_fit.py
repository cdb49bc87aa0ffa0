"""Turn the parameters and the data of a network of one's own into a trained network."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from sklstm import _validation
from sklstm._fit import document_weights, draw_seed, validation_documents
from sklstm._own_data import Documents, described, split
from sklstm._own_network import Network

if TYPE_CHECKING:
    from sklstm.scikeras import KerasTextClassifier

# Parameters that scikeras has no part in.
_OURS = {"class_weight", "invalid_ids", "validation_split", "vocab_size"}


def fit_state(
    estimator: KerasTextClassifier,
    X: Any,
    y: Any,
    *,
    sample_weight: ArrayLike | None = None,
    X_val: Any = None,
    y_val: Any = None,
    classes: ArrayLike | None = None,
    epochs: int | None = None,
    goes_on: bool = False,
    is_partial: bool = False,
    network: Network | None = None,
) -> dict[str, Any]:
    """Train, and return the fitted attributes by name.

    Parameters
    ----------
    estimator : KerasTextClassifier
        Whose parameters, and fitted attributes if `goes_on`, are used. Only
        ``n_features_in_`` and ``feature_names_in_`` are set on it.
    X, y, sample_weight, X_val, y_val
        As in `KerasTextClassifier.fit`.
    classes : array-like, optional
        As in `KerasTextClassifier.partial_fit`.
    epochs : int, optional
        In place of the parameter of the estimator; 0 builds the network and leaves it untrained.
    goes_on : bool
        Whether to start from the estimator's weights.
    is_partial : bool
        Whether to train for one epoch, and keep the optimizer's state for the next call.
    network : Network, optional
        What the call before has left, to be trained on; None for a new one.

    Returns
    -------
    attributes : dict of str to object
        The network, arrays, strings, numbers, and lists and dicts of them.
    """
    model = estimator.model
    if not (inspect.isfunction(model) or isinstance(model, functools.partial)):
        raise TypeError(
            f"model={model!r:.80} must be a function that returns a keras.Model, so that each fit "
            "starts from a new one: def network(meta): return keras.Sequential(...)."
        )
    seed = estimator._seed if goes_on else draw_seed(estimator.random_state)
    call = estimator._n_calls if goes_on else 0
    build_seed, order_seed, split_seed = (
        np.random.SeedSequence([seed, call]).generate_state(3).tolist()
    )
    numbers = _validation.check_numbers(estimator, X, reset=not goes_on)
    labels = _validation.check_labels(y, len(numbers))
    weights = document_weights(estimator, labels, numbers, sample_weight)
    known = estimator.classes_ if goes_on else _validation.check_classes(labels, weights, classes)
    ids = _validation.as_ids(numbers, estimator.invalid_ids, type(estimator).__name__)
    meta = estimator._meta if goes_on else described(ids, labels, known, estimator.vocab_size)
    training, validation = split(
        Documents(ids, labels, weights),
        validation_documents(estimator, X_val, y_val),
        0.0 if is_partial else estimator.validation_split,
        meta["vocab_size_"],
        split_seed,
    )
    if network is None:
        built_with = _scikeras_parameters(estimator)
        network = Network(built_with, meta, build_seed)
        if goes_on:
            network.load(estimator.weights_)
    else:
        built_with = estimator._built_with
    history: dict[str, list[float]] = {"loss": []}
    n_epochs = 1 if is_partial else estimator.epochs if epochs is None else epochs
    if n_epochs:
        history = network.train(
            training,
            validation,
            epochs=n_epochs,
            batch_size=estimator.batch_size,
            shuffle=estimator.shuffle,
            seed=order_seed,
        )
    return {
        "classes_": meta["classes_"],
        "vocab_size_": meta["vocab_size_"],
        "weights_": network.state(),
        "history_": history,
        "loss_curve_": history["loss"],
        "n_iter_": len(history["loss"]),
        "_network": network,
        "_meta": meta,
        "_built_with": built_with,
        "_seed": seed,
        "_n_calls": call + 1,
        "_optimizer_state": network.optimizer_state() if is_partial else None,
    }


def _scikeras_parameters(estimator: KerasTextClassifier) -> dict[str, Any]:
    parameters = estimator.get_params(deep=False)
    return {name: value for name, value in parameters.items() if name not in _OURS}
