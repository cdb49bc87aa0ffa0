"""Label indicators: recognize them, stratify their documents, and score their labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.utils.multiclass import type_of_target

#: Class labels, or a label indicator.
Labels = NDArray[Any]


def as_dense(y: Any) -> Labels:
    """Return labels as an array; a label indicator may be sparse."""
    return np.asarray(y.toarray() if sparse.issparse(y) else y)


def as_indicator(y: Any) -> Labels | None:
    """Return a label indicator as an array of shape (n, n_labels), and None for other targets."""
    labels = as_dense(y)
    with np.errstate(invalid="ignore"):  # scikit-learn casts numbers that may be infinite.
        is_indicator = labels.ndim == 2 and type_of_target(labels) == "multilabel-indicator"
    return labels if is_indicator else None


def rarest_labels(indicator: Labels, min_size: int = 2) -> NDArray[np.intp]:
    """Return the rarest label of each document, as strata for a split.

    Parameters
    ----------
    indicator : ndarray of shape (n_documents, n_labels)
        1 where a document has a label, else 0.
    min_size : int, default=2
        Strata with fewer documents are merged into the largest one.

    Returns
    -------
    strata : ndarray of int of shape (n_documents,)
        Column of the rarest label of each document; the number of labels for documents without
        labels.
    """
    frequencies = indicator.sum(axis=0)
    n_documents, n_labels = indicator.shape
    rarest = np.where(indicator > 0, frequencies, n_documents + 1).argmin(axis=1)
    strata = np.where(indicator.any(axis=1), rarest, n_labels)
    sizes = np.bincount(strata, minlength=n_labels + 1)
    return np.where(sizes[strata] >= min_size, strata, sizes.argmax())


def label_scores(
    estimator: BaseEstimator, X: ArrayLike, *methods: str
) -> tuple[NDArray[np.float64], str]:
    """Return the scores of the labels by the first method that a fitted classifier has.

    Parameters
    ----------
    estimator : estimator
        Fitted multilabel or binary classifier.
    X : array-like
        Documents.
    *methods : str
        Names of methods: "decision_function" or "predict_proba".

    Returns
    -------
    scores : ndarray of float64 of shape (n_documents, n_labels)
        Scores of the labels or classes; of two classes, both probabilities or a single score.
    method : str
        Name of the method.

    Raises
    ------
    TypeError
        If the classifier has none of the methods.
    """
    for method in methods:
        try:
            scores = getattr(estimator, method)(X)
        except AttributeError:
            # OneVsRestClassifier seems to have decision_function if its first label is constant.
            continue
        scores = label_probabilities(scores, estimator)
        return scores.reshape(len(scores), -1), method
    kind = type(estimator).__name__
    raise TypeError(f"{kind} has no {' and no '.join(methods)}; pass a classifier that has one.")


def label_probabilities(probabilities: Any, estimator: BaseEstimator) -> NDArray[np.float64]:
    """Return the probabilities of the labels as an array, also those of a random forest.

    A random forest returns a list with one array per label, which has a column per value of the
    label in the training data.
    """
    if isinstance(probabilities, list):
        columns = zip(probabilities, estimator.classes_, strict=True)
        probabilities = np.column_stack([_probability_of_1(*column) for column in columns])
    return np.asarray(probabilities, dtype=np.float64)


def _probability_of_1(probabilities: NDArray[Any], values: NDArray[Any]) -> NDArray[Any]:
    (column,) = np.nonzero(values == 1)
    return probabilities[:, column[0]] if len(column) else np.zeros(len(probabilities))
