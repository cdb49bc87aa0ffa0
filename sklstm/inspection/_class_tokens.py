"""Tokens and n-grams that contribute most to the predictions of each class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from operator import attrgetter
from textwrap import fill
from typing import TYPE_CHECKING, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils import check_scalar

from sklstm._plotting import BLUE, Display, tidy
from sklstm._vocabulary import OOV_ID, RESERVED
from sklstm.inspection._attributions import TokenAttributions, attribute_documents, python_labels
from sklstm.pipeline import final_classifier

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# The mean over many documents needs fewer gradients than the values of a single document: on
# reviews, messages and news, the same tokens are selected as with 30 steps and a tolerance of 0.01.
_N_STEPS = 8
_TOLERANCE = 0.1
# Tokens of an example before and after the n-gram.
_CONTEXT = 5
_OOV_NAMES = frozenset({OOV_ID, RESERVED[OOV_ID]})
# Width and height of a panel without bars, and height of a bar, in inches.
_WIDTH, _HEIGHT, _BAR_HEIGHT = 2.9, 0.75, 0.2
_MAX_CHARACTERS = 24


def class_tokens(
    estimator: BaseEstimator,
    X: object,
    *,
    ngram_range: tuple[int, int] = (1, 2),
    n_tokens: int = 10,
    min_documents: int = 5,
    method: str = "integrated_gradients",
) -> pd.DataFrame:
    """Find the tokens and n-grams that contribute most to the predictions of each class.

    The value of an n-gram is its contribution to the score of the predicted class in logits, summed
    over a document, and averaged over the documents of this class that contain it.

    Parameters
    ----------
    estimator : LSTMTextClassifier, Pipeline, or another classifier of token ids
        Fitted estimator, as in `token_attributions`.
    X : list, Series or array
        Texts for a pipeline, token ids for a classifier. Some hundred documents per class suffice.
        With documents that the model was not fitted to, the n-grams are those that work on new
        documents.
    ngram_range : tuple of int, default=(1, 2)
        Smallest and largest number of tokens of an n-gram.
    n_tokens : int, default=10
        Maximum number of n-grams per class and length.
    min_documents : int, default=5
        Minimum number of documents of the class that contain an n-gram. The values of rare n-grams
        depend on the other words of their documents.
    method : {"integrated_gradients", "occlusion"}, default="integrated_gradients"
        Attribution method, as in `token_attributions`.

    Returns
    -------
    table : DataFrame
        One row per n-gram, with the columns ``class``, ``tokens`` (separated by spaces), ``value``,
        ``n_documents`` and ``example``: the n-gram and its neighbors in the document in which it
        contributes most. Rows are in the order of ``classes_``; those of each class are in the
        order of the number of tokens, and then by decreasing value, which is positive.

    Raises
    ------
    TypeError
        If `estimator` is not supported, or a number is not an integer.
    ValueError
        If `ngram_range`, `n_tokens`, `min_documents` or `method` is not valid, or X is invalid.
    NotFittedError
        If `estimator` is not fitted.

    Warns
    -----
    ConvergenceWarning
        As `token_attributions`, but only if the difference exceeds 10 % and 0.01 logits.

    See Also
    --------
    ClassTokensDisplay : Plots the table.
    token_attributions : The contributions in a single document.

    Notes
    -----
    An n-gram of several tokens is included only if its value exceeds the sum of the values of its
    tokens, because otherwise it says no more than they do. The out-of-vocabulary token is left out.
    Without a vocabulary, as with ``TextSequencer(indexing="hash")``, the tokens are ids.
    Each document counts for its predicted class, or for its most probable label if the data is
    multilabel.

    The table describes the model, not the language: a model with another `random_state` may give
    another order, and an n-gram that the model does not need is missing, even if it is typical of
    the class.

    The time is that of `token_attributions` with fewer gradients per document.

    Examples
    --------
    >>> from sklstm import class_tokens, make_text_classifier
    >>> texts = ["a fine film", "a dull film", "fine and moving", "dull and slow"] * 5
    >>> model = make_text_classifier("fast", random_state=0)
    >>> model = model.fit(texts, ["good", "bad", "good", "bad"] * 5)
    >>> table = class_tokens(model, texts, ngram_range=(1, 1), n_tokens=1)
    >>> table[["class", "tokens", "n_documents"]].values.tolist()
    [['bad', 'dull', 10], ['good', 'fine', 10]]
    """
    lengths = _lengths(ngram_range)
    check_scalar(n_tokens, "n_tokens", Integral, min_val=1)
    check_scalar(min_documents, "min_documents", Integral, min_val=1)
    attributions = attribute_documents(estimator, X, None, method, _N_STEPS, _TOLERANCE)
    by_class: dict[object, list[TokenAttributions]] = {
        target: [] for target in python_labels(final_classifier(estimator).classes_)
    }
    for attribution in attributions:
        by_class[attribution.target].append(attribution)
    rows = []
    for target, documents in by_class.items():
        single = _ngrams(documents, 1)
        of_tokens = {ngram.tokens: ngram.value for ngram in single}
        for length in lengths:
            shown = [
                ngram
                for ngram in (single if length == 1 else _ngrams(documents, length))
                if ngram.n_documents >= min_documents
                and ngram.value > 0
                and (length == 1 or ngram.value > sum(of_tokens[t,] for t in ngram.tokens))
            ]
            best = sorted(shown, key=attrgetter("value"), reverse=True)[:n_tokens]
            rows += [(target, ngram) for ngram in best]
    return pd.DataFrame(
        [(target, n.text, n.value, n.n_documents, n.example) for target, n in rows],
        columns=["class", "tokens", "value", "n_documents", "example"],
    )


@dataclass
class _Ngram:
    """An n-gram in the documents of a class."""

    tokens: tuple[object, ...]
    total: float = 0.0
    n_documents: int = 0
    largest: float = -np.inf
    context: Sequence[object] = ()

    def add(self, value: float, document: Sequence[object], position: int) -> None:
        """Add a document that contains the n-gram, at `position` for the first time."""
        self.total += value
        self.n_documents += 1
        if value > self.largest:
            self.largest = value
            start, end = position - _CONTEXT, position + len(self.tokens) + _CONTEXT
            before, after = ["..."] * (start > 0), ["..."] * (end < len(document))
            self.context = [*before, *document[max(0, start) : end], *after]

    @property
    def value(self) -> float:
        """Mean contribution to a document."""
        return self.total / self.n_documents

    @property
    def text(self) -> str:
        """The tokens, separated by spaces."""
        return " ".join(map(str, self.tokens))

    @property
    def example(self) -> str:
        """The n-gram and the words next to it."""
        return " ".join(map(str, self.context))


def _ngrams(documents: Sequence[TokenAttributions], length: int) -> list[_Ngram]:
    """Return the n-grams of `length` known tokens."""
    ngrams: dict[tuple[object, ...], _Ngram] = {}
    for attribution in documents:
        tokens = attribution.tokens.tolist()
        until = np.append(0.0, np.cumsum(attribution.values))
        values: dict[tuple[object, ...], float] = {}
        positions: dict[tuple[object, ...], int] = {}
        for position, value in enumerate((until[length:] - until[:-length]).tolist()):
            key = tuple(tokens[position : position + length])
            values[key] = values.get(key, 0.0) + value
            positions.setdefault(key, position)
        for key, value in values.items():
            if _OOV_NAMES.isdisjoint(key):
                ngrams.setdefault(key, _Ngram(key)).add(value, tokens, positions[key])
    return list(ngrams.values())


def _lengths(ngram_range: tuple[int, int]) -> range:
    """Return the numbers of tokens of the n-grams.

    Raises
    ------
    ValueError
        If the range is not valid.
    """
    lengths = tuple(ngram_range) if isinstance(ngram_range, tuple | list) else ()
    if len(lengths) == 2 and all(isinstance(length, Integral) for length in lengths):
        shortest, longest = lengths
        if 1 <= shortest <= longest:
            return range(shortest, longest + 1)
    expected = "a pair of integers, of which the first is at least 1 and not above the second"
    raise ValueError(f"ngram_range={ngram_range!r} must be {expected}, such as (1, 2).")


def _shorten(tokens: str) -> str:
    """Return at most `_MAX_CHARACTERS` characters, also of a single long token."""
    return tokens if len(tokens) <= _MAX_CHARACTERS else f"{tokens[: _MAX_CHARACTERS - 3]}..."


class ClassTokensDisplay(Display):
    """Tokens and n-grams that contribute most to the predictions of each class, as bars.

    The number of documents that contain an n-gram is in parentheses.

    It is recommended to use `from_estimator` to create a display.

    Parameters
    ----------
    table : DataFrame
        A table as returned by `class_tokens`.

    Attributes
    ----------
    ax_ : ndarray of matplotlib Axes of shape (n_classes,)
        Axes of the classes.
    figure_ : matplotlib Figure
        Figure of the axes.

    See Also
    --------
    class_tokens : Computes the table.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from sklstm import ClassTokensDisplay, make_text_classifier
    >>> texts = ["a fine film", "a dull film", "fine and moving", "dull and slow"] * 5
    >>> model = make_text_classifier("fast", random_state=0)
    >>> model = model.fit(texts, ["good", "bad", "good", "bad"] * 5)
    >>> display = ClassTokensDisplay.from_estimator(model, texts, ngram_range=(1, 1))
    >>> [ax.get_title() for ax in display.ax_]
    ['bad', 'good']
    >>> display.ax_[1].get_yticklabels()[0].get_text()
    'fine (10)'
    >>> len(ClassTokensDisplay(display.table).plot(max_classes=1).ax_)
    1
    """

    def __init__(self, table: pd.DataFrame) -> None:
        self.table = table

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        X: object,
        *,
        ngram_range: tuple[int, int] = (1, 2),
        n_tokens: int = 10,
        min_documents: int = 5,
        max_classes: int = 12,
        method: str = "integrated_gradients",
        ax: Axes | ArrayLike | None = None,
    ) -> Self:
        """Plot the tokens and n-grams of the classes of a fitted classifier.

        Parameters
        ----------
        estimator : LSTMTextClassifier, Pipeline, or another classifier of token ids
            Fitted estimator, as in `token_attributions`.
        X : list, Series or array
            Texts for a pipeline, token ids for a classifier.
        ngram_range : tuple of int, default=(1, 2)
            Smallest and largest number of tokens of an n-gram.
        n_tokens : int, default=10
            Maximum number of n-grams per class, of all lengths together.
        min_documents : int, default=5
            Minimum number of documents of the class that contain an n-gram.
        max_classes : int, default=12
            Maximum number of classes, the first ones in the order of ``classes_``.
        method : {"integrated_gradients", "occlusion"}, default="integrated_gradients"
            Attribution method, as in `token_attributions`.
        ax : matplotlib Axes, array of Axes or None, default=None
            One Axes to divide, one Axes per class, or None for a new figure.

        Returns
        -------
        display : ClassTokensDisplay
            The plotted display.

        Raises
        ------
        TypeError, ValueError, NotFittedError
            As `class_tokens`.
        ImportError
            If matplotlib is not installed.
        """
        table = class_tokens(
            estimator,
            X,
            ngram_range=ngram_range,
            n_tokens=n_tokens,
            min_documents=min_documents,
            method=method,
        )
        return cls(table).plot(n_tokens=n_tokens, max_classes=max_classes, ax=ax)

    def plot(
        self, *, n_tokens: int = 10, max_classes: int = 12, ax: Axes | ArrayLike | None = None
    ) -> Self:
        """Plot one panel per class, with one bar per n-gram.

        Parameters
        ----------
        n_tokens : int, default=10
            Maximum number of n-grams per class, those with the largest values.
        max_classes : int, default=12
            Maximum number of classes, the first ones of the table.
        ax : matplotlib Axes, array of Axes or None, default=None
            One Axes to divide, one Axes per class, or None for a new figure.

        Returns
        -------
        self : ClassTokensDisplay
            The plotted display.

        Raises
        ------
        TypeError
            If `n_tokens` or `max_classes` is not an integer.
        ValueError
            If the table has no rows, `n_tokens` or `max_classes` is not positive, or the number of
            Axes differs from the number of classes.
        ImportError
            If matplotlib is not installed.
        """
        check_scalar(n_tokens, "n_tokens", Integral, min_val=1)
        check_scalar(max_classes, "max_classes", Integral, min_val=1)
        if not len(self.table):
            raise ValueError("The table has no rows; pass more documents, or reduce min_documents.")
        groups = list(self.table.groupby("class", sort=False))[:max_classes]
        n_bars = min(n_tokens, max(len(rows) for _, rows in groups))
        self.ax_ = self._panels(ax, len(groups), (_WIDTH, _HEIGHT + _BAR_HEIGHT * n_bars))
        for each, (target, rows) in zip(self.ax_, groups, strict=True):
            best = rows.sort_values("value", ascending=False, kind="stable")[:n_tokens]
            labels = [
                f"{_shorten(tokens)} ({n_documents:,})"
                for tokens, n_documents in zip(best["tokens"], best["n_documents"], strict=True)
            ]
            each.barh(range(len(best)), best["value"], color=BLUE, height=0.7)
            each.set_yticks(range(len(best)), labels, parse_math=False, fontsize="small")
            each.set_ylim(n_bars - 0.4, -0.6)
            each.locator_params(axis="x", nbins=4)
            each.set_title(fill(str(target), 30), fontsize="medium", parse_math=False)
            each.set_xlabel("contribution, logits", fontsize="small")
            tidy(each, "x")
        return self
