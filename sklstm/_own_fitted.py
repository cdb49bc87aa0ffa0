"""What a trained network of one's own does for its classifier: predict, and be saved."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from sklstm import _validation
from sklstm._own_data import known
from sklstm._own_network import Network
from sklstm._persistence import pack_state, unpack_state
from sklstm._runtime import keras


class FittedOwnNetwork:
    """The methods of `KerasTextClassifier` that need nothing but its fitted attributes."""

    batch_size: int | None
    classes_: NDArray[Any]
    vocab_size_: int
    weights_: list[NDArray[Any]]
    _built_with: dict[str, Any]
    _meta: dict[str, Any]
    _network: Network
    _optimizer_state: list[NDArray[Any]] | None
    _seed: int

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
        NotFittedError, ValueError
            As `predict_proba`.
        """
        shares = self.predict_proba(X)
        if self._meta["is_multilabel_"]:
            return (shares > 0.5).astype(int)
        return np.asarray(self.classes_[shares.argmax(axis=1)])

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float32]:
        """Return the probability of each class.

        Parameters
        ----------
        X : array-like of int of shape (n_documents, n_features_in_)
            Token ids.

        Returns
        -------
        probabilities : ndarray of float32 of shape (n_documents, n_classes)
            Columns in the order of ``classes_``.

        Raises
        ------
        NotFittedError
            If the classifier is not fitted.
        ValueError
            If X is not as described, or what the network gives is no probability.
        """
        check_is_fitted(self)
        ids = known(_validation.check_ids(self, X), self.vocab_size_)
        shares = self._fitted_network().probabilities(ids, self.batch_size)
        return shares if shares.shape[1] > 1 else np.hstack([1 - shares, shares])

    @property
    def model_(self) -> keras.Model:
        """The fitted network.

        Raises
        ------
        AttributeError
            If the classifier is not fitted.
        """
        if not hasattr(self, "weights_"):
            raise AttributeError("model_ is there after fit; call fit first.")
        return self._fitted_network().model

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()  # type: ignore[assignment]
        return pack_state({name: value for name, value in state.items() if name != "_network"})

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(unpack_state(state, type(self)))  # type: ignore[misc]

    def _fitted_network(self) -> Network:
        """Return the network, built anew after loading."""
        if not hasattr(self, "_network"):
            network = Network(self._built_with, self._meta, self._seed)
            network.load(self.weights_)
            if self._optimizer_state is not None:
                network.load_optimizer_state(self._optimizer_state)
            self._network = network
        return self._network
