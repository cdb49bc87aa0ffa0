"""Scores of rankings of labels, which scikit-learn has no scorers for."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.metrics import label_ranking_average_precision_score

from sklstm._multilabel import as_dense, label_scores


def label_ranking_average_precision(estimator: BaseEstimator, X: ArrayLike, y: ArrayLike) -> float:
    """Return the label ranking average precision of scikit-learn."""
    return float(label_ranking_average_precision_score(*_indicator_and_scores(estimator, X, y)))


def precision_at_1(estimator: BaseEstimator, X: ArrayLike, y: ArrayLike) -> float:
    """Return the proportion of documents whose label with the greatest score is correct.

    It is 0 for documents without labels. Of labels with equal scores, the mean is taken.
    """
    indicator, scores = _indicator_and_scores(estimator, X, y)
    is_first = scores == scores.max(axis=1, keepdims=True)
    return float(np.average(indicator, axis=1, weights=is_first).mean())


#: Scorers by name, for multilabel data.
LABEL_SCORERS: dict[str, Callable[..., float]] = {
    "label_ranking_average_precision": label_ranking_average_precision,
    "precision_at_1": precision_at_1,
}


def _indicator_and_scores(
    estimator: BaseEstimator, X: ArrayLike, y: ArrayLike
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    # `make_scorer` would take two labels for two classes.
    scores, method = label_scores(estimator, X, "decision_function", "predict_proba")
    if method == "decision_function":
        # OneVsRestClassifier scores labels without training documents 0, and most others below.
        scores[:, (scores == 0).all(axis=0)] = scores.min() - 1.0
    return as_dense(y) > 0, scores
