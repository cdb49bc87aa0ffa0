"""KerasTextClassifier: a custom Keras model as a scikit-learn classifier."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from sklstm._base import SHARED_CONSTRAINTS, BaseTextClassifier, Seeds
from sklstm._network.custom import BaseWrapper, CustomNetwork, batch_rows, seeded_generators
from sklstm._network.embedding_table import clip_ids
from sklstm._network.network import BaseNetwork, Logs
from sklstm._network.spec import Floats, Weights
from sklstm._persistence import unpack_state
from sklstm._runtime import check_fork, keras
from sklstm._sklearn import Interval, Options, StrOptions
from sklstm._training import data as prepare
from sklstm._training.data import Documents, Examples, TrainingData, TrainingRun
from sklstm._validation import check_ids
from sklstm._vocabulary import OOV_ID

__all__ = ["KerasTextClassifier"]


class KerasTextClassifier(BaseTextClassifier, BaseWrapper):
    """Classify texts, given as token ids, with a custom Keras model.

    It can be used like `LSTMTextClassifier`, in pipelines after `TextSequencer`, searches,
    `compare` and ``joblib.dump``. Parameters with a prefix are routed as in scikeras [1]_:
    ``model__filters=64`` sets the argument `filters` of the function that builds the model, and
    ``optimizer__learning_rate=0.01`` sets an argument of the optimizer. If a loss or callback is
    given as a class, ``loss__from_logits=True`` or ``callbacks__patience=2`` sets an argument of
    its constructor.

    Parameters
    ----------
    model : callable
        Function that returns a ``keras.Model``, compiled or not. If it has an argument `meta`, it
        receives a dict with ``n_features_in_`` (ids per document), ``vocab_size_``, ``classes_``,
        ``is_multilabel_``, ``n_output_units_`` and ``output_activation_``. The last two describe
        the output layer: one unit and "sigmoid" for two classes, one unit per class and "softmax"
        for more classes, one unit per label and "sigmoid" for multilabel data. To save the
        classifier, the function must be importable, so it cannot be a lambda.
    optimizer : str, keras.optimizers.Optimizer or class, default="adam"
        Optimizer. If the function returns a compiled model, `optimizer`, `loss`, `metrics` and
        `run_eagerly` are ignored.
    loss : str, keras.losses.Loss, class, callable or None, default=None
        Loss; None selects the cross-entropy that matches ``output_activation_``.
    metrics : list or None, default=None
        Metrics in ``history_``; None for accuracy. Training metrics are averaged over batches.
    epochs : int or "auto", default=10
        Number of passes over the documents; the maximum number with early stopping. "auto" runs
        about 400 optimizer steps, or 50 steps per class if there are more than eight classes or
        labels, in 3 to 20 epochs.
    batch_size : int or None, default=64
        Maximum number of documents per optimizer step; None for 32, -1 for all documents.
    learning_rate_schedule : {"constant", "one_cycle"}, default="constant"
        "one_cycle" increases the learning rate to that of the optimizer in the first quarter of
        training, and then decreases it to almost zero. `partial_fit` uses a constant rate.
    average_weights : bool, default=False
        Whether to use the mean of the trainable weights over the steps of an epoch as the result of
        the epoch.
    class_weight : dict, "balanced" or None, default=None
        Weight of each class in the loss; "balanced" for weights inversely proportional to the class
        frequencies. Not supported for multilabel data.
    early_stopping : bool, default=False
        Whether to stop training when the score on a validation set no longer improves, and to
        restore the weights of the best epoch. `fit` warns if the validation set has fewer than five
        documents of a class.
    validation_fraction : float, default=0.1
        Fraction of the documents that are used as the validation set for early stopping, stratified
        by class, or by the rarest label of each document. Ignored if `X_val` is passed to `fit`.
    n_iter_no_change : int, default=5
        Number of epochs without improvement after which early stopping ends training. Epochs in
        which the learning rate still increases do not count.
    tol : float, default=1e-4
        Minimum increase of the validation score that counts as an improvement.
    scoring : str or callable, default="loss"
        Validation score for early stopping: "loss" is the negative loss of the model. Others are a
        name of a scorer of scikit-learn, such as "f1_macro" or "average_precision", or a callable
        ``scorer(classifier, X, y)``, whose classifier can only predict the validation set. Equal
        scores are compared by the loss.
    threshold : float, array-like of shape (n_labels,) or "auto", default="auto"
        Probability from which on `predict` returns a label of multilabel data, or the second of two
        classes. "auto" is 0.5 for two classes. For multilabel data it chooses a threshold for each
        label, which increases the F1 score: on the validation set, if there is one, and otherwise
        on a fifth of the documents, after an additional fit to the others, which almost doubles the
        training time. With fewer than 50 documents, "auto" is 0.5.
    callbacks : keras.callbacks.Callback, class, list or dict of them, or None, default=None
        Keras callbacks. From a class, such as ``callbacks=keras.callbacks.EarlyStopping``, each fit
        creates a new callback, with the parameters that start with ``callbacks__``.
    shuffle : bool, default=True
        Whether each epoch has a new random order of the documents.
    run_eagerly : bool, default=False
        Whether Keras runs the model without compiling it, for debugging.
    vocab_size : int or None, default=None
        Size of the id space. Ids outside it are treated as the out-of-vocabulary token. None infers
        the size from the largest id in X.
    invalid_ids : {"error", "unknown"}, default="error"
        Treatment of negative and fractional numbers in X: "error" raises an error, and "unknown"
        treats them as the out-of-vocabulary token.
    warm_start : bool, default=False
        Whether `fit` starts from the weights of the previous call.
    random_state : int, RandomState instance or None, default=None
        Source of all randomness: initial weights, dropout, document order, validation split.
    verbose : {0, 1, 2, "auto"}, default=0
        0 shows nothing, 1 a progress bar with the remaining time, and 2 one line per epoch; "auto"
        is 1. Where a bar cannot be redrawn, such as in a log file, 1 also shows lines.
    **routed : object
        Parameters with the prefix of their destination, such as ``model__filters``. Parameters
        without a prefix are passed to `model`.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The sorted class labels; the column indices if y is a label indicator matrix.
    n_features_in_ : int
        Number of ids per row of X.
    feature_names_in_ : ndarray of str of shape (n_features_in_,)
        Column names of X, if all of them are strings.
    vocab_size_ : int
        Size of the id space.
    n_parameters_ : int
        Number of weights of the model.
    model_ : keras.Model
        The fitted model. After a saved classifier is loaded, `model` is called to build it again.
    weights_ : dict of str to ndarray
        The variables of the model by their paths in Keras.
    history_ : dict of str to list of float
        One value per epoch for the loss and each metric; metrics of the validation set have the
        prefix ``"val_"``. "val_score" is the validation score for early stopping with another
        `scoring` than "loss".
    loss_curve_ : list of float
        ``history_["loss"]``.
    n_iter_ : int
        Number of epochs in the last call of `fit` or `partial_fit`.
    thresholds_ : ndarray of float64 of shape (n_labels,) or (1,)
        Probability of each label from which on it is predicted, or of the second of two classes.
    best_validation_score_ : float
        Best validation score according to `scoring`. Defined only with early stopping.
    best_epoch_ : int
        Epoch of the best validation score, whose weights were restored, counted from 1. Defined
        only with early stopping.

    See Also
    --------
    LSTMTextClassifier : LSTM network that trains several times as fast and can be saved with skops.
    TextSequencer : Converts texts to token ids.

    Notes
    -----
    This class adds features that scikeras 0.13 lacks with current scikit-learn: stratified folds,
    tags, validation of X and y, class weights together with sample weights, seeds that do not
    affect global generators, and saved models that contain weights instead of archives. Importing
    scikeras changes how Keras models are pickled in the whole process; importing this class reverts
    the change.

    References
    ----------
    .. [1] A. Garcia Badaracco, scikeras, https://github.com/adriangb/scikeras

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklstm import KerasTextClassifier, TextSequencer
    >>> def network(meta, filters=8):
    ...     import keras
    ...
    ...     return keras.Sequential([
    ...         keras.layers.Embedding(meta["vocab_size_"], 8),
    ...         keras.layers.Conv1D(filters, 2, padding="same", activation="relu"),
    ...         keras.layers.GlobalMaxPooling1D(),
    ...         keras.layers.Dense(
    ...             meta["n_output_units_"], activation=meta["output_activation_"]),
    ...     ])
    >>> texts = ["a fine film", "a dull film", "fine and moving", "dull and slow"]
    >>> model = make_pipeline(
    ...     TextSequencer(),
    ...     KerasTextClassifier(
    ...         network, model__filters=16, epochs=30, optimizer__learning_rate=0.02, random_state=0
    ...     ),
    ... )
    >>> labels = ["good", "bad", "good", "bad"]
    >>> model.fit(texts, labels).predict(["a fine story"]).tolist()
    ['good']
    >>> model.predict_proba(["a fine story"]).shape
    (1, 2)
    >>> ids = model[0].transform(texts)
    >>> model[-1].partial_fit(ids, labels).model_.count_params()
    361
    >>> KerasTextClassifier(network).initialize(ids, labels).n_iter_  # its weights are random
    0
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "batch_size": [Interval(Integral, 1, None, closed="left"), Options(Integral, {-1}), None],
        "shuffle": ["boolean"],
        "run_eagerly": ["boolean"],
        "verbose": [Interval(Integral, 0, 2, closed="both"), "boolean", StrOptions({"auto"})],
        **SHARED_CONSTRAINTS,
    }
    _derived = frozenset({"_network"})

    def __init__(
        self,
        model: Callable[..., keras.Model] | None = None,
        *,
        optimizer: str | keras.optimizers.Optimizer | type = "adam",
        loss: str | keras.losses.Loss | type | Callable[..., object] | None = None,
        metrics: list[object] | None = None,
        epochs: int | str = 10,
        batch_size: int | None = 64,
        learning_rate_schedule: str = "constant",
        average_weights: bool = False,
        class_weight: dict[object, float] | str | None = None,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        tol: float = 1e-4,
        scoring: str | Callable[..., float] = "loss",
        threshold: float | ArrayLike | str = "auto",
        callbacks: object = None,
        shuffle: bool = True,
        run_eagerly: bool = False,
        vocab_size: int | None = None,
        invalid_ids: str = "error",
        warm_start: bool = False,
        random_state: int | np.random.RandomState | None = None,
        verbose: int | str = 0,
        **routed: object,
    ) -> None:
        self.model = model
        self.optimizer = optimizer
        self.loss = loss
        self.metrics = metrics
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate_schedule = learning_rate_schedule
        self.average_weights = average_weights
        self.class_weight = class_weight
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.scoring = scoring
        self.threshold = threshold
        self.callbacks = callbacks
        self.shuffle = shuffle
        self.run_eagerly = run_eagerly
        self.vocab_size = vocab_size
        self.invalid_ids = invalid_ids
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose
        self.__dict__.update(routed)

    def initialize(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Build the model without training it, for example to set its weights afterwards.

        Parameters
        ----------
        X : array-like of int of shape (n_documents, n_ids)
            Token ids.
        y : array-like of shape (n_documents,) or (n_documents, n_labels)
            Class labels.

        Returns
        -------
        self : KerasTextClassifier
            The classifier, ready to predict.

        Raises
        ------
        ValueError, TypeError
            As `fit`.
        """
        self._validate_params()
        return self._train(X, y, epochs=0)

    @property
    def model_(self) -> keras.Model:
        """The fitted model.

        Raises
        ------
        AttributeError
            If the classifier is not fitted.
        """
        if not hasattr(self, "weights_"):
            raise AttributeError("model_ exists after fit only; call fit first.")
        return self._fitted_network().model

    __repr__ = BaseEstimator.__repr__  # The one of scikeras prints all parameters.

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(unpack_state(state, type(self)))

    def _fitted_network(self) -> CustomNetwork:
        """Return the fitted network; it is built again after loading."""
        check_fork()
        if not hasattr(self, "_network"):
            network = CustomNetwork(self._built_with, self._meta, self._seed)
            network.load(self.weights_)
            if self._optimizer_state is not None:
                network.load_optimizer_state(self._optimizer_state["values"])
            self._network = network
        return self._network

    def _apply(self, kind: str, X: ArrayLike) -> Floats:
        check_is_fitted(self)
        ids = clip_ids(check_ids(self, X), self.vocab_size_)
        return self._fitted_network().scorer(kind, {})(ids)

    def _prepare(
        self, data: TrainingData, seeds: Seeds, resume: bool, is_partial: bool, n_ids: int | None
    ) -> TrainingRun:
        if not (inspect.isfunction(self.model) or isinstance(self.model, functools.partial)):
            raise TypeError(
                f"model={self.model!r:.80} must be a function that returns a keras.Model, a new "
                "one for each fit: def network(meta): return keras.Sequential(...)."
            )
        if data.training.label_weights is not None:
            raise ValueError(
                "class_weight cannot weigh the labels of multilabel data in the loss of a custom "
                "model. Pass a weighted loss, sample_weight, or use LSTMTextClassifier."
            )
        if resume and is_partial:
            meta, built_with, network = self._meta, self._built_with, self._fitted_network()
        else:
            meta = self._meta if resume else self._describe(data, n_ids)
            built_with = self._scikeras_parameters()
            network = CustomNetwork(built_with, meta, seeds.weights)
            if resume:
                network.load(self.weights_)

        def encode(documents: Documents, name: str) -> Examples:
            weights = documents.normalized_weights(name)
            # Keras would use documents of weight 0 for the statistics of batch normalization.
            kept = documents.take(np.flatnonzero(weights))
            ids = clip_ids(kept.ids, meta["vocab_size_"])
            targets = prepare.encode_labels(kept.labels, data.classes, network.n_outputs, name)
            lengths = np.full(len(ids), ids.shape[1])
            return Examples(ids, targets, kept.normalized_weights(name), lengths)

        @contextmanager
        def training_network() -> Iterator[BaseNetwork]:
            with seeded_generators(seeds.order):
                network.prepare_training()
                yield network
                network.finish_training()

        def validation_logits(_: BaseNetwork, examples: Examples) -> Floats:
            return network.scorer("logits", {})(examples.ids)

        def evaluate(_: BaseNetwork, examples: Examples, logits: Callable[[], Floats]) -> Logs:
            return network.evaluate(examples.ids, examples.targets, examples.weights)

        def fitted_attributes(_: Weights) -> dict[str, Any]:
            n_parameters, vocab_size = network.model.count_params(), meta["vocab_size_"]
            built = {"_meta": meta, "_built_with": built_with}
            return {"vocab_size_": vocab_size, "n_parameters_": n_parameters, **built}

        training = encode(data.training, "y")
        optimizer = network.model.optimizer
        return TrainingRun(
            training=training,
            validation=None if data.validation is None else encode(data.validation, "y_val"),
            batch_size=batch_rows(self.batch_size, len(training.ids)),
            peak_rate=float(keras.ops.convert_to_tensor(optimizer.learning_rate)),
            optimizer=type(optimizer).__name__,
            callbacks=network.make_callbacks(),
            network=training_network(),
            logits=validation_logits,
            evaluate=evaluate,
            fitted_attributes=fitted_attributes,
            shuffle=self.shuffle,
            derived_attributes={"_network": network},
        )

    def _describe(self, data: TrainingData, n_ids: int | None) -> dict[str, Any]:
        """Return the properties of the data that the model function may use."""
        size = self.vocab_size or n_ids or max(int(data.ids.max()), OOV_ID) + 1
        return {
            "n_features_in_": data.ids.shape[1],
            "vocab_size_": size,
            "classes_": data.classes,
            "is_multilabel_": data.is_multilabel,
            "n_output_units_": data.n_outputs,
            "output_activation_": data.output_activation,
        }

    def _scikeras_parameters(self) -> dict[str, Any]:
        """Return the parameters of scikeras, including the routed ones."""
        own = inspect.signature(type(self)).parameters.keys()
        of_scikeras = inspect.signature(BaseWrapper).parameters.keys()
        parameters = self.get_params(deep=False)
        for name in parameters:
            if name in of_scikeras and name not in own:
                raise TypeError(
                    f"{name} is a parameter of scikeras that KerasTextClassifier lacks. Remove it. "
                    "For validation, use early_stopping and validation_fraction, or X_val of fit."
                )
        return {n: v for n, v in parameters.items() if n in of_scikeras or n not in own}
