"""Train a pipeline on a stream of documents that does not fit in memory."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline
from sklearn.utils import check_scalar
from sklearn.utils.validation import check_is_fitted

from sklstm._chunks import Documents, Stream, in_blocks, shuffled, with_codes
from sklstm._fit import draw_seed
from sklstm._progress import Progress, progress
from sklstm.sequencer import TextSequencer
from sklstm.vectors import WordVectors

__all__ = ["fit_stream"]

# So many documents hardly have one label by chance.
_SUSPICIOUSLY_MANY = 100


def fit_stream(
    model: Pipeline,
    chunks: Iterable[Any] | Callable[[], Iterable[Any]],
    *,
    classes: ArrayLike | None = None,
    text: Hashable | list[Any] = None,
    label: Hashable | list[Any] = None,
    epochs: int = 1,
    buffer_size: int = 10_000,
    random_state: Any = None,
    verbose: int = 0,
) -> Pipeline:
    """Train a pipeline by `partial_fit` on chunks of documents, shuffled in a buffer.

    Only the buffer and a chunk or two are in memory at a time. An unfitted `TextSequencer` is
    fitted as well; a classifier that is fitted is trained further.

    Parameters
    ----------
    model : Pipeline
        Its last step has `partial_fit`, as `LSTMTextClassifier` has. The others are a
        `TextSequencer`, and transformers that are fitted or need no fitting.
    chunks : iterable of DataFrame or of (X, y), or callable
        The documents, some at a time: DataFrames with the columns `text` and `label`, as
        ``pandas.read_csv(path, chunksize=5_000)`` gives them, or pairs of texts and labels. A
        callable without arguments, which returns such an iterable, is called whenever the stream
        is to be read: so a file or a generator can be read more than once.
    classes : array-like of shape (n_classes,), default=None
        All labels that occur. None: those that the classifier is fitted on, or else those that
        the stream has, for which it is read once more. A label indicator needs none.
    text : column name or list of them, default=None
        Where the texts are in DataFrames. `TextSequencer` joins those of several columns.
    label : column name or list of them, default=None
        Where the labels are in DataFrames. A list stands for a label indicator.
    epochs : int, default=1
        How often to train on the whole stream. `epochs` of the classifier does not count.
    buffer_size : int, default=10_000
        Most documents held. Whenever there are so many, half of them, drawn evenly at random, are
        what the classifier is trained on next, and new ones take their places.
    random_state : int, RandomState instance or None, default=None
        Source of the order of the documents.
    verbose : {0, 1, 2}, default=0
        Show nothing, a progress bar with the time that is left, or a line an epoch. Where no bar
        can be redrawn, as in a log file, 1 gives the lines as well.

    Returns
    -------
    model : Pipeline
        The same one, trained.

    Raises
    ------
    ValueError
        If a chunk lacks a column, a label is missing or none of `classes`, there are no
        documents, or the stream must be read more than once and cannot be.
    TypeError
        If `model`, `chunks` or a chunk is nothing of the above.

    Warns
    -----
    UserWarning
        If half a buffer has one label only, as in a file that is sorted by label.

    See Also
    --------
    LSTMTextClassifier.partial_fit : What trains the network.

    Notes
    -----
    With ``indexing="hash"``, or a list of tokens as `vocabulary`, `TextSequencer` has nothing to
    learn, and its rows are `max_len` ids wide. Otherwise, or with ``max_len=None``, the stream is
    read once for vocabulary and width before it is read for training. If `vocab_size` of
    `LSTMTextClassifier` is None, its network has a row for each of the ``n_tokens_`` ids. Its
    `learning_rate_schedule` is not applied, and early stopping and balanced class weights are
    refused, as by `partial_fit`.

    A document is passed over in its first draw with probability 1/2, in two draws with 1/4, and
    so on, much as in ``tf.data.Dataset.shuffle`` [1]_. Documents that are further apart than a few
    times `buffer_size` hardly ever train the network together.

    If an error or an interrupt ends the training, the model is what the last complete call of
    `partial_fit` made of it; before the first one, what it was.

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
    transformers, classifier = _steps(model)
    unfitted = [step for step in transformers if not _is_ready(step)]
    learner = next((step for step in unfitted if _learns(step)), None)
    stream = Stream(chunks, text, label)
    if not stream.can_be_read_again:
        _check_one_reading_is_enough(learner, epochs, type(chunks).__name__)
    if classes is not None:
        classes = _checked_classes(np.unique(np.asarray(classes)))
    else:
        classes = getattr(classifier, "classes_", None)
    rng = np.random.default_rng(draw_seed(random_state))
    n_documents = None
    with ExitStack() as until_trained, closing(progress(epochs, verbose, "document")) as shown:
        for step in unfitted:
            until_trained.callback(setattr, step, "__dict__", vars(step).copy())
        is_indicator = isinstance(label, list) and len(label) > 1
        lacks_classes = classes is None and not is_indicator
        if learner is not None or (lacks_classes and stream.can_be_read_again):
            to_learner = transformers[: transformers.index(learner) + 1] if learner else []
            classes, n_documents = _survey(stream, classes, to_learner, buffer_size, verbose)
        for epoch in range(epochs):
            shown.begin_epoch(epoch, n_documents)
            means = _Means(shown)
            blocks = in_blocks(with_codes(stream.read(), classes), buffer_size // 2)
            for documents in shuffled(blocks, buffer_size // 2, rng):
                _warn_if_sorted(documents.y, classes, buffer_size)
                _partial_fit(transformers, classifier, documents, classes)
                until_trained.pop_all()
                means.update(len(documents.y), getattr(classifier, "history_", {}))
                # Not to be held while the next ones are read.
                del documents
            n_documents = means.end()
    return model


def _steps(model: Any) -> tuple[list[Any], Any]:
    """Return the transformers of a pipeline that can learn from a stream, and its last step."""
    if not isinstance(model, Pipeline) or not hasattr(model[-1], "partial_fit"):
        raise TypeError(
            f"model is a {type(model).__name__}; it must be a Pipeline whose last step has "
            "partial_fit, such as make_pipeline(TextSequencer(indexing='hash'), "
            "LSTMTextClassifier())."
        )
    transformers = [step for _, step in model.steps[:-1] if step not in (None, "passthrough")]
    for step in transformers:
        if not isinstance(step, TextSequencer) and not _is_ready(step):
            raise ValueError(
                f"model has the step {step!r}, which is not fitted, and of all transformers only "
                "TextSequencer can be fitted on a stream. Fit it before, on some of the documents."
            )
    return transformers, model[-1]


def _is_ready(transformer: Any) -> bool:
    """Tell whether a transformer is fitted, or needs no fitting."""
    try:
        check_is_fitted(transformer)
    except NotFittedError:
        return False
    return True


def _learns(sequencer: TextSequencer) -> bool:
    """Tell whether the ids or the width depend on all of the documents."""
    vocabulary = sequencer.vocabulary
    has_ids = sequencer.indexing == "hash" or not (
        vocabulary is None or isinstance(vocabulary, WordVectors)
    )
    return sequencer.max_len is None or not has_ids


def _check_one_reading_is_enough(learner: TextSequencer | None, epochs: int, kind: str) -> None:
    reopen = (
        "pass a function that opens it anew, such as "
        "chunks=lambda: pd.read_csv(path, chunksize=5_000)"
    )
    if learner is not None:
        raise ValueError(
            "TextSequencer learns vocabulary or width from all documents before it turns the first "
            f"one into ids, but chunks is a {kind}, which can be read only once. Set "
            "indexing='hash' and max_len; or fit the sequencer before, on some of the texts; or "
            f"{reopen}."
        )
    if epochs > 1:
        raise ValueError(
            f"epochs={epochs}, but chunks is a {kind}, which can be read only once: {reopen}."
        )


def _checked_classes(classes: NDArray[Any]) -> NDArray[Any]:
    if len(classes) < 2:
        raise ValueError(f"classes={classes.tolist()}, but a classifier needs at least two.")
    return classes


def _survey(
    stream: Stream,
    classes: NDArray[Any] | None,
    transformers: list[Any],
    size: int,
    verbose: int,
) -> tuple[NDArray[Any] | None, int]:
    """Read a stream before it is trained on.

    Parameters
    ----------
    stream : Stream
        What to read.
    classes : ndarray or None
        The labels that may occur, if they are known.
    transformers : list
        Of which the last one is to learn from the stream; or none.
    size : int
        Documents to learn from at a time.
    verbose : {0, 1, 2}
        As in `fit_stream`.

    Returns
    -------
    classes : ndarray or None
        The labels; None of indicators.
    n_documents : int
        How many documents there are.
    """
    found: set[Any] = set()

    def labels_noted(chunks: Iterable[Documents]) -> Iterator[Documents]:
        for documents in chunks:
            if documents.y.ndim == 1:
                found.update(documents.y.tolist())
            yield documents

    chunks = labels_noted(stream.read()) if classes is None else with_codes(stream.read(), classes)
    with closing(progress(0, verbose, "document")) as shown:
        shown.begin_epoch(0, None)
        means = _Means(shown)
        for documents in in_blocks(chunks, size):
            if transformers:
                transformers[-1].partial_fit(_transformed(documents.texts, transformers[:-1]))
            means.update(len(documents.y), {})
        n_documents = means.end()
    if found:
        try:
            classes = _checked_classes(np.array(sorted(found)))
        except TypeError as error:
            kinds = sorted({type(label).__name__ for label in found})
            raise ValueError(
                f"The labels are of the types {', '.join(kinds)}, which have no order. Make all of "
                "them texts, or all numbers: pandas.read_csv has dtype for that."
            ) from error
    return classes, n_documents


def _transformed(X: Any, transformers: list[Any]) -> Any:
    for transformer in transformers:
        X = transformer.transform(X)
    return X


def _partial_fit(
    transformers: list[Any],
    classifier: Any,
    documents: Documents,
    classes: NDArray[Any] | None,
) -> None:
    """Train a classifier on documents; fit the transformers that have nothing to learn."""
    X, y = documents.texts, documents.y
    for transformer in transformers:
        if not _is_ready(transformer):
            transformer.partial_fit(X)
            # Later documents may be longer than all of these.
            transformer.max_len_ = transformer.max_len
        X = transformer.transform(X)
    if y.ndim == 2:
        classes = None
    elif classes is not None:
        y = classes[y]
    with _all_ids_foreseen(transformers, classifier):
        classifier.partial_fit(X, y, classes=classes)


@contextmanager
def _all_ids_foreseen(transformers: list[Any], classifier: Any) -> Iterator[None]:
    """Let a network that is not trained yet take its size from the sequencer, not from the ids."""
    sequencers = [step for step in transformers if isinstance(step, TextSequencer)]
    asks_for_it = (
        not hasattr(classifier, "classes_")
        and getattr(classifier, "vocab_size", 0) is None
        and getattr(classifier, "embedding_weights", None) is None
    )
    if not sequencers or not asks_for_it:
        yield
        return
    # The parameter is the user's: it is lent for the call that settles the size for good.
    classifier.vocab_size = sequencers[-1].n_tokens_
    try:
        yield
    finally:
        classifier.vocab_size = None


def _warn_if_sorted(y: NDArray[Any], classes: NDArray[Any] | None, buffer_size: int) -> None:
    if classes is None or y.ndim == 2 or len(y) < _SUSPICIOUSLY_MANY or (y != y[0]).any():
        return
    warnings.warn(
        f"{len(y):,} documents, drawn from a buffer of {buffer_size:,}, all have the label "
        f"{classes.tolist()[y[0]]!r}. If the file is sorted by label, shuffle it, or raise "
        "buffer_size: a network forgets what it read long ago.",
        stacklevel=3,
    )


class _Means:
    """Counts documents, and shows how many there are and their means.

    Parameters
    ----------
    shown : Progress
        Where an epoch has begun.
    """

    def __init__(self, shown: Progress) -> None:
        self._shown = shown
        self.n_seen = 0
        self._sums: dict[str, float] = {}

    def update(self, n_new: int, history: Mapping[str, list[float]]) -> None:
        """Count documents, of which the last values in `history` are means."""
        self.n_seen += n_new
        for name, values in history.items():
            self._sums[name] = self._sums.get(name, 0.0) + n_new * values[-1]
        self._shown.update(self.n_seen, self._means())

    def end(self) -> int:
        """Show what the epoch came to, and return the number of documents."""
        self._shown.end_epoch(self.n_seen, self._means())
        return self.n_seen

    def _means(self) -> dict[str, float]:
        return {name: total / self.n_seen for name, total in self._sums.items()}
