"""What a trained network does for the classifier: score, predict, encode, show itself."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from sklstm._embeddings import with_words_met
from sklstm._fit import network_inputs
from sklstm._network.initial import EMBEDDINGS, NGRAM_IDS
from sklstm._network.ngram_table import as_in_training
from sklstm._network.shapes import with_room
from sklstm._network.spec import NetworkSpec
from sklstm._network_state import unpack_network
from sklstm._persistence import pack_state
from sklstm._summary import summarize
from sklstm._training.batches import Ids, in_batches
from sklstm._training.scores import probabilities
from sklstm._validation import check_ids

if TYPE_CHECKING:
    import keras

    from sklstm.vectors import WordVectors


class FittedNetwork(ClassNamePrefixFeaturesOutMixin, TransformerMixin):
    """The methods of `LSTMTextClassifier` that need nothing but its fitted attributes."""

    classes_: NDArray[Any]
    weights_: dict[str, NDArray[np.float32]]
    vocab_size_: int
    embedding_ids_: Ids
    _architecture: dict[str, Any]
    _vectors: WordVectors | None

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the most probable class of each document.

        Parameters
        ----------
        X : array-like of int of shape (n_documents, n_features_in_)
            Token ids; those that `fit` never saw count as the unknown token.

        Returns
        -------
        y : ndarray of shape (n_documents,) or (n_documents, n_labels)
            Class labels; for several labels an indicator of those of probability above 0.5.

        Raises
        ------
        NotFittedError
            If the classifier is not fitted.
        ValueError
            If X is not as described, or has another width than in `fit`.
        """
        scores = self.decision_function(X)
        if self._is_multilabel:
            return (scores > 0).astype(int)
        codes = (scores > 0).astype(int) if scores.ndim == 1 else scores.argmax(axis=1)
        return np.asarray(self.classes_[codes])

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float32]:
        """Return the probability of each class.

        Parameters
        ----------
        X : array-like of int of shape (n_documents, n_features_in_)
            Token ids.

        Returns
        -------
        probabilities : ndarray of float32 of shape (n_documents, n_classes)
            Columns in the order of ``classes_``; rows sum to 1, unless y had several labels.

        Raises
        ------
        NotFittedError
            If the classifier is not fitted.
        ValueError
            If X is not as described, or has another width than in `fit`.

        Examples
        --------
        >>> from sklstm import LSTMTextClassifier
        >>> classifier = LSTMTextClassifier(units=4, embedding_dim=3, epochs=1)
        >>> classifier.fit([[2, 3], [4, 3]], ["good", "bad"]).predict_proba([[2, 3]]).shape
        (1, 2)
        """
        logits = self._apply("logits", X)
        shares = probabilities(logits, self._spec.output_activation)
        if logits.shape[1] > 1:
            return shares
        return np.hstack([1 - shares, shares])

    def decision_function(self, X: ArrayLike) -> NDArray[np.float32]:
        """Return the score of each class before sigmoid or softmax.

        Parameters
        ----------
        X : array-like of int of shape (n_documents, n_features_in_)
            Token ids.

        Returns
        -------
        scores : ndarray of float32 of shape (n_documents,) or (n_documents, n_classes)
            Logits; of two classes that of ``classes_[1]``.

        Raises
        ------
        NotFittedError
            If the classifier is not fitted.
        ValueError
            If X is not as described, or has another width than in `fit`.

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
        return logits if logits.shape[1] > 1 else logits.ravel()

    def transform(self, X: ArrayLike) -> NDArray[np.float32]:
        """Return the pooled document vectors, for another classifier or a plot.

        Parameters
        ----------
        X : array-like of int of shape (n_documents, n_features_in_)
            Token ids.

        Returns
        -------
        vectors : ndarray of float32 of shape (n_documents, n_values)
            What the dense head of the network reads.

        Raises
        ------
        NotFittedError
            If the classifier is not fitted.
        ValueError
            If X is not as described, or has another width than in `fit`.

        Examples
        --------
        >>> from sklstm import LSTMTextClassifier
        >>> classifier = LSTMTextClassifier(units=4, embedding_dim=3, epochs=1)
        >>> classifier.fit([[2, 3], [4, 3]], ["good", "bad"]).transform([[2, 3]]).shape
        (1, 4)
        """
        return self._apply("document_vectors", X)

    def to_keras(self) -> keras.Model:
        """Return the fitted network as a model of stock Keras layers.

        Returns
        -------
        model : keras.Model
            From ids to probabilities: of ``classes_[1]`` if there are two classes, else of all.
            A copy: training it leaves this classifier as it is.

        Raises
        ------
        NotFittedError
            If the classifier is not fitted.

        Examples
        --------
        >>> from sklstm import LSTMTextClassifier
        >>> classifier = LSTMTextClassifier(units=4, embedding_dim=3, epochs=1)
        >>> model = classifier.fit([[2, 3], [4, 3]], ["good", "bad"]).to_keras()
        >>> [layer.name for layer in model.layers]
        ['ids', 'embedding', 'lstm_1', 'output']
        """
        check_is_fitted(self)
        from sklstm._network.network import stock_model

        return stock_model(replace(self._spec, vocab_size=self.vocab_size_), self._by_id())

    def summary(self) -> str:
        """Return a table of the network's layers: what each does, its output and its weights.

        Returns
        -------
        table : str
            To be printed; as the last line of a cell in a notebook it is shown as a table. The
            names of layers are those in ``weights_``.

        Raises
        ------
        NotFittedError
            If the classifier is not fitted.

        See Also
        --------
        to_keras : Its ``summary()`` is the table of Keras, with every operation.

        Examples
        --------
        >>> from sklstm import LSTMTextClassifier
        >>> classifier = LSTMTextClassifier(units=4, embedding_dim=3, epochs=1)
        >>> print(classifier.fit([[2, 3], [4, 3]], ["good", "bad"]).summary())
        layer      what it does                     output shape                weights  trained
        ----------------------------------------------------------------------------------------
        embedding  a vector for each token          (n_documents, n_tokens, 3)       15  yes
        lstm_1     LSTM, 4 units                    (n_documents, n_tokens, 4)      128  yes
        pooling    the output after the last token  (n_documents, 4)                  -  -
        output     dense, sigmoid                   (n_documents, 1)                  5  yes
        ----------------------------------------------------------------------------------------
        Total params: 148
        """
        check_is_fitted(self)
        return summarize(self._spec, self.weights_)

    def __copy__(self) -> Self:
        # In the middle of a fit there is no state that could be saved, and callbacks get copies.
        copied = type(self).__new__(type(self))
        copied.__dict__.update(self.__dict__)
        return copied

    def __getstate__(self) -> dict[str, Any]:
        return pack_state(super().__getstate__())

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(unpack_network(state, type(self)))

    @property
    def _spec(self) -> NetworkSpec:
        return NetworkSpec(**self._architecture)

    @property
    def _is_multilabel(self) -> bool:
        return self._spec.output_activation == "sigmoid" and self._spec.n_outputs > 1

    @property
    def _n_features_out(self) -> int:
        return self._spec.vector_size

    def _apply(self, kind: str, X: ArrayLike) -> NDArray[np.float32]:
        """Apply the fitted network to documents, in batches; `kind` is that of its `scorer`."""
        check_is_fitted(self)
        ids, spec, weights = self._met(check_ids(self, X))
        inputs, lengths = network_inputs(ids, spec)
        from sklstm._network.reuse import borrowed_network

        with borrowed_network(spec) as network:
            return in_batches(network, network.scorer(kind, weights), inputs, lengths)

    def _met(self, ids: Ids) -> tuple[Ids, NetworkSpec, dict[str, NDArray[np.float32]]]:
        """Return what the network takes for token ids, and the network with the rows for them."""
        if self._vectors is None:
            return ids, self._spec, self.weights_
        trained = self.weights_[EMBEDDINGS]
        # The same for similar vocabularies, which then share a compiled network.
        first_new = with_room(len(trained))
        rows, matrix = with_words_met(
            ids, self.embedding_ids_, trained, self._vectors, self.vocab_size_, first_new
        )
        spec = replace(self._spec, vocab_size=len(matrix))
        if spec.ngrams and len(matrix) > len(trained):
            spec = replace(spec, ngram_rows=first_new)
        return rows, spec, self.weights_ | {EMBEDDINGS: matrix}

    def _by_id(self) -> dict[str, NDArray[Any]]:
        """Return the weights of a network that takes token ids, whatever they are of.

        With word vectors and n-grams they hold what stands for each id in these: its row.
        """
        every = np.arange(self.vocab_size_, dtype=np.int32)
        rows, spec, weights = self._met(every)
        weights = weights | {EMBEDDINGS: weights[EMBEDDINGS][rows]}
        if self._vectors is not None and spec.ngrams:
            numbers = as_in_training(rows, spec.ngram_rows, np)
            weights[NGRAM_IDS] = numbers[:, None].astype(np.float32)
        return weights
