"""fit_stream: train a pipeline on documents that do not fit in memory."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import ExitStack, closing
from functools import partial
from math import ceil
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline
from sklearn.utils import check_scalar
from sklearn.utils.validation import check_is_fitted

from sklstm._base import BaseTextClassifier
from sklstm._dataframes import to_pandas
from sklstm._progress import progress
from sklstm._sklearn import rollback_on_error
from sklstm._training.data import RunningMeans, draw_seed
from sklstm._validation import Labels, check_no_tags, label_array
from sklstm.sequencer import TextSequencer
from sklstm.vectors import WordVectors

__all__ = ["fit_stream"]

# Minimum number of documents for a warning: fewer can have the same label by chance.
_MIN_SUSPICIOUS = 100

Columns = Hashable | list[Hashable]
Steps = list[BaseEstimator]


def fit_stream(
    model: Pipeline,
    chunks: Iterable[object] | Callable[[], Iterable[object]],
    *,
    classes: ArrayLike | None = None,
    text: Columns = None,
    label: Columns = None,
    epochs: int = 1,
    buffer_size: int = 10_000,
    random_state: int | np.random.RandomState | None = None,
    verbose: int = 0,
) -> Pipeline:
    """Train a pipeline with `partial_fit` on chunks of documents, shuffled in a buffer.

    Only the buffer and one or two chunks are in memory at a time. An unfitted `TextSequencer` is
    fitted as well. If the classifier is already fitted, training is resumed.

    Parameters
    ----------
    model : Pipeline
        Pipeline whose last step has `partial_fit`, such as `LSTMTextClassifier`. The other steps
        must be `TextSequencer`, or transformers that are already fitted or stateless.
    chunks : iterable of DataFrame or of (X, y), or callable
        The documents in chunks: DataFrames with the columns `text` and `label`, as returned by
        ``pandas.read_csv(path, chunksize=5_000)``, or pairs of texts and labels. A callable without
        arguments that returns such an iterable is called once per pass, so that a file or generator
        can be read more than once.
    classes : array-like of shape (n_classes,), default=None
        All labels that can occur. None uses the classes of the fitted classifier; if it is not
        fitted, the labels are collected in an additional pass. Not needed for a label indicator
        matrix.
    text : column name or list of column names, default=None
        Columns of the texts in DataFrames. `TextSequencer` joins several columns.
    label : column name or list of column names, default=None
        Columns of the labels in DataFrames. The columns of a list form a label indicator matrix.
    epochs : int, default=1
        Number of passes over the stream for training. The parameter `epochs` of the classifier is
        ignored.
    buffer_size : int, default=10_000
        Maximum number of documents in the buffer. When it is full, a random half of it is used for
        training and replaced by new documents.
    random_state : int, RandomState instance or None, default=None
        Seed or generator for the order of the documents.
    verbose : {0, 1, 2}, default=0
        0 shows nothing, 1 a progress bar with the remaining time, and 2 one line per epoch. Where a
        bar cannot be redrawn, such as in a log file, 1 also shows lines.

    Returns
    -------
    model : Pipeline
        The trained pipeline, which is the same object as the argument.

    Raises
    ------
    ValueError
        If a chunk lacks a column, if a label is missing or not in `classes`, if there are no
        documents, or if several passes are needed but the stream can be read only once.
    TypeError
        If `model`, `chunks` or a chunk has an invalid type.

    Warns
    -----
    UserWarning
        If all documents drawn from the buffer have the same label, as in a file that is sorted by
        label.

    See Also
    --------
    LSTMTextClassifier.partial_fit : Trains the network on one batch of documents.

    Notes
    -----
    With ``indexing="hash"``, or a list of tokens as `vocabulary`, `TextSequencer` does not depend
    on the texts, and its rows have `max_len` ids. Otherwise, or with ``max_len=None``, an
    additional pass determines the vocabulary and the width before training. If `vocab_size` of the
    classifier is None, the embedding has one row per id of the sequencer (``n_tokens_``). As with
    `partial_fit`, `learning_rate_schedule` is not applied, and early stopping and balanced class
    weights raise an error.

    Each draw takes a random half of the buffer. A document therefore remains in the buffer for one
    more draw with probability 1/2, for two more draws with probability 1/4, and so on, similar to
    ``tf.data.Dataset.shuffle`` [1]_. Documents that are further apart than a few times
    `buffer_size` are hardly ever in the same batch.

    If an error or interrupt ends the training, the model keeps the state after the last completed
    call of `partial_fit`. If there was no such call, the model is unchanged.

    References
    ----------
    .. [1] `tf.data.Dataset <https://www.tensorflow.org/api_docs/python/tf/data/Dataset>`_ of
       TensorFlow.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklstm import LSTMTextClassifier, TextSequencer
    >>> from sklstm.streaming import fit_stream
    >>> model = make_pipeline(
    ...     TextSequencer(indexing="hash", max_tokens=1_000, max_len=20),
    ...     LSTMTextClassifier(units=8, learning_rate=0.02, random_state=0),
    ... )
    >>> texts = ["a fine film", "a dull film", "fine and moving", "dull and slow"]
    >>> chunks = ((texts, ["good", "bad", "good", "bad"]) for _ in range(20))
    >>> model = fit_stream(model, chunks, classes=["bad", "good"], buffer_size=8, random_state=0)
    >>> model.predict(["a fine and moving film", "slow"]).tolist()
    ['good', 'bad']
    """
    check_scalar(epochs, "epochs", Integral, min_val=1)
    check_scalar(buffer_size, "buffer_size", Integral, min_val=2)
    check_scalar(verbose, "verbose", Integral, min_val=0, max_val=2)
    transformers, classifier = _split_steps(model)
    unfitted = [step for step in transformers if not _is_ready(step)]
    learner = next((step for step in unfitted if _depends_on_texts(step)), None)
    if not callable(chunks):
        _check_iterable(chunks, "chunks is")
    can_be_read_again = callable(chunks) or iter(chunks) is not chunks
    if not can_be_read_again:
        _check_one_pass_is_enough(learner, epochs, type(chunks).__name__)
    read = partial(_read_documents, chunks, text, label)
    known: Labels | None = getattr(classifier, "classes_", None)
    if classes is not None:
        known = _check_n_classes(np.unique(np.asarray(classes)))
    rng = np.random.default_rng(draw_seed(random_state))
    n_documents = None
    with ExitStack() as until_trained, closing(progress(epochs, verbose, "document")) as display:
        for step in unfitted:
            until_trained.enter_context(rollback_on_error(step))
        is_indicator = isinstance(label, list) and len(label) > 1
        lacks_classes = known is None and not is_indicator
        if learner is not None or (lacks_classes and can_be_read_again):
            to_learner = transformers[: transformers.index(learner) + 1] if learner else []
            known, n_documents = _first_pass(read, known, to_learner, buffer_size, verbose)
        for epoch in range(epochs):
            display.begin_epoch(epoch, n_documents)
            means = RunningMeans()
            blocks = in_blocks(with_codes(read(), known), buffer_size // 2)
            for documents in shuffle(blocks, buffer_size // 2, rng):
                _warn_if_sorted(documents.y, known, buffer_size)
                _train(transformers, classifier, documents, known)
                until_trained.pop_all().close()
                history = getattr(classifier, "history_", {})
                means.add(len(documents.y), {name: curve[-1] for name, curve in history.items()})
                display.update(means.n_documents, means.logs())
                # Release their memory before the next documents are read.
                del documents
            n_documents = means.n_documents
            display.end_epoch(n_documents, means.logs())
    return model


def _split_steps(model: Pipeline) -> tuple[Steps, BaseEstimator]:
    """Return the transformers of a pipeline that can be fitted on a stream, and its last step."""
    if not isinstance(model, Pipeline) or not hasattr(model[-1], "partial_fit"):
        raise TypeError(
            f"model is a {type(model).__name__}; it must be a Pipeline whose last step has "
            "partial_fit, such as make_pipeline(TextSequencer(), LSTMTextClassifier())."
        )
    transformers = [step for _, step in model.steps[:-1] if step not in (None, "passthrough")]
    for step in transformers:
        if not isinstance(step, TextSequencer) and not _is_ready(step):
            raise ValueError(
                f"model has the step {step!r}, which is not fitted. Only TextSequencer can be "
                "fitted on a stream. Fit the step before, on some of the documents."
            )
    return transformers, model[-1]


def _is_ready(transformer: BaseEstimator) -> bool:
    """Return whether a transformer is fitted, or needs no fitting."""
    try:
        check_is_fitted(transformer)
    except NotFittedError:
        return False
    return True


def _depends_on_texts(sequencer: TextSequencer) -> bool:
    """Return whether the ids or the width of a sequencer depend on all documents."""
    learns_vocabulary = isinstance(sequencer.vocabulary, (WordVectors, type(None)))
    return sequencer.max_len is None or (learns_vocabulary and sequencer.indexing != "hash")


def _check_one_pass_is_enough(learner: TextSequencer | None, epochs: int, kind: str) -> None:
    limit = f"but chunks is a {kind}, which can be read only once"
    reopen = "pass a function that opens it, chunks=lambda: pd.read_csv(path, chunksize=5_000)."
    if learner is not None:
        raise ValueError(
            f"TextSequencer learns its vocabulary or width from all documents first, {limit}. Set "
            f"indexing='hash' and max_len; or fit it before, on some of the texts; or {reopen}"
        )
    if epochs > 1:
        raise ValueError(f"epochs={epochs}, {limit}: {reopen}")


def _check_n_classes(classes: Labels) -> Labels:
    if len(classes) < 2:
        raise ValueError(f"classes={classes.tolist()}, but a classifier needs at least two.")
    return classes


def _first_pass(
    read: Callable[[], Iterator[Documents]],
    classes: Labels | None,
    transformers: Steps,
    block_size: int,
    verbose: int,
) -> tuple[Labels | None, int]:
    """Read a stream before training, for its labels and to fit a transformer.

    Parameters
    ----------
    read : callable
        Returns the documents of the stream by chunk.
    classes : ndarray or None
        The labels, if they are known.
    transformers : list
        Transformers, the last of which is to be fitted; may be empty.
    block_size : int
        Number of documents to fit on at a time.
    verbose : {0, 1, 2}
        As in `fit_stream`.

    Returns
    -------
    classes : ndarray or None
        The labels; None for label indicators.
    n_documents : int
        Number of documents.
    """
    found: set[Any] = set()

    chunks = read() if classes is None else with_codes(read(), classes)
    with closing(progress(0, verbose, "document")) as display:
        display.begin_epoch(0, None)
        n_documents = 0
        for documents in in_blocks(chunks, block_size):
            if classes is None and documents.y.ndim == 1:
                found.update(documents.y.tolist())
            if transformers:
                X = documents.texts
                for transformer in transformers[:-1]:
                    X = transformer.transform(X)
                transformers[-1].partial_fit(X)
            n_documents += len(documents.y)
            display.update(n_documents, {})
        display.end_epoch(n_documents, {})
    if found:
        try:
            classes = _check_n_classes(label_array(sorted(found), "chunks"))
        except TypeError as error:
            kinds = sorted({type(label).__name__ for label in found})
            raise ValueError(
                f"The labels are of the types {', '.join(kinds)}, which cannot be sorted. Convert "
                "all to text, or all to numbers: pandas.read_csv has dtype for that."
            ) from error
    return classes, n_documents


def _train(
    transformers: Steps, classifier: BaseEstimator, documents: Documents, classes: Labels | None
) -> None:
    """Train a classifier on documents, and fit transformers that do not depend on all texts."""
    X, y = documents.texts, documents.y
    n_ids = None
    for transformer in transformers:
        if not _is_ready(transformer):
            # Later documents may be longer than these.
            transformer._partial_fit_full_width(X)
        X = transformer.transform(X)
        if isinstance(transformer, TextSequencer):
            n_ids = transformer.n_tokens_
    if y.ndim == 2:
        classes = None
    elif classes is not None:
        y = classes[y]
    if isinstance(classifier, BaseTextClassifier):
        # Pass the vocabulary size, because the first documents may not contain the largest id.
        classifier._partial_fit(X, y, classes, n_ids=n_ids)
    else:
        classifier.partial_fit(X, y, classes=classes)


def _warn_if_sorted(y: NDArray[Any], classes: Labels | None, buffer_size: int) -> None:
    if classes is None or y.ndim == 2 or len(y) < _MIN_SUSPICIOUS or (y != y[0]).any():
        return
    warnings.warn(
        f"{len(y):,} documents, drawn from a buffer of {buffer_size:,}, all have the label "
        f"{classes.tolist()[y[0]]!r}. Shuffle the file if it is sorted by label, or raise "
        "buffer_size: otherwise the network forgets the labels of earlier documents.",
        stacklevel=3,
    )


class Documents(NamedTuple):
    """Labeled documents.

    Attributes
    ----------
    X : ndarray of objects of shape (n,) or (n, n_columns)
        Texts.
    columns : list or None
        Column names, if there are any.
    y : ndarray of shape (n,) or (n, n_labels)
        Labels as objects or as class indices; or a label indicator.
    """

    X: NDArray[np.object_]
    columns: list[Any] | None
    y: Labels

    @property
    def texts(self) -> NDArray[np.object_] | pd.DataFrame:
        """The texts in the form that a transformer accepts."""
        return self.X if self.columns is None else pd.DataFrame(self.X, columns=self.columns)

    def take(self, rows: NDArray[np.intp]) -> Documents:
        """Return copies of some rows, so that the memory of the others can be released."""
        return self._replace(X=self.X[rows], y=self.y[rows])


def _read_documents(
    chunks: Iterable[object] | Callable[[], Iterable[object]], text: Columns, label: Columns
) -> Iterator[Documents]:
    """Yield the documents of each chunk, with labels as objects.

    Raises
    ------
    TypeError, ValueError
        If a chunk is invalid, or there are no documents.
    """
    if callable(chunks):
        chunks = chunks()
        _check_iterable(chunks, "chunks() is")
    n_documents = 0
    for number, chunk in enumerate(chunks, start=1):
        documents = _read_chunk(chunk, text, label, number)
        n_documents += len(documents.y)
        yield documents
    if not n_documents:
        raise ValueError(
            "chunks contains no documents. A function must return a new iterable at each call, "
            "not one that has been read to its end."
        )


def with_codes(chunks: Iterable[Documents], classes: Labels | None) -> Iterator[Documents]:
    """Replace labels with class indices; label indicator matrices are not changed.

    Raises
    ------
    ValueError
        If there are no classes, or a label is not among them.
    """
    codes = {} if classes is None else {label: code for code, label in enumerate(classes.tolist())}
    for number, documents in enumerate(chunks, start=1):
        if documents.y.ndim == 2:
            yield documents
            continue
        if not codes:
            raise ValueError(
                "classes=None, and chunks can be read only once; pass classes, a list of labels."
            )
        y = np.array([codes.get(label, -1) for label in documents.y.tolist()], dtype=np.intp)
        if (y < 0).any():
            row = int(np.argmax(y < 0))
            raise ValueError(
                f"Row {row} of chunk {number} has the label {documents.y[row]!r}, which is not in "
                f"classes={list(codes)!r:.200}. Add it, or drop the document. pandas.read_csv "
                "converts numbers in chunks that also contain text to text: set its dtype."
            )
        yield documents._replace(y=y)


def in_blocks(chunks: Iterable[Documents], size: int) -> Iterator[Documents]:
    """Regroup documents into blocks of `size`; the last block may be smaller."""
    parts: list[Documents] = []
    n_missing = size
    for documents in chunks:
        rows = np.arange(len(documents.y))
        while rows.size:
            parts.append(documents.take(rows[:n_missing]))
            n_missing -= len(parts[-1].y)
            rows = rows[len(parts[-1].y) :]
            if not n_missing:
                yield _concatenate(parts)
                parts, n_missing = [], size
    if parts:
        yield _concatenate(parts)


def shuffle(
    blocks: Iterable[Documents], size: int, rng: np.random.Generator
) -> Iterator[Documents]:
    """Shuffle documents in a buffer of two blocks.

    When the buffer is full, a random half of its documents is drawn.

    Parameters
    ----------
    blocks : iterable of Documents
        Blocks of `size` documents; the last one may be smaller.
    size : int
        Half the size of the buffer.
    rng : numpy.random.Generator
        Source of randomness.

    Yields
    ------
    draw : Documents
        `size` documents; fewer at the end. Each document is in one draw.
    """
    buffer: list[Documents] = []
    for block in blocks:
        buffer.append(block)
        # Release the last draw before the next block is read.
        del block
        if sum(len(part.y) for part in buffer) == 2 * size:
            buffer = _split_at_random(buffer, 2, rng)
            yield buffer.pop()
    # Draws of similar size, so that no call of partial_fit has only a few documents.
    n_left = sum(len(part.y) for part in buffer)
    yield from _split_at_random(buffer, ceil(n_left / size), rng)


def _split_at_random(parts: list[Documents], n: int, rng: np.random.Generator) -> list[Documents]:
    """Split documents at random into `n` parts of similar size."""
    if not parts:
        return []
    documents = _concatenate(parts)
    order = rng.permutation(len(documents.y))
    return [documents.take(rows) for rows in np.array_split(order, n)]


def _check_iterable(chunks: object, what: str) -> None:
    chunks = to_pandas(chunks)
    is_single = isinstance(chunks, (str, bytes, os.PathLike, pd.DataFrame))
    if is_single or not isinstance(chunks, Iterable):
        raise TypeError(
            f"{what} a {type(chunks).__name__}; it must be an iterable of DataFrames or pairs (X, "
            "y), such as pd.read_csv(path, chunksize=5_000). Put a single chunk into a list."
        )


def _read_chunk(chunk: object, text: Columns, label: Columns, number: int) -> Documents:
    X: Any
    y: Any
    chunk = to_pandas(chunk)
    if isinstance(chunk, pd.DataFrame):
        X, y = _column(chunk, text, "text", number), _column(chunk, label, "label", number)
    elif isinstance(chunk, (tuple, list)) and len(chunk) == 2:
        X, y = (to_pandas(part) for part in chunk)
    else:
        kind = type(chunk).__name__
        raise TypeError(f"Chunk {number} is a {kind}; it must be a DataFrame, or a pair (X, y).")
    try:
        check_no_tags(y)
    except ValueError as error:
        remedy = (
            "All chunks need the same columns: pass all tags, MultiLabelBinarizer(classes=[...])."
        )
        raise ValueError(f"Chunk {number}: {error} {remedy}") from None
    columns = X.columns.tolist() if isinstance(X, pd.DataFrame) else None
    # As objects, None and NaN among strings do not become strings.
    X, labels = np.asarray(X, dtype=object), np.asarray(y, dtype=object)
    if X.ndim not in (1, 2) or labels.ndim not in (1, 2) or len(X) != len(labels):
        raise ValueError(
            f"Chunk {number} has texts of shape {X.shape} and labels of shape {labels.shape}; it "
            "must have one label per document."
        )
    is_missing = np.atleast_2d(pd.isna(labels).T).any(axis=0)
    if is_missing.any():
        raise ValueError(
            f"The label of row {is_missing.argmax()} of chunk {number} is missing. Drop the "
            "documents without a label, or label them."
        )
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    return Documents(X, columns, labels if labels.ndim == 1 else np.asarray(y))


def _column(
    chunk: pd.DataFrame, selected: Columns, parameter: str, number: int
) -> pd.Series[Any] | pd.DataFrame:
    names = selected if isinstance(selected, list) else [selected]
    if any(name not in chunk.columns for name in names):
        raise ValueError(
            f"{parameter}={selected!r} is not a column of chunk {number}, a DataFrame with the "
            f"columns {chunk.columns.tolist()}. Set it to one of them, or to a list of them."
        )
    return chunk[selected]


def _concatenate(parts: list[Documents]) -> Documents:
    first = parts[0].columns
    for part in parts:
        if part.columns != first:
            raise ValueError(f"Chunks differ in their text columns: {first}, then {part.columns}.")
    X, y = (np.concatenate(arrays) for arrays in zip(*((p.X, p.y) for p in parts), strict=True))
    return parts[0]._replace(X=X, y=y)
