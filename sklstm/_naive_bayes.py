"""How much more often a class has each feature than the others do: what naive Bayes counts."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.extmath import safe_sparse_dot


def log_count_ratio(
    presence: Any, members: NDArray[Any], others: NDArray[Any], alpha: float
) -> NDArray[np.float64]:
    """Compute the log-count ratio of Wang and Manning (2012) of each feature for one class.

    Parameters
    ----------
    presence : {ndarray, sparse matrix} of shape (n_samples, n_features)
        1 where a sample has a feature, else 0.
    members, others : ndarray of shape (n_samples,)
        How often each sample counts as one of the class, and as one of the others.
    alpha : float
        Added to all counts.

    Returns
    -------
    ratio : ndarray of float64 of shape (n_features,)
        Logarithm of the feature's share in the class over that in the others.
    """
    log_shares = []
    for rows in (members, others):
        count = alpha + safe_sparse_dot(rows.astype(np.float64), presence)
        log_shares.append(np.log(count) - np.log(count.sum()))
    return np.asarray(log_shares[0] - log_shares[1])
