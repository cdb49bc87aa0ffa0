"""Validate the parameters and data that users pass, with errors that name the remedy."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence, Set, Sized
from difflib import get_close_matches
from enum import Enum
from numbers import Integral, Real
from typing import Any, TypeVar, cast

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_array, validate_data

from sklstm._dataframes import to_pandas
from sklstm._token_ids import TokenIds

#: Class labels of any type, or a label indicator.
Labels = NDArray[Any]

ClassWeight = dict[object, float] | list[dict[int, float]] | str | None

_BINARIZED = "sklearn.preprocessing.MultiLabelBinarizer().fit_transform({})"
# Documents from which on labels in one-hot form are unlikely to be a coincidence.
_MIN_ONE_HOT_DOCUMENTS = 10
# Documents of a class in the validation data, below which early stopping warns.
_MIN_VALIDATION_DOCUMENTS = 5
Method = TypeVar("Method", bound=Callable[..., Any])

# Remedies for arguments of `fit` in Keras and other packages that are not parameters here.
_REMEDIES = {
    "validation_data": "pass X_val and y_val to fit",
    "validation_split": "set {name}(early_stopping=True, validation_fraction={value})",
    "eval_set": "pass X_val and y_val to fit",
    "initial_epoch": "set {name}(warm_start=True) to continue from the weights of the last fit",
    "steps_per_epoch": "set {name}(batch_size=...)",
}

# X of this width or more is checked for word counts in the first rows. Most counts are small.
_MIN_COUNT_WIDTH, _N_CHECKED_ROWS, _MAX_SMALL_COUNT = 10, 1000, 3

_MAX_ID = np.iinfo(np.int32).max - 1

# scikit-learn sums numbers to check that all are finite, and casts them to check that all are
# integers. Both can cause NumPy warnings.
_ignore_invalid = np.errstate(invalid="ignore")


def explain_unknown_arguments(method: Method) -> Method:
    """Let a method of a classifier raise an error with a remedy for arguments that it lacks.

    The signature of the method, on which metadata routing depends, does not change.

    Parameters
    ----------
    method : callable
        Method such as `fit`.

    Returns
    -------
    method : callable
        The method. It raises a TypeError for unknown arguments, such as those of `fit` in Keras.
    """
    known = [name for name in inspect.signature(method).parameters if name != "self"]

    @functools.wraps(method)
    def wrapper(estimator: BaseEstimator, *args: object, **arguments: object) -> object:
        for name, value in arguments.items():
            if name not in known:
                raise TypeError(_explain_argument(estimator, method.__name__, known, name, value))
        return method(estimator, *args, **arguments)

    return cast("Method", wrapper)


def _explain_argument(
    estimator: BaseEstimator, method: str, known: list[str], argument: str, value: object
) -> str:
    name = type(estimator).__name__
    if argument in estimator.get_params(deep=False):
        remedy = f"{name}({argument}={value!r:.60})"
        return (
            f"{argument} is a parameter of {name}, not of {method}. Set it in the constructor, "
            f"{remedy}, or with set_params."
        )
    problem = f"{method} of {name} has no argument {argument}"
    if argument in _REMEDIES:
        return f"{problem}; {_REMEDIES[argument].format(name=name, value=repr(value)[:60])}."
    similar = get_close_matches(argument, known, n=1)
    hint = f"; did you mean {similar[0]}?" if similar else f"; it has {', '.join(known)}."
    return f"{problem}{hint}"


@_ignore_invalid
def check_numbers(estimator: BaseEstimator, X: object, *, reset: bool) -> NDArray[Any]:
    """Return X as a 2-D array of finite numbers, with as many columns as in `fit`.

    Parameters
    ----------
    estimator : estimator
        Estimator whose number of features is checked, or set if `reset`.
    X : object
        Data passed by the user.
    reset : bool
        Whether to set the number of features instead of checking it.

    Raises
    ------
    TypeError, ValueError
        If X is invalid. If it contains texts or is sparse, the message explains the remedy.

    Warns
    -----
    UserWarning
        If `reset` and X looks like word counts.
    """
    X = to_pandas(X)
    name = type(estimator).__name__
    pipeline = f"make_pipeline(TextSequencer(), {name}(...))"
    text_found = (
        "X contains text where token ids are expected. Put a TextSequencer before the "
        f"classifier: {pipeline}."
    )
    if _contains_text(X):
        raise ValueError(text_found)
    if sparse.issparse(X):
        raise TypeError(
            "Sparse data was passed as X, such as TfidfVectorizer and CountVectorizer return. "
            f"{name} takes token ids in the order of the text instead of one value per word. "
            f"Replace the vectorizer with a TextSequencer: {pipeline}. Token ids must be dense."
        )
    try:
        numbers = np.asarray(validate_data(estimator, X, reset=reset, dtype="numeric"))
    except ValueError as error:
        if "could not convert string" in str(error) or "arrays of bytes/strings" in str(error):
            raise ValueError(text_found) from error
        raise
    if numbers.dtype.kind not in "biufO":
        raise TypeError(f"X contains values of type {numbers.dtype}; it must contain token ids.")
    if numbers.dtype.kind == "O":
        # Integers of more than 64 bits give an array of objects.
        numbers = check_array(numbers, dtype=np.float64)
    if reset and _looks_like_counts(numbers):
        warnings.warn(
            "X looks like word counts, such as CountVectorizer returns: most values are 0, also "
            f"between other values, and most of the others are small. {name} takes token ids in "
            "the order of the text, and ignores 0 as padding. Replace the vectorizer with a "
            f"TextSequencer: {pipeline}.",
            stacklevel=2,
        )
    return numbers


def _looks_like_counts(X: NDArray[Any]) -> bool:
    """Return whether X looks like word counts instead of token ids.

    Counts are mostly 0 or small, and rows have zeros between other values. In rows of token ids,
    zeros are only at the ends, unless several padded texts are joined, and then most ids are large.
    """
    if X.shape[1] < _MIN_COUNT_WIDTH:
        return False
    rows = X[:_N_CHECKED_ROWS]
    is_set = rows != 0
    n_set = np.count_nonzero(is_set)
    n_small = np.count_nonzero((rows >= 1) & (rows <= _MAX_SMALL_COUNT))
    if n_set > 0.5 * is_set.size or n_small <= 0.5 * n_set:
        return False
    n_runs = is_set[:, 0] + np.count_nonzero(is_set[:, 1:] & ~is_set[:, :-1], axis=1)
    return bool((n_runs > 1).mean() > 0.5)


def as_ids(X: NDArray[Any], invalid_ids: str, name: str) -> NDArray[np.int32]:
    """Convert numbers to token ids.

    Parameters
    ----------
    X : ndarray of shape (n_documents, width)
        Finite numbers.
    invalid_ids : {"error", "unknown"}
        Treatment of numbers that are not token ids: raise an error, or map them to the
        out-of-vocabulary token.
    name : str
        Name of the estimator, for the message.

    Raises
    ------
    ValueError
        If a number is negative, fractional, or too large for int32.
    """
    if X.dtype.kind == "f" and X.dtype.itemsize < 8:
        X = X.astype(np.float64)  # Smaller types cannot represent the largest id exactly.
    is_id = (X >= 0) & (X <= _MAX_ID)
    if X.dtype.kind == "f":
        is_id &= np.floor(X) == X
    if is_id.all():
        return X.astype(np.int32, copy=False)
    if invalid_ids == "unknown":
        return np.where(is_id, X, 1).astype(np.int32)
    row, column = np.argwhere(~is_id)[0]
    value = X[row, column].item()
    if value < 0:
        # scikit-learn's estimator checks require the first words.
        problem = f"Negative values in data passed to {name}: X[{row}, {column}] is {value}."
    elif value > _MAX_ID:
        problem = f"X[{row}, {column}] is {value}, larger than any id can be ({_MAX_ID})."
    else:
        problem = f"X[{row}, {column}] is {value}, not an integer."
    raise ValueError(
        f"{problem} {name} takes token ids, as TextSequencer returns them: 0 for padding, 1 for "
        "out-of-vocabulary, 2 and above for other tokens. Use another classifier for scaled "
        "or averaged features; invalid_ids='unknown' maps other numbers to out-of-vocabulary."
    )


def check_ids(estimator: BaseEstimator, X: object) -> NDArray[np.int32]:
    """Return X as token ids for a fitted estimator.

    Raises
    ------
    TypeError, ValueError
        As `check_numbers` and `as_ids`.
    """
    # The general check takes as long as to predict a sentence.
    is_checked = (
        isinstance(X, TokenIds)
        and X.dtype == np.int32
        and X.shape[1:] == (estimator.n_features_in_,)
        and len(X) > 0
        and not hasattr(estimator, "feature_names_in_")
    )
    numbers = np.asarray(X) if is_checked else check_numbers(estimator, X, reset=False)
    return as_ids(numbers, estimator.invalid_ids, type(estimator).__name__)


def _contains_text(X: object) -> bool:
    if isinstance(X, pd.Series):
        return bool(pd.api.types.infer_dtype(X, skipna=True) == "string")
    if isinstance(X, np.ndarray):
        return X.dtype.kind in "US"
    if isinstance(X, (list, tuple)):
        X = next((entry for entry in X if entry is not None), None)
    return isinstance(X, (str, bytes))


@_ignore_invalid
def check_labels(y: Any, n_documents: int, name: str = "y") -> Labels:
    """Return y as an array of class labels ``(n,)``, or as a label indicator ``(n, n_labels)``.

    Raises
    ------
    ValueError
        If y is None, differs in length from X, has missing values, contains tags, or is not a
        classification target.
    """
    if y is None:
        raise ValueError(f"requires {name} to be passed, but the target {name} is None")
    check_no_tags(y, name)
    y = y.toarray() if sparse.issparse(y) else to_pandas(y)
    # As objects, None and NaN among strings do not become strings.
    labels = np.asarray(y, dtype=object if isinstance(y, (list, tuple)) else None)
    if labels.ndim == 0:
        raise ValueError(f"{name} is {y!r:.60}; pass an array with one label per document.")
    missing = pd.isna(labels)
    if isinstance(y, np.ma.MaskedArray):
        missing = missing | np.ma.getmaskarray(y)
    if missing.any():
        row = int(np.argwhere(missing)[0][0])
        problem = f"Input {name} contains NaN: the label of row {row} is missing."
        raise ValueError(f"{problem} Drop the document, or label it.")
    y = label_array(y, name)
    if y.ndim == 2 and y.shape[1] == 1:
        y = column_or_1d(y, warn=True)
    check_array(y, ensure_2d=False, dtype=None, ensure_min_samples=0, input_name=name)
    if len(y) != n_documents:
        problem = "Found input variables with inconsistent numbers of samples"
        raise ValueError(f"{problem}: {name} has {len(y)} labels for {n_documents} documents.")
    if y.size:
        _check_label_types(y, name)
    try:
        check_classification_targets(y)
    except TypeError as error:
        problem = f"{name} mixes labels that cannot be sorted: {error}."
        raise TypeError(f"{problem} Convert them to one type, such as str.") from error
    if y.ndim == 2 and not (type_of_target(y).endswith("-indicator") and np.isin(y, (0, 1)).all()):
        raise ValueError(
            f"{name} has {y.shape[1]} columns that are not a label indicator. Fit one classifier "
            "per column (sklearn.multioutput.MultiOutputClassifier), or pass an array of 0 and 1. "
            f"If the rows are tags, convert them with {_BINARIZED.format(name)}."
        )
    return y


def label_array(y: Any, name: str) -> Labels:
    """Convert labels to an array, without a change of a label.

    Raises
    ------
    TypeError
        If numpy would change a label: 1 to "1" among strings, or an Enum to its name.
    """
    labels = np.asarray(y)
    if labels.dtype.kind == "T":
        return labels.astype(object)  # scikit-learn does not support StringDType.
    if labels.dtype.kind != "U" or isinstance(y, np.ndarray):
        return labels
    passed = np.asarray(y, dtype=object)
    changed = np.argwhere(labels != passed)
    if changed.size:
        row, label = changed[0][0], passed[tuple(changed[0])]
        found = f"{name} mixes labels of several types: row {row} is {label!r:.60}, others are str."
        if isinstance(label, Enum):
            found = f"Row {row} of {name} is {label!r:.60}, whose str differs from its value."
        raise TypeError(f"{found} {_label_remedy([label, ''])}")
    return labels


def _check_label_types(y: Labels, name: str) -> None:
    """Raise an error if scikit-learn does not support the type of the labels."""
    if y.dtype.kind == "S" or (y.dtype.kind == "O" and not isinstance(y.flat[0], str)):
        labels = y.ravel().tolist()
        kinds = ", ".join(sorted({type(label).__name__ for label in labels}))
        found = f"{labels[0]!r:.60}; y has the dtype {y.dtype} and contains {kinds}"
        remedy = _label_remedy(labels)
        if isinstance(labels[0], bytes):
            raise TypeError(f"Labels must not be bytes: row 0 of {name} is {found}. {remedy}")
        # scikit-learn only considers the first label, and has an error with the same first words.
        raise ValueError(f"Unknown label type: row 0 of {name} is {found}. {remedy}")


def _label_remedy(labels: list[Any]) -> str:
    first, kinds = labels[0], {type(label) for label in labels}
    if isinstance(first, bytes):
        converted = "label.decode()"
    elif isinstance(first, Enum):
        converted = "label.name"
    elif kinds <= {bool} or kinds <= {float} or (kinds <= {int} and max(map(abs, labels)) < 2**63):
        converted = f"{type(first).__name__}(label)"
    else:
        converted = "str(label)"
    return f"Convert them: y = [{converted} for label in y]."


def check_no_tags(y: Any, name: str = "y") -> None:
    """Raise an error for tags, such as a list of strings for each document.

    Raises
    ------
    ValueError
        If the entries of y are sets, dicts, sequences of strings, or sequences of different length.
    """
    is_list = isinstance(y, list | tuple)
    values = y if is_list or sparse.issparse(y) else np.asarray(y)
    if not is_list and (values.ndim != 1 or values.dtype.kind != "O"):
        return
    tags = [entry for entry in values if _is_collection(entry)]
    if not tags:
        return
    is_table = len({len(entry) for entry in tags}) == 1
    is_table &= not any(isinstance(entry, Set | Mapping) for entry in tags)
    has_text = any(isinstance(tag, str | bytes) for entry in tags for tag in entry)
    if is_list and is_table and (not has_text or len(tags[0]) == 1):
        return  # The rows of a label indicator, or a column of class labels.
    if is_table and not has_text:
        raise ValueError(
            f"{name} contains a sequence of numbers for each document. For the rows of a label "
            f"indicator, pass np.stack({name}); for tags, {_BINARIZED.format(name)}."
        )
    rows = name
    if any(isinstance(entry, Mapping) for entry in tags):
        rows = f"[[tag for tag, value in tags.items() if value] for tags in {name}]"
    example = next(filter(len, tags), tags[0])
    raise ValueError(
        f"{name} contains the tags of each document, such as {example!r:.60}. Convert them to a "
        f"label indicator, with a column of 0 and 1 for each tag: {name} = "
        f"{_BINARIZED.format(rows)}."
    )


def _is_collection(value: object) -> bool:
    """Return whether a value contains others; an array without dimensions does not."""
    is_sized = isinstance(value, Sized) and isinstance(value, Iterable)
    return is_sized and not isinstance(value, str | bytes) and getattr(value, "ndim", 1) > 0


def warn_of_one_hot(y: Any) -> None:
    """Warn if y is a label indicator with exactly one label for each document.

    Such an indicator is more often an encoding of classes than multilabel data.
    """
    if sparse.issparse(y):
        values, remedy = y.toarray(), "y.argmax(axis=1)"
    elif isinstance(y, list | tuple):
        values, remedy = np.asarray(y, dtype=object), "np.argmax(y, axis=1)"
    else:
        values = np.asarray(y)
        remedy = f"y.{'idxmax' if isinstance(y, pd.DataFrame) else 'argmax'}(axis=1)"
    if values.ndim != 2 or values.shape[1] < 2 or len(values) < _MIN_ONE_HOT_DOCUMENTS:
        return
    if values.dtype.kind not in "biufO" or pd.isna(values).any():
        return
    is_one = values == 1
    if (is_one.sum(axis=1) == 1).all() and (is_one | (values == 0)).all():
        warnings.warn(
            f"y is a label indicator with {values.shape[1]} columns and exactly one label for each "
            "document. The classifier can predict no label, or several labels, for a document. If "
            f"the labels are classes that exclude each other, pass {remedy}.",
            UserWarning,
            stacklevel=2,
        )


def check_class_weight(class_weight: object) -> None:
    """Raise an error for invalid class weights.

    Raises
    ------
    ValueError
        If a weight is negative or not a finite number.
    """
    if isinstance(class_weight, list):
        raise ValueError(
            "class_weight is a list, which is for multilabel data. Pass a dict of the weights by "
            "class."
        )
    for label, weight in class_weight.items() if isinstance(class_weight, dict) else ():
        if not isinstance(weight, Real) or not 0 <= float(weight) < np.inf:
            problem = f"class_weight has the weight {weight!r:.60} for {label!r:.60}"
            raise ValueError(f"{problem}; it must be a finite number, 0 or more.")


def check_label_weight(class_weight: object, n_labels: int) -> list[str] | list[dict[int, float]]:
    """Return the class weights of each label of multilabel data: "balanced", or a dict.

    Parameters
    ----------
    class_weight : dict, list of dict or "balanced"
        A dict has the weights of the documents with a label, by the column of the label. In a list,
        the dict of each label has the weights of 0 and 1.
    n_labels : int
        Number of labels.

    Raises
    ------
    ValueError
        If a label does not exist, a list has the wrong length, or a weight is invalid.
    """
    if isinstance(class_weight, str):
        return [class_weight] * n_labels
    if isinstance(class_weight, dict):
        unknown = [label for label in class_weight if label not in range(n_labels)]
        if unknown:
            raise ValueError(
                f"class_weight has the labels {unknown!s:.60}, and y has the columns 0 to "
                f"{n_labels - 1}. The keys are columns of y; for the weights of 0 and 1, pass a "
                "list with a dict for each label, such as [{0: 1, 1: 5}, ...]."
            )
        by_label = [{1: class_weight.get(label, 1.0)} for label in range(n_labels)]
    else:
        by_label = list(cast("Sequence[dict[int, float]]", class_weight))
    if len(by_label) != n_labels or not all(
        isinstance(weights, dict) and weights.keys() <= {0, 1} for weights in by_label
    ):
        raise ValueError(
            f"class_weight={class_weight!r:.60} must have a dict of the weights of 0 and 1 for "
            f"each of the {n_labels} labels, such as [{{0: 1, 1: 5}}, ...]."
        )
    for weights in by_label:
        check_class_weight(weights)
    return [{0: 1.0, 1: 1.0} | weights for weights in by_label]


def check_thresholds(threshold: object, n_outputs: int, is_multilabel: bool) -> NDArray[np.float64]:
    """Return the decision threshold of each label, or a single one.

    Raises
    ------
    ValueError
        If a threshold is not a probability between 0 and 1, or if there is not one per label.
    """
    values = np.asarray(threshold, dtype=np.float64)
    n_labels = n_outputs if is_multilabel else 1
    if values.ndim > 1 or (values.ndim == 1 and len(values) != n_labels):
        raise ValueError(
            f"threshold has shape {values.shape}; pass one number, or one for each of the "
            f"{n_labels} labels."
        )
    if not ((values > 0) & (values < 1)).all():
        raise ValueError(f"threshold={threshold!r:.60} must be between 0 and 1.")
    return np.array(np.broadcast_to(values, n_labels))


def warn_of_rare_classes(labels: Labels, classes: Labels) -> None:
    """Warn if the validation data have too few documents of a class for a reliable score."""
    if labels.ndim == 2:
        counts = labels.sum(axis=0)
    else:
        counts = np.bincount(np.searchsorted(classes, labels), minlength=len(classes))
    rare = np.flatnonzero(counts < _MIN_VALIDATION_DOCUMENTS)
    if len(rare):
        names = classes.tolist()
        named = ", ".join(f"{names[i]!r:.40} ({counts[i]})" for i in rare[:3])
        more = f" and {len(rare) - 3} more" if len(rare) > 3 else ""
        warnings.warn(
            f"The validation data for early stopping have fewer than {_MIN_VALIDATION_DOCUMENTS} "
            f"documents of some classes: {named}{more}. The validation score is unreliable for "
            "them. Increase validation_fraction, pass X_val and y_val, or turn early_stopping off.",
            UserWarning,
            stacklevel=2,
        )


def check_classes_of_call(known: Labels | None, classes: ArrayLike | None, y: ArrayLike) -> None:
    """Check the classes passed to `partial_fit`.

    Parameters
    ----------
    known : ndarray or None
        Classes of the first call; None if this is the first call.
    classes : array-like or None
        Classes passed to this call.
    y : array-like
        Labels passed to this call.

    Raises
    ------
    ValueError
        If the classes differ from those of the first call, or are missing in the first call, or if
        y contains tags.
    """
    check_no_tags(y)
    if known is None:
        if classes is None and np.ndim(y) == 1:
            raise ValueError("classes must be passed on the first call to partial_fit.")
    elif classes is not None:
        now, then = np.unique(classes).tolist(), known.tolist()
        if now != then:
            raise ValueError(f"classes={now} differs from the first call: {then}.")


def check_classes(
    labels: Labels, weights: NDArray[np.float64], classes: ArrayLike | None
) -> Labels:
    """Return the sorted classes, or the column indices of a label indicator.

    Parameters
    ----------
    labels : ndarray of shape (n,) or (n, n_labels)
        Checked labels.
    weights : ndarray of shape (n,)
        Document weights.
    classes : array-like or None
        The classes passed by the user, some of which may not occur in `labels`.

    Raises
    ------
    ValueError
        If fewer than two classes have a document of positive weight.
    """
    if labels.ndim == 2:
        return np.arange(labels.shape[1])
    if classes is not None:
        known = np.unique(np.asarray(classes))
        if len(known) < 2:
            raise ValueError(f"classes={known.tolist()} must contain at least two classes.")
        return known
    n_classes = len(np.unique(labels[weights > 0]))
    if n_classes < 2:
        with_weight = "" if (weights > 0).all() else " with a positive weight"
        raise ValueError(
            f"y contains {n_classes} class{'' if n_classes == 1 else 'es'}{with_weight}, and a "
            "classifier needs at least two. If y is a subset of your labels, split with stratify=y."
        )
    return np.unique(labels)


def check_layer_sizes(name: str, value: int | Sequence[int]) -> tuple[int, ...]:
    """Return one or several numbers of units as a tuple.

    Raises
    ------
    ValueError
        If a size is not a positive integer, or if `units` is empty.
    """
    sizes = (value,) if isinstance(value, Integral) else tuple(cast("Sequence[int]", value))
    are_integers = all(isinstance(s, Integral) and not isinstance(s, bool) for s in sizes)
    may_be_empty = name == "dense_units"
    if not are_integers or any(s < 1 for s in sizes) or not (sizes or may_be_empty):
        raise ValueError(
            f"{name}={value!r} must be {'empty or ' if may_be_empty else ''}a positive integer or "
            "a sequence of positive integers, one per layer."
        )
    return tuple(int(s) for s in sizes)


def check_embedding_weights(
    embedding_weights: ArrayLike, vocab_size: int | None, max_id: int
) -> NDArray[np.float32]:
    """Return pretrained vectors as a matrix with one row per token id.

    Raises
    ------
    ValueError
        If the vectors are not a finite matrix with `vocab_size` rows, or if X contains larger ids.
    TypeError
        If the vectors belong to words, not to token ids.
    """
    name = "embedding_weights"
    if isinstance(embedding_weights, Mapping) or hasattr(embedding_weights, "index_to_key"):
        kind = type(embedding_weights).__name__
        raise TypeError(
            f"embedding_weights is a {kind} of words. Convert it once, with vectors = "
            "WordVectors.from_source(...), and pass vectors as the vocabulary of TextSequencer and "
            "as embedding_weights, or pass it to make_text_classifier(vectors=...)."
        )
    matrix = check_array(embedding_weights, dtype=np.float32, input_name=name, copy=True)
    if vocab_size is not None and len(matrix) != vocab_size:
        raise ValueError(
            f"embedding_weights has shape {matrix.shape}, but vocab_size={vocab_size} requires "
            f"{vocab_size} rows. Leave vocab_size at None to take it from the matrix."
        )
    if max_id >= len(matrix):
        raise ValueError(
            f"embedding_weights has shape {matrix.shape}, and X contains the id {max_id}: it needs "
            "one row per id, 0 and 1 included. Build it from the tokens_ of the same TextSequencer."
        )
    return np.asarray(matrix)


def check_float32(name: str, value: float | None) -> None:
    """Raise an error for a parameter that is too large for float32.

    Raises
    ------
    ValueError
        If the value exceeds the largest finite float32.
    """
    if value is not None and value > float(np.finfo(np.float32).max):
        raise ValueError(f"{name}={value} is too large for float32; lower it.")


def check_callbacks(callbacks: Sequence[object] | None, callback_class: type) -> list[Any]:
    """Return callbacks as a list.

    Raises
    ------
    TypeError
        If one of them is not a Keras callback.
    """
    for number, callback in enumerate(callbacks or ()):
        if not isinstance(callback, callback_class):
            problem = f"callbacks[{number}] is {callback!r}, not a keras.callbacks.Callback."
            raise TypeError(f"{problem} Wrap a function in keras.callbacks.LambdaCallback.")
    return list(callbacks or ())
