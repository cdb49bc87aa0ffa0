"""Check what users pass to the classifier, with errors that say how to mend it."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.model_selection import train_test_split
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_array, validate_data

_LARGEST_ID = np.iinfo(np.int32).max - 1


# scikit-learn adds numbers up to see whether all are finite, and casts them to see whether all are
# whole.
_without_warnings = np.errstate(invalid="ignore")


@_without_warnings
def check_numbers(estimator: Any, X: Any, *, reset: bool) -> NDArray[Any]:
    """Return `X` as a 2-D array of finite numbers of as many columns as `estimator` was fitted on.

    Raises
    ------
    TypeError, ValueError
        If it is none; with the remedy if it holds texts.
    """
    if _holds_text(X):
        raise ValueError(
            "X holds text where token ids are expected. Put a TextSequencer before the "
            f"classifier: make_pipeline(TextSequencer(), {type(estimator).__name__}(...))."
        )
    numbers = np.asarray(validate_data(estimator, X, reset=reset, dtype="numeric"))
    if numbers.dtype.kind not in "biufO":
        raise TypeError(f"X holds values of type {numbers.dtype}, where token ids are expected.")
    # Lists with integers beyond 64 bits.
    return check_array(numbers, dtype=np.float64) if numbers.dtype.kind == "O" else numbers


def as_ids(X: NDArray[Any], invalid_ids: str, name: str) -> NDArray[np.int32]:
    """Return numbers as token ids.

    Parameters
    ----------
    X : ndarray of shape (n, width)
        Finite numbers.
    invalid_ids : {"error", "unknown"}
        What becomes of numbers that are no ids: an error, or the unknown token.
    name : str
        Of the estimator, for the message.

    Raises
    ------
    ValueError
        If a number is negative, fractional, or beyond int32.
    """
    if X.dtype.kind == "f" and X.dtype.itemsize < 8:
        X = X.astype(np.float64)  # Others round the largest id up, or have nothing so large.
    is_id = (X >= 0) & (X <= _LARGEST_ID)
    if X.dtype.kind == "f":
        is_id &= np.floor(X) == X
    if is_id.all():
        return X.astype(np.int32, copy=False)
    if invalid_ids == "unknown":
        return np.where(is_id, X, 1).astype(np.int32)
    row, column = np.argwhere(~is_id)[0]
    value = X[row, column].item()
    if value < 0:
        # The first words are those that scikit-learn looks for.
        problem = f"Negative values in data passed to {name}: X[{row}, {column}] is {value}."
    elif value > _LARGEST_ID:
        problem = f"X[{row}, {column}] is {value}, larger than any id can be ({_LARGEST_ID})."
    else:
        problem = f"X[{row}, {column}] is {value}, not a whole number."
    raise ValueError(
        f"{problem} {name} takes token ids, such as TextSequencer gives: 0 for padding, 1 for an "
        "unknown token, 2 and up for the others. Scaled or averaged features are for other "
        "classifiers; invalid_ids='unknown' reads what is no id as the unknown token."
    )


def check_ids(estimator: Any, X: Any) -> NDArray[np.int32]:
    """Return `X` as token ids for an estimator that has seen the width of its data.

    Raises
    ------
    TypeError, ValueError
        As `check_numbers` and `as_ids`.
    """
    numbers = check_numbers(estimator, X, reset=False)
    return as_ids(numbers, estimator.invalid_ids, type(estimator).__name__)


def _holds_text(X: Any) -> bool:
    if isinstance(X, (str, bytes)):
        return True
    if isinstance(X, (list, tuple)):
        return bool(X) and isinstance(X[0], (str, bytes))
    if isinstance(X, pd.Series):
        return bool(pd.api.types.infer_dtype(X, skipna=True) == "string")
    return isinstance(X, np.ndarray) and X.dtype.kind in "US"


@_without_warnings
def check_labels(y: Any, n_documents: int, name: str = "y") -> NDArray[Any]:
    """Return class labels ``(n,)``, or a label indicator ``(n, n_labels)``, as an array.

    Raises
    ------
    ValueError
        If `y` is None, of another length than X, has missing values, or is no classification
        target.
    """
    if y is None:
        raise ValueError(f"requires {name} to be passed, but the target {name} is None")
    if sparse.issparse(y):
        y = y.toarray()
    # As objects, None and NaN among strings do not turn into strings.
    labels = np.asarray(y, dtype=object if isinstance(y, (list, tuple)) else None)
    if labels.ndim == 0:
        raise ValueError(f"{name} is {y!r:.60}; pass an array of one label a document.")
    missing = pd.isna(labels)
    if missing.any():
        row = int(np.argwhere(missing)[0][0])
        raise ValueError(
            f"Input {name} contains NaN: the label of row {row} is missing. Drop the documents "
            "without a label, or label them."
        )
    y = np.asarray(y)
    if y.ndim == 2 and y.shape[1] == 1:
        y = column_or_1d(y, warn=True)
    check_array(y, ensure_2d=False, dtype=None, ensure_min_samples=0, input_name=name)
    if len(y) != n_documents:
        raise ValueError(
            "Found input variables with inconsistent numbers of samples: "
            f"{name} has {len(y)} labels for {n_documents} documents."
        )
    try:
        check_classification_targets(y)
    except TypeError as error:
        raise TypeError(
            f"{name} mixes labels that cannot be sorted: {error}. Make them all of one type, such "
            "as str."
        ) from error
    if y.ndim == 2 and not (type_of_target(y).endswith("-indicator") and np.isin(y, (0, 1)).all()):
        raise ValueError(
            f"{name} has {y.shape[1]} columns that are no label indicator. Fit one classifier a "
            "column (sklearn.multioutput.MultiOutputClassifier), or pass an array of 0 and 1."
        )
    return y


def check_class_weight(class_weight: Any) -> None:
    """Refuse weights of classes that cannot be weights.

    Raises
    ------
    ValueError
        If one is negative or no finite number.
    """
    for label, weight in class_weight.items() if isinstance(class_weight, dict) else ():
        if not isinstance(weight, Real) or not 0 <= float(weight) < np.inf:
            raise ValueError(
                f"class_weight gives {label!r:.60} the weight {weight!r:.60}; it must be a finite "
                "number, 0 or more."
            )


def encode_labels(
    y: NDArray[Any], classes: NDArray[Any], n_outputs: int, name: str = "y"
) -> NDArray[np.float32]:
    """Return labels as ones at their classes, ``(n, n_outputs)``: one column if binary.

    Raises
    ------
    ValueError
        If `y` has labels that are not in `classes`.
    """
    if y.ndim == 2:
        if y.shape[1] != len(classes):
            raise ValueError(f"{name} has {y.shape[1]} labels, not {len(classes)} as in fit.")
        return y.astype(np.float32)
    unknown = np.setdiff1d(y, classes).tolist()
    if unknown:
        raise ValueError(
            f"{name} holds labels that are not among the classes {classes.tolist()}: {unknown}."
        )
    codes = np.searchsorted(classes, y)
    if n_outputs == 1:
        return codes[:, None].astype(np.float32)
    return np.eye(n_outputs, dtype=np.float32)[codes]


def check_classes_of_call(
    known: NDArray[Any] | None, classes: ArrayLike | None, y: ArrayLike
) -> None:
    """Check the classes that a call of `partial_fit` names.

    Parameters
    ----------
    known : ndarray or None
        Those of the first call; None if this is the first.
    classes : array-like or None
        What the call names.
    y : array-like
        Its labels.

    Raises
    ------
    ValueError
        If they are others than in the first call, or are needed in the first one and missing.
    """
    if known is None:
        if classes is None and np.ndim(y) == 1:
            raise ValueError("classes must be passed on the first call to partial_fit.")
    elif classes is not None:
        now, then = np.unique(classes).tolist(), known.tolist()
        if now != then:
            raise ValueError(f"classes={now} is not what it was in the first call: {then}.")


def check_classes(
    y: NDArray[Any], weights: NDArray[np.float64], classes: ArrayLike | None
) -> NDArray[Any]:
    """Return the sorted classes; for a label indicator the numbers of its columns.

    Parameters
    ----------
    y : ndarray of shape (n,) or (n, n_labels)
        Labels.
    weights : ndarray of shape (n,)
        Weights of the documents.
    classes : array-like or None
        The classes, if they need not all be in `y`.

    Raises
    ------
    ValueError
        If there are fewer than two, of which documents have a positive weight.
    """
    if y.ndim == 2:
        return np.arange(y.shape[1])
    if classes is not None:
        known = np.unique(np.asarray(classes))
        if len(known) < 2:
            raise ValueError(f"classes={known.tolist()} must hold at least two classes.")
        return known
    n_classes = len(np.unique(y[weights > 0]))
    if n_classes < 2:
        with_weight = "" if (weights > 0).all() else " with a positive weight"
        raise ValueError(
            f"y holds {n_classes} class{'' if n_classes == 1 else 'es'}{with_weight}, and a "
            "classifier needs at least two. If y is a part of your labels, split it with "
            "stratify=y."
        )
    return np.unique(y)


def split_off_validation(
    y: NDArray[Any],
    fraction: float,
    seed: int,
    name: str = "validation_fraction",
    remedy: str = "turn early_stopping off",
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw the rows to train on and those to validate on, stratified unless `y` is an indicator.

    `name` is that of the parameter, and `remedy` the last way out, in the message of an error.

    Raises
    ------
    ValueError
        If a class would be without documents in one of the two.
    """
    rows = np.arange(len(y))
    stratify = y if y.ndim == 1 else None
    too_small = (
        f"{name}={fraction} of {len(y)} documents leaves {{}} without documents to validate or "
        f"train on. Change {name}, pass X_val and y_val, or {remedy}."
    )
    try:
        train, validation = train_test_split(
            rows, test_size=fraction, random_state=seed, stratify=stratify
        )
    except ValueError as error:
        raise ValueError(too_small.format("a class")) from error
    if y.ndim == 1:
        for part in (train, validation):
            absent = np.setdiff1d(y, y[part])
            if len(absent):
                raise ValueError(too_small.format(f"class {absent.tolist()[0]!r}"))
    return train, validation


def check_layer_sizes(name: str, value: Any, *, at_least_one: bool) -> tuple[int, ...]:
    """Return a number of units, or a sequence of them, as a tuple.

    Raises
    ------
    ValueError
        If a layer would have no units, or there is none where one is needed.
    """
    sizes = (value,) if isinstance(value, Integral) else tuple(value)
    are_integers = all(isinstance(s, Integral) and not isinstance(s, bool) for s in sizes)
    if not are_integers or any(s < 1 for s in sizes) or (at_least_one and not sizes):
        raise ValueError(
            f"{name}={value!r} must be {'' if at_least_one else 'empty or '}a positive integer or "
            "a sequence of positive integers, one a layer."
        )
    return tuple(int(s) for s in sizes)


def check_embedding_weights(
    embedding_weights: ArrayLike, vocab_size: int | None, largest_id: int
) -> NDArray[np.float32]:
    """Return pretrained vectors as a matrix with a row for each token id.

    Raises
    ------
    ValueError
        If they are no finite matrix of `vocab_size` rows, or the ids of X go beyond them.
    """
    matrix = check_array(
        embedding_weights, dtype=np.float32, input_name="embedding_weights", copy=True
    )
    if vocab_size is not None and len(matrix) != vocab_size:
        raise ValueError(
            f"embedding_weights has shape {matrix.shape}, but vocab_size={vocab_size} asks for "
            f"{vocab_size} rows. Leave vocab_size at None to take it from the matrix."
        )
    if largest_id >= len(matrix):
        raise ValueError(
            f"embedding_weights has shape {matrix.shape}, and X holds the id {largest_id}: it "
            "needs a row for each id, the padding (0) and the unknown token (1) included. Build "
            "it from the tokens_ of the same TextSequencer."
        )
    return np.asarray(matrix)


def check_float32(**parameters: float | None) -> None:
    """Refuse parameters, given by name, that a network of 32-bit numbers cannot work with.

    Raises
    ------
    ValueError
        If one is larger than these numbers are.
    """
    for name, value in parameters.items():
        if value is not None and value > float(np.finfo(np.float32).max):
            raise ValueError(f"{name}={value} is too large for 32-bit numbers; lower it.")


def check_callbacks(callbacks: Any, callback_class: type) -> list[Any]:
    """Return callbacks as a list.

    Raises
    ------
    TypeError
        If one is not a Keras callback.
    """
    for number, callback in enumerate(callbacks or ()):
        if not isinstance(callback, callback_class):
            raise TypeError(
                f"callbacks[{number}] is {callback!r}, not an instance of "
                "keras.callbacks.Callback. Wrap a function in keras.callbacks.LambdaCallback."
            )
    return list(callbacks or ())
