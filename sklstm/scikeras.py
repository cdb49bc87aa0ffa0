"""KerasTextClassifier: a Keras network of your own in the place of the LSTM, on scikeras."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, ClassVar, Self

from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import Tags

from sklstm import _validation
from sklstm._own_fit import fit_state
from sklstm._own_fitted import FittedOwnNetwork
from sklstm._own_network import BaseWrapper as BaseWrapper
from sklstm._runtime import keras
from sklstm._sklearn import Interval, Options, StrOptions, fit_context, rollback_on_error

__all__ = ["KerasTextClassifier"]


class KerasTextClassifier(ClassifierMixin, FittedOwnNetwork, BaseWrapper):
    """Classify texts, given as token ids, by a Keras network of your own.

    It takes the place of `LSTMTextClassifier` after a `TextSequencer`: in pipelines, searches,
    `compare` and ``joblib.dump``. Parameters reach the network as in scikeras [1]_:
    ``model__filters=64`` is the argument `filters` of the function that builds it,
    ``optimizer__learning_rate=0.01`` one of the optimizer, ``loss__from_logits=True`` and
    ``callbacks__patience=2`` those of a loss and a callback given as classes.

    Parameters
    ----------
    model : callable
        Function that returns a ``keras.Model``, compiled or not. If it has an argument `meta`, it
        gets a dict with ``n_features_in_`` (ids a document), ``vocab_size_``, ``classes_``,
        ``n_output_units_`` and ``output_activation_`` (what the last layer needs: 1 and "sigmoid"
        for two classes, one a class and "softmax" for more, one a label and "sigmoid" for
        several labels a document). To be saved it must be importable, so no lambda.
    optimizer : str, keras.optimizers.Optimizer or class, default="adam"
        Of a network that is not compiled yet, as are `loss`, `metrics` and `run_eagerly`.
    loss : str, keras.losses.Loss, class, callable or None, default=None
        None for the cross-entropy that goes with ``output_activation_``.
    metrics : list or None, default=None
        Shown in ``history_``; None for accuracy.
    epochs : int, default=10
        How often each document is read.
    batch_size : int or None, default=64
        Most documents a step; None for 32, -1 for all.
    class_weight : dict, "balanced" or None, default=None
        Weight of each class in the loss; "balanced" for inversely proportional to frequency.
    validation_split : float, default=0.0
        Share of the documents to score after each epoch instead of training on them, stratified by
        class; not used where `fit` is given `X_val`.
    callbacks : keras.callbacks.Callback, class, list or dict of them, or None, default=None
        Called while training; ``callbacks=keras.callbacks.EarlyStopping`` makes a new one for each
        fit, with the arguments that begin with ``callbacks__``.
    shuffle : bool, default=True
        Whether to train in another order in each epoch.
    run_eagerly : bool, default=False
        Whether Keras runs the network without compiling it, for debugging.
    vocab_size : int or None, default=None
        Size of the id space; ids from there on count as unknown. None takes it from the largest id
        in X.
    invalid_ids : {"error", "unknown"}, default="error"
        What to do with negative and fractional numbers in X: raise an error, or read them as the
        unknown token.
    warm_start : bool, default=False
        Whether `fit` goes on from the weights of the previous call.
    random_state : int, RandomState instance or None, default=None
        Source of all randomness: initial weights, dropout, order of documents, validation split.
    verbose : {0, 1, 2, "auto"}, default=0
        Show nothing, a progress bar with the time that is left, or a line an epoch; "auto" is 1.
        Where no bar can be redrawn, as in a log file, 1 gives the lines as well.
    **routed : object
        Parameters with the prefix of where they go, such as ``model__filters``; those without a
        prefix go to `model`.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The class labels, sorted; the numbers of the columns if y is a label indicator.
    n_features_in_ : int
        Ids a row in X.
    feature_names_in_ : ndarray of str of shape (n_features_in_,)
        Names of the columns of X, where it has them.
    vocab_size_ : int
        Size of the id space.
    model_ : keras.Model
        The fitted network; after loading built anew by `model`.
    weights_ : list of ndarray
        Its variables.
    history_ : dict of str to list of float
        A value an epoch of the loss and of each metric; those of validation begin with ``"val_"``.
    loss_curve_ : list of float
        ``history_["loss"]``.
    n_iter_ : int
        Epochs trained in the last call.

    See Also
    --------
    LSTMTextClassifier : Needs no function, trains several times as fast, and can be stored safely.
    TextSequencer : Makes token ids of texts.

    Notes
    -----
    What scikeras 0.13 lacks on current scikit-learn is done here: stratified folds, tags, checks of
    X and y, class weights beside sample weights, seeds that leave global generators alone,
    weights instead of archives in saved models. Importing scikeras changes how all Keras models of
    the process are pickled; that is undone.

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
        "epochs": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [
            Interval(Integral, 1, None, closed="left"),
            Options(Integral, {-1}),
            None,
        ],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "validation_split": [Interval(Real, 0, 1, closed="left")],
        "shuffle": ["boolean"],
        "run_eagerly": ["boolean"],
        "vocab_size": [Interval(Integral, 2, None, closed="left"), None],
        "invalid_ids": [StrOptions({"error", "unknown"})],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "verbose": [Interval(Integral, 0, 2, closed="both"), "boolean", StrOptions({"auto"})],
    }

    def __init__(
        self,
        model: Callable[..., keras.Model] | None = None,
        *,
        optimizer: Any = "adam",
        loss: Any = None,
        metrics: Any = None,
        epochs: int = 10,
        batch_size: int | None = 64,
        class_weight: Any = None,
        validation_split: float = 0.0,
        callbacks: Any = None,
        shuffle: bool = True,
        run_eagerly: bool = False,
        vocab_size: int | None = None,
        invalid_ids: str = "error",
        warm_start: bool = False,
        random_state: Any = None,
        verbose: int | str = 0,
        **routed: Any,
    ) -> None:
        self.model = model
        self.optimizer = optimizer
        self.loss = loss
        self.metrics = metrics
        self.epochs = epochs
        self.batch_size = batch_size
        self.class_weight = class_weight
        self.validation_split = validation_split
        self.callbacks = callbacks
        self.shuffle = shuffle
        self.run_eagerly = run_eagerly
        self.vocab_size = vocab_size
        self.invalid_ids = invalid_ids
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose
        self.__dict__.update(routed)

    @fit_context
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        X_val: ArrayLike | None = None,
        y_val: ArrayLike | None = None,
    ) -> Self:
        """Build the network and train it.

        Parameters
        ----------
        X : array-like of int of shape (n_documents, n_ids)
            Token ids: 0 is padding, 1 the unknown token.
        y : array-like of shape (n_documents,) or (n_documents, n_labels)
            Class labels of any type; or an indicator (0, 1) of several labels a document.
        sample_weight : array-like of shape (n_documents,), default=None
            Weight of each document in the loss.
        X_val : array-like of int of shape (n_validation, n_ids), default=None
            Documents to score after each epoch.
        y_val : array-like, default=None
            Their labels.

        Returns
        -------
        self : KerasTextClassifier
            Fitted; if an error or Ctrl-C ends the call, as before it.

        Raises
        ------
        ValueError
            If a parameter, X or y is not as described, the network does not fit the classes, or
            the loss becomes infinite.
        TypeError
            If `model` is no function, or does not return a ``keras.Model``.
        """
        goes_on = self.warm_start and hasattr(self, "weights_")
        return self._train(
            X, y, sample_weight=sample_weight, X_val=X_val, y_val=y_val, goes_on=goes_on
        )

    @fit_context
    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Train for one epoch on some of the documents.

        Parameters
        ----------
        X : array-like of int of shape (n_documents, n_ids)
            Token ids. The first call settles the size of the vocabulary: set `vocab_size` if
            its documents may not hold the largest id.
        y : array-like of shape (n_documents,) or (n_documents, n_labels)
            Class labels.
        classes : array-like of shape (n_classes,), default=None
            All classes that will ever occur; needed in the first call, unless y is a label
            indicator.
        sample_weight : array-like of shape (n_documents,), default=None
            Weight of each document in the loss.

        Returns
        -------
        self : KerasTextClassifier
            Fitted; if an error or Ctrl-C ends the call, as before it.

        Raises
        ------
        ValueError, TypeError
            As `fit`; and if balanced class weights are asked for, which need all the documents.
        """
        if self.class_weight == "balanced":
            raise ValueError(
                "partial_fit sees a part of the documents and does not support "
                "class_weight='balanced'. Use fit, or pass sample_weight."
            )
        goes_on = hasattr(self, "weights_")
        _validation.check_classes_of_call(self.classes_ if goes_on else None, classes, y)
        return self._train(
            X, y, sample_weight=sample_weight, classes=classes, goes_on=goes_on, is_partial=True
        )

    def initialize(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Build the network for documents without training it, as for one with ready weights.

        Parameters
        ----------
        X : array-like of int of shape (n_documents, n_ids)
            Token ids.
        y : array-like of shape (n_documents,) or (n_documents, n_labels)
            Class labels.

        Returns
        -------
        self : KerasTextClassifier
            Ready to predict.

        Raises
        ------
        ValueError, TypeError
            As `fit`.
        """
        self._validate_params()
        return self._train(X, y, epochs=0)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.categorical = True
        tags.input_tags.positive_only = self.invalid_ids == "error"
        tags.classifier_tags.multi_label = True
        return tags

    __repr__ = BaseEstimator.__repr__  # That of scikeras writes out all parameters.

    def _train(
        self, X: Any, y: Any, *, goes_on: bool = False, is_partial: bool = False, **how: Any
    ) -> Self:
        network = None
        if goes_on and is_partial:
            # Training changes it. If that fails, another one is built from the weights.
            network = self._fitted_network()
            del self._network
        with rollback_on_error(self):
            attributes = fit_state(
                self, X, y, goes_on=goes_on, is_partial=is_partial, network=network, **how
            )
            self.__dict__.update(attributes)
        return self
