"""How the classifier learns: all at once, or part by part."""

from __future__ import annotations

from typing import Any, Self

from numpy.typing import ArrayLike

from sklstm import _validation
from sklstm._fit import fit_state
from sklstm._fitted import FittedNetwork
from sklstm._sklearn import CallbackSupportMixin, fit_context, rollback_on_error


class TrainableNetwork(CallbackSupportMixin, FittedNetwork):
    """The methods of `LSTMTextClassifier` that train it."""

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
            Token ids: 0 is padding, on either side; 1 the unknown token. Integral floats will do.
        y : array-like of shape (n_documents,) or (n_documents, n_labels)
            Class labels of any type; or an indicator (0, 1) of several labels a document.
        sample_weight : array-like of shape (n_documents,), default=None
            Weight of each document in the loss; of 2 it equals the document twice.
        X_val : array-like of int of shape (n_validation, n_ids), default=None
            Documents to score after each epoch, and to stop early by.
        y_val : array-like, default=None
            Their labels.

        Returns
        -------
        self : LSTMTextClassifier
            Fitted; if an error or Ctrl-C ends the call, as before it.

        Raises
        ------
        ValueError
            If a parameter, X or y is not as described, y has one class only, or the loss becomes
            infinite.
        TypeError
            If X is sparse or a callback is not one of Keras.
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

        The first call settles the size of the vocabulary: set `vocab_size` if its documents
        may not hold the largest id.

        Parameters
        ----------
        X : array-like of int of shape (n_documents, n_ids)
            Token ids.
        y : array-like of shape (n_documents,) or (n_documents, n_labels)
            Class labels.
        classes : array-like of shape (n_classes,), default=None
            All classes that will ever occur; needed in the first call, unless y is a label
            indicator.
        sample_weight : array-like of shape (n_documents,), default=None
            Weight of each document in the loss.

        Returns
        -------
        self : LSTMTextClassifier
            Fitted; if an error or Ctrl-C ends the call, as before it.

        Raises
        ------
        ValueError
            As `fit`; and if early stopping or balanced class weights are asked for, which need
            all the documents.
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
        # What is done for all methods that fit is left out where this one goes on.
        self._validate_params()
        for name, value in (("early_stopping", True), ("class_weight", "balanced")):
            if getattr(self, name) == value:
                raise ValueError(
                    f"partial_fit sees a part of the documents and does not support "
                    f"{name}={value!r}. Use fit, or pass sample_weight."
                )
        goes_on = hasattr(self, "weights_")
        _validation.check_classes_of_call(self.classes_ if goes_on else None, classes, y)
        return self._train(
            X, y, sample_weight=sample_weight, classes=classes, goes_on=goes_on, is_partial=True
        )

    def _train(self, X: Any, y: Any, **how: Any) -> Self:
        with rollback_on_error(self):
            attributes = fit_state(self, X, y, **how)
            self.__dict__.pop("best_score_", None)
            self.__dict__.update(attributes)
        return self
