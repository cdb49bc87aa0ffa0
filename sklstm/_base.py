"""BaseTextClassifier: the common base class of the text classifiers."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from collections.abc import Callable
from copy import copy
from dataclasses import replace
from functools import cache, partial
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import check_scoring, get_scorer_names
from sklearn.utils import Tags

from sklstm import _runtime, _sklearn
from sklstm import _validation as check
from sklstm._network.spec import probabilities
from sklstm._persistence import pack_state
from sklstm._sklearn import CallbackSupportMixin, Interval, StrOptions, fit_context
from sklstm._token_ids import TokenIds, tokens_of
from sklstm._training import data as prepare
from sklstm._training.data import Documents, Examples, TrainingData, TrainingRun
from sklstm._training.thresholds import choose_thresholds

if TYPE_CHECKING:
    from sklstm._network.network import BaseNetwork, Logs
    from sklstm._network.spec import Floats, Weights
    from sklstm._training.loop import History

Thresholds = NDArray[np.float64]

_POSITIVE = [Interval(Integral, 1, None, closed="left")]
# Multilabel thresholds without validation data: fraction of the documents on which they are chosen,
# after a fit to the others, and the number of documents from which on this is done.
_THRESHOLD_FRACTION = 0.2
_MIN_DOCUMENTS_FOR_THRESHOLDS = 50

#: Constraints on the parameters that all text classifiers share.
SHARED_CONSTRAINTS: dict[str, list[Any]] = {
    "vocab_size": [Interval(Integral, 2, None, closed="left"), None],
    "invalid_ids": [StrOptions({"error", "unknown"})],
    "learning_rate_schedule": [StrOptions({"constant", "one_cycle"})],
    "epochs": [*_POSITIVE, StrOptions({"auto"})],
    "average_weights": ["boolean"],
    "class_weight": [dict, list, StrOptions({"balanced"}), None],
    "early_stopping": ["boolean"],
    "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
    "n_iter_no_change": _POSITIVE,
    "tol": [Interval(Real, 0, None, closed="left")],
    "scoring": [StrOptions({"loss"} | set(get_scorer_names())), callable],
    "threshold": [Interval(Real, 0, 1, closed="neither"), "array-like", StrOptions({"auto"})],
    "warm_start": ["boolean"],
    "random_state": ["random_state"],
}


class Seeds(NamedTuple):
    """Seeds of one call of `fit` or `partial_fit`."""

    weights: int
    order: int
    dropout: int
    split: int
    vectors: int
    thresholds: int


class BaseTextClassifier(ClassifierMixin, CallbackSupportMixin, BaseEstimator, metaclass=ABCMeta):
    """Base class of the classifiers of token ids.

    It validates the data, splits off validation data, seeds and trains a network, and predicts.
    Subclasses define the parameters, and implement `_prepare` and `_apply` for their network.
    """

    _parameter_constraints: ClassVar[dict[str, Any]]
    # Attributes that can be recomputed from others. They are not copied, not saved, and not
    # restored after an error.
    _derived: ClassVar[frozenset[str]] = frozenset()

    classes_: check.Labels
    thresholds_: Thresholds
    weights_: Weights
    vocab_size_: int
    _is_multilabel: bool

    @check.explain_unknown_arguments
    @fit_context
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        X_val: ArrayLike | None = None,
        y_val: ArrayLike | None = None,
    ) -> Self:
        """Train the network.

        Parameters
        ----------
        X : array-like of int of shape (n_documents, n_ids)
            Token ids: 0 is padding, on either side, and 1 the out-of-vocabulary token. Floats with
            integral values are accepted.
        y : array-like of shape (n_documents,) or (n_documents, n_labels)
            Class labels of any type, or a label indicator of 0 and 1 for multilabel data.
        sample_weight : array-like of shape (n_documents,), default=None
            Weight of each document in the loss. A weight of 2 corresponds to passing the document
            twice.
        X_val : array-like of int of shape (n_validation, n_ids), default=None
            Validation documents, which are evaluated after each epoch and used for early stopping.
        y_val : array-like, default=None
            Labels of the validation documents.

        Returns
        -------
        self : estimator
            The fitted classifier. If an error or Ctrl-C ends the call, the classifier is unchanged.

        Raises
        ------
        ValueError
            If a parameter, X or y is invalid, if y has only one class, or if the loss becomes
            infinite.
        TypeError
            If X is sparse, or a callback is not a Keras callback.

        Warns
        -----
        UserWarning
            If X looks like word counts, if y is a one-hot encoding of classes, or if the validation
            set of early stopping has few documents of a class.
        """
        check.warn_of_one_hot(y)
        resume = self.warm_start and hasattr(self, "weights_")
        return self._train(X, y, sample_weight, (X_val, y_val), resume=resume)

    @check.explain_unknown_arguments
    @fit_context
    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Train for one epoch on a batch of documents.

        The first call determines the size of the vocabulary. Set `vocab_size` if the documents of
        the first call may not contain the largest id.

        Parameters
        ----------
        X : array-like of int of shape (n_documents, n_ids)
            Token ids.
        y : array-like of shape (n_documents,) or (n_documents, n_labels)
            Class labels, or a label indicator.
        classes : array-like of shape (n_classes,), default=None
            All classes that can occur in any call. Required in the first call, unless y is a label
            indicator matrix.
        sample_weight : array-like of shape (n_documents,), default=None
            Weight of each document in the loss.

        Returns
        -------
        self : estimator
            The fitted classifier. If an error or Ctrl-C ends the call, the classifier is unchanged.

        Raises
        ------
        ValueError
            As `fit`. Also with ``early_stopping=True`` or ``class_weight="balanced"``, which need
            all documents.
        TypeError
            As `fit`.

        Examples
        --------
        >>> from sklstm import LSTMTextClassifier
        >>> classifier = LSTMTextClassifier(units=4, embedding_dim=3, vocab_size=5)
        >>> for ids, labels in [([[2, 3]], ["good"]), ([[4, 3]], ["bad"])]:
        ...     classifier = classifier.partial_fit(ids, labels, classes=["bad", "good"])
        >>> classifier.classes_.tolist()
        ['bad', 'good']
        """
        return self._partial_fit(X, y, classes, sample_weight)

    def _partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        classes: ArrayLike | None,
        sample_weight: ArrayLike | None = None,
        n_ids: int | None = None,
    ) -> Self:
        """Implement `partial_fit`; `n_ids` is the vocabulary size of a new network."""
        # fit_context does not validate the parameters when partial_fit resumes training.
        self._validate_params()
        for name, value in (("early_stopping", True), ("class_weight", "balanced")):
            if getattr(self, name) == value:
                raise ValueError(
                    f"partial_fit trains on a part of the documents and does not support {name}="
                    f"{value!r}. Use fit, or pass sample_weight."
                )
        resume = hasattr(self, "weights_")
        check.check_classes_of_call(self.classes_ if resume else None, classes, y)
        return self._train(
            X, y, sample_weight, classes=classes, resume=resume, is_partial=True, n_ids=n_ids
        )

    @check.explain_unknown_arguments
    def predict(self, X: ArrayLike) -> check.Labels:
        """Predict the most probable class of each document.

        Parameters
        ----------
        X : array-like of int of shape (n_documents, n_features_in_)
            Token ids. Ids unseen in training are treated as the out-of-vocabulary token, unless
            they have pretrained vectors.

        Returns
        -------
        y : ndarray of shape (n_documents,) or (n_documents, n_labels)
            Class labels; for multilabel data an indicator matrix of the labels whose probability is
            greater than their threshold in ``thresholds_``.

        Raises
        ------
        NotFittedError
            If the classifier is not fitted.
        ValueError
            If X is invalid, or its width differs from that in `fit`.
        """
        scores = self.decision_function(X)
        if self._is_multilabel:
            return (scores > logit(self.thresholds_)).astype(int)
        is_binary = scores.ndim == 1
        codes = scores > logit(self.thresholds_) if is_binary else scores.argmax(axis=1)
        return np.asarray(self.classes_[codes.astype(int)])

    @check.explain_unknown_arguments
    def predict_proba(self, X: ArrayLike) -> Floats:
        """Predict the probability of each class.

        Parameters
        ----------
        X : array-like of int of shape (n_documents, n_features_in_)
            Token ids.

        Returns
        -------
        probabilities : ndarray of float32 of shape (n_documents, n_classes)
            Probabilities, with columns in the order of ``classes_``. Rows sum to 1, except for
            multilabel data.

        Raises
        ------
        NotFittedError
            If the classifier is not fitted.
        ValueError
            If X is invalid, or its width differs from that in `fit`.

        Examples
        --------
        >>> from sklstm import LSTMTextClassifier
        >>> classifier = LSTMTextClassifier(units=4, embedding_dim=3, epochs=1)
        >>> classifier.fit([[2, 3], [4, 3]], ["good", "bad"]).predict_proba([[2, 3]]).shape
        (1, 2)
        """
        probabilities = self._apply("probabilities", X)
        if probabilities.shape[1] > 1:
            return probabilities
        return np.hstack([1 - probabilities, probabilities])

    def decision_function(self, X: ArrayLike) -> Floats:
        """Compute the logits, which are the scores of the classes before sigmoid or softmax.

        Parameters
        ----------
        X : array-like of int of shape (n_documents, n_features_in_)
            Token ids.

        Returns
        -------
        scores : ndarray of float32 of shape (n_documents,) or (n_documents, n_classes)
            Logits; for two classes the logit of ``classes_[1]``.

        Raises
        ------
        NotFittedError
            If the classifier is not fitted.
        ValueError
            If X is invalid, or its width differs from that in `fit`.

        Examples
        --------
        >>> from sklstm import LSTMTextClassifier
        >>> classifier = LSTMTextClassifier(units=4, embedding_dim=3, epochs=1)
        >>> classifier = classifier.fit([[2, 3], [4, 3]], ["good", "bad"])
        >>> score = classifier.decision_function([[2, 3]])
        >>> is_positive = score[0] > 0
        >>> bool(is_positive == (classifier.predict([[2, 3]])[0] == "good"))
        True
        """
        logits = self._apply("logits", X)
        if logits.shape[1] == 2 and not self._is_multilabel:
            # A custom model may have two outputs for two classes.
            logits = logits[:, 1:] - logits[:, :1]
        return logits if logits.shape[1] > 1 else logits.ravel()

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.categorical = True
        tags.input_tags.positive_only = self.invalid_ids == "error"
        tags.classifier_tags.multi_label = True
        return tags

    def __copy__(self) -> Self:
        # scikit-learn copies the estimator for its callbacks during a fit, before it has a complete
        # state, so the copy does not use `__getstate__`.
        copied = type(self).__new__(type(self))
        copied.__dict__ = {n: v for n, v in vars(self).items() if n not in self._derived}
        return copied

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        return pack_state({n: v for n, v in state.items() if n not in self._derived})

    @abstractmethod
    def _apply(self, kind: str, X: ArrayLike) -> Floats:
        """Apply the fitted network to documents.

        `kind` is "logits" or "probabilities", each of shape (n_documents, n_outputs).
        """

    @abstractmethod
    def _prepare(
        self, data: TrainingData, seeds: Seeds, resume: bool, is_partial: bool, n_ids: int | None
    ) -> TrainingRun:
        """Build or acquire the network for training, and encode the data for it.

        `n_ids` is the vocabulary size of a new network if `vocab_size` is None.
        """

    def _train(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        validation: tuple[ArrayLike | None, ArrayLike | None] = (None, None),
        *,
        classes: ArrayLike | None = None,
        resume: bool = False,
        is_partial: bool = False,
        n_ids: int | None = None,
        epochs: int | None = None,
    ) -> Self:
        """Train, and set the fitted attributes.

        Parameters
        ----------
        X, y, sample_weight, classes
            As in `fit` and `partial_fit`.
        validation : tuple of array-like or None
            `X_val` and `y_val` of `fit`.
        resume : bool
            Whether to start from the fitted weights.
        is_partial : bool
            Whether to train for one epoch and keep the optimizer state for the next call.
        n_ids : int, optional
            Vocabulary size of a new network if `vocab_size` is None.
        epochs : int, optional
            Overrides the parameter `epochs`; 0 builds the network without training it.
        """
        # Imported here, so that a classifier can be created, cloned and loaded without Keras.
        from sklstm._training.loop import Schedule, auto_epochs, train

        _runtime.check_fork()
        with _sklearn.rollback_on_error(self, self._derived):
            seed = self._seed if resume else prepare.draw_seed(self.random_state)
            n_calls = self._n_calls if resume else 0
            drawn = np.random.SeedSequence([seed, n_calls]).generate_state(len(Seeds._fields))
            seeds = Seeds(*drawn.tolist())
            data = self._check_data(X, y, sample_weight, *validation, classes, resume, seeds.split)
            chooses = not is_partial and epochs is None
            thresholds = self._initial_thresholds(data, resume, seeds.thresholds, chooses)
            run = self._prepare(data, seeds, resume, is_partial, None if resume else n_ids)
            monitor = None
            if data.validation is not None and run.validation is not None:
                monitor = _ValidationMonitor(
                    self, data, run, data.validation, run.validation, thresholds
                )

            def fitted_attributes(weights: Weights, history: History) -> dict[str, Any]:
                curves = {name: list(values) for name, values in history.items()}
                return {
                    "classes_": data.classes,
                    "thresholds_": thresholds if monitor is None else monitor.thresholds,
                    "_is_multilabel": data.is_multilabel,
                    "weights_": weights,
                    "history_": curves,
                    "loss_curve_": curves["loss"],
                    "n_iter_": len(curves["loss"]),
                    "_optimizer_state": None,
                    "_seed": seed,
                    "_n_calls": n_calls + 1,
                    **run.fitted_attributes(weights),
                }

            epochs = self.epochs if epochs is None else epochs
            if is_partial:
                epochs = 1
            elif epochs == "auto":
                sizes = len(run.training.ids), run.batch_size, data.n_outputs
                epochs = auto_epochs(*sizes, run.max_auto_epochs)
            schedule = Schedule(
                epochs=int(epochs),
                one_cycle=self.learning_rate_schedule == "one_cycle" and not is_partial,
                early_stopping=self.early_stopping,
                n_iter_no_change=self.n_iter_no_change,
                tol=self.tol,
                average_weights=self.average_weights,
            )
            tasks = None
            if not is_partial:
                tasks = _sklearn.FitTasks(self, schedule.epochs, X, y, sample_weight, data.rows)
            rng = np.random.default_rng(seeds.order)
            verbose = 1 if self.verbose == "auto" else int(self.verbose)
            with run.network as network:
                outcome = train(
                    network, run, schedule, rng, monitor, tasks, fitted_attributes, verbose
                )
                if monitor is not None:
                    monitor.choose_thresholds(network)
                attributes = fitted_attributes(outcome.weights, outcome.history)
                if is_partial:
                    state = {"optimizer": run.optimizer, "values": network.optimizer_state()}
                    attributes["_optimizer_state"] = state
            if outcome.best_epoch is not None:
                attributes["best_validation_score_"] = outcome.best_validation_score
                attributes["best_epoch_"] = outcome.best_epoch
            if tasks is not None:
                tasks.end(attributes)
            for name in ("best_validation_score_", "best_epoch_"):
                self.__dict__.pop(name, None)
            self.__dict__.update(attributes | run.derived_attributes)
        return self

    def _initial_thresholds(
        self, data: TrainingData, resume: bool, seed: int, chooses: bool
    ) -> Thresholds:
        """Return the thresholds that do not depend on validation data.

        With ``threshold="auto"``, the thresholds of multilabel data are chosen on documents that
        the network was not trained on. If `chooses`, and without validation data, a copy is fitted
        to a part of the documents for this purpose.
        """
        if not isinstance(self.threshold, str):
            return check.check_thresholds(self.threshold, data.n_outputs, data.is_multilabel)
        if resume and data.is_multilabel:
            return self.thresholds_
        thresholds = np.full(data.n_outputs if data.is_multilabel else 1, 0.5)
        documents = data.training
        chooses &= data.is_multilabel and data.validation is None
        if not chooses or len(documents.ids) < _MIN_DOCUMENTS_FOR_THRESHOLDS:
            return thresholds
        rows, others = prepare.split_off_validation(documents.labels, _THRESHOLD_FRACTION, seed)
        model = _sklearn.clone_without_callbacks(self)
        model.set_params(threshold=0.5, callbacks=None, random_state=seed, verbose=0)
        fitted, left_out = documents.take(rows), documents.take(others)
        ids = TokenIds.from_array(fitted.ids, data.tokens)
        model._train(ids, fitted.labels, fitted.sample_weight)
        return choose_thresholds(model.decision_function(left_out.ids), left_out.labels)

    def _check_data(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None,
        X_val: ArrayLike | None,
        y_val: ArrayLike | None,
        classes: ArrayLike | None,
        resume: bool,
        split_seed: int,
    ) -> TrainingData:
        """Validate the data, and split off a validation set if early stopping needs one."""
        numbers = check.check_numbers(self, X, reset=not resume)
        labels = check.check_labels(y, len(numbers))
        training = prepare.weigh_documents(numbers, labels, self.class_weight, sample_weight)
        classes = (
            self.classes_ if resume else check.check_classes(labels, training.weights, classes)
        )
        ids = check.as_ids(numbers, self.invalid_ids, type(self).__name__)
        training, validation, rows = replace(training, ids=ids), None, None
        if (X_val is None) != (y_val is None):
            given, absent = ("X_val", "y_val") if y_val is None else ("y_val", "X_val")
            raise ValueError(f"{given} was passed without {absent}; pass both, or neither.")
        if X_val is not None:
            ids_val = check.check_ids(self, X_val)
            labels_val = check.check_labels(y_val, len(ids_val), "y_val")
            validation = Documents(ids_val, labels_val, np.ones(len(ids_val)))
        elif self.early_stopping:
            fraction = self.validation_fraction
            rows, rows_val = prepare.split_off_validation(labels, fraction, split_seed)
            training, validation = training.take(rows), training.take(rows_val)
        if validation is not None and validation.weights.any():
            # Scorers do not know class weights, and may not take sample weights.
            validation = validation.take(np.flatnonzero(validation.weights))
        if validation is not None and self.early_stopping:
            check.warn_of_rare_classes(validation.labels, classes)
        return TrainingData(ids, training, validation, rows, classes, tokens_of(X))


class _ValidationMonitor:
    """Computes the metrics of a network on the validation data after each epoch.

    Parameters
    ----------
    classifier : BaseTextClassifier
        The classifier, for its parameters `scoring`, `threshold` and `early_stopping`.
    data : TrainingData
        The data.
    run : TrainingRun
        The functions that compute logits and metrics.
    documents, examples : Documents, Examples
        The validation data, and the same encoded.
    thresholds : ndarray of float64
        Initial thresholds.

    Attributes
    ----------
    thresholds : ndarray of float64
        The initial thresholds, or those chosen on the validation data.
    """

    def __init__(
        self,
        classifier: BaseTextClassifier,
        data: TrainingData,
        run: TrainingRun,
        documents: Documents,
        examples: Examples,
        thresholds: Thresholds,
    ) -> None:
        self.thresholds = thresholds
        self._data, self._run, self._classifier = data, run, classifier
        self._documents, self._examples = documents, examples
        self._chooses = isinstance(classifier.threshold, str) and data.is_multilabel
        self._scorer: Callable[..., float] | None = None
        if classifier.early_stopping and classifier.scoring != "loss":
            self._scorer = check_scoring(classifier, scoring=classifier.scoring)

    def __call__(self, network: BaseNetwork) -> Logs:
        """Return the metrics, with the prefix "val_"."""
        logits = cache(lambda: self._run.logits(network, self._examples))
        logs = self._run.evaluate(network, self._examples, logits)
        if self._scorer is not None:
            logs["val_score"] = self._score(self._scorer, logits())
        return logs

    def choose_thresholds(self, network: BaseNetwork) -> None:
        """Choose the thresholds of the trained network, if they depend on the validation data."""
        if self._chooses:
            self._choose_thresholds(self._run.logits(network, self._examples))

    def _choose_thresholds(self, logits: Floats) -> None:
        self.thresholds = choose_thresholds(logits, self._documents.labels)

    def _score(self, scorer: Callable[..., float], logits: Floats) -> float:
        """Apply the scorer to a copy of the classifier with these logits."""
        if self._chooses:
            self._choose_thresholds(logits)
        documents = self._documents
        model = copy(self._classifier)
        model.__dict__ |= {
            "classes_": self._data.classes,
            "thresholds_": self.thresholds,
            "_is_multilabel": self._data.is_multilabel,
            "_apply": partial(_recorded_outputs, logits, self._data),
        }
        weights = documents.sample_weight
        weighted = {} if weights is None else {"sample_weight": weights}
        score = float(scorer(model, documents.ids, documents.labels, **weighted))
        if not np.isfinite(score):
            raise ValueError(
                f"scoring={self._classifier.scoring!r} gives {score} on the validation data. "
                "Choose another score, or pass X_val and y_val with all classes."
            )
        return score


def _recorded_outputs(logits: Floats, data: TrainingData, kind: str, X: ArrayLike) -> Floats:
    """Return recorded logits or probabilities, in place of `BaseTextClassifier._apply`."""
    if kind == "logits":
        return logits
    is_softmax = logits.shape[1] > 1 and not data.is_multilabel
    return probabilities(logits, "softmax" if is_softmax else "sigmoid")
