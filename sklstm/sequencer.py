"""Turn raw texts into padded rows of token ids, the input of an LSTM text classifier."""

from __future__ import annotations

from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils.validation import check_is_fitted

from sklstm import _state, _tokens
from sklstm._sequencing import learn, read, rows, tokens
from sklstm._sklearn import (
    CallbackSupportMixin,
    HasMethods,
    Interval,
    RealNotInt,
    StrOptions,
    fit_context,
    fit_task,
    rollback_on_error,
)

__all__ = ["TextSequencer"]

_DOCUMENTS = [Interval(RealNotInt, 0, 1, closed="both"), Interval(Integral, 1, None, closed="left")]


class TextSequencer(
    CallbackSupportMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    BaseEstimator,
):
    r"""Turn texts into rows of token ids, padded to one width.

    Id 0 is padding, 1 an unknown token, and 2, 3, ... are the tokens of the vocabulary by falling
    frequency in the training texts; equally frequent ones stand in alphabetical order, so that ids
    do not depend on the order of documents. A document without tokens becomes one unknown token:
    no row is all padding. scikit-learn's own analyzer cuts texts into tokens: a parameter that has
    its name from ``CountVectorizer`` means the same here.

    Parameters
    ----------
    max_tokens : int or None, default=20000
        Size of the id space, padding and the unknown token included, as in Keras
        ``TextVectorization`` [1]_: at most ``max_tokens - 2`` tokens have an id of their own. None
        sets no limit. Memory of the network grows with it, time hardly.
    max_len : int or None, default=500
        Most tokens kept of one document. None: as many as the longest training document has. Time
        and memory of training grow in proportion up to the longest texts. Long texts lose what is
        cut off.
    padding : {"pre", "post"}, default="pre"
        Side on which a short row is filled up with zeros, as in Keras ``pad_sequences`` [2]_. No
        effect on scores or time, unless the network has ``mask_padding=False``.
    truncating : {"pre", "post"}, default="pre"
        Side on which a long document loses its surplus tokens: "pre" drops its beginning. Where
        texts come to the point at their end, "pre" keeps it. No effect on time.
    indexing : {"vocabulary", "hash"}, default="vocabulary"
        "vocabulary" numbers the tokens of the training texts. "hash" computes ids with MurmurHash3,
        the hashing trick [3]_: they are the same in every process and for every corpus, two tokens
        may share one, and only the width is learned. It needs `max_tokens`, excludes `vocabulary`,
        and does not apply `min_df` and `max_df`. A stream is read once less; tokens that share an
        id cannot be told apart.
    lowercase : bool, default=True
        Convert all characters to lower case before tokenizing. Fewer words are unknown, and "May"
        is "may".
    strip_accents : {"ascii", "unicode"}, callable or None, default=None
        Remove accents before tokenizing. Fewer words are unknown. A function of your own is slower.
    preprocessor : callable (str -> str) or None, default=None
        Replaces `lowercase` and `strip_accents`. Called for each text, which is slower than what it
        replaces.
    tokenizer : callable (str -> iterable of str) or None, default=None
        Replaces `token_pattern`; empty tokens are left out. Called for each text, which is slower
        than what it replaces.
    token_pattern : str or None, default=r"\w+(?:['\u2019]\w+)*"
        Regular expression of a token; if it has a group, the group is the token. The default keeps
        one-letter words, numbers and contractions: "don't" is one token. Most other patterns are
        slower. One that cuts off the "t" lets "don't" say the opposite.
    analyzer : {"word", "char"}, default="word"
        Whether a token is a word or a single character. `tokenizer`, `token_pattern`, `stop_words`
        and `stemmer` only apply to words. With characters hardly anything is unknown, but rows are
        several times as long, and training takes as much longer.
    stop_words : {"english"}, list, set, tuple or frozenset of str, or None, default=None
        Words to leave out, compared after preprocessing and before stemming. "english" is
        scikit-learn's list. Rows are shorter, so that training is quicker; the list of scikit-learn
        also has words that matter to the meaning, such as "not".
    min_df : int or float in [0, 1], default=1
        Leave tokens of fewer documents out of the vocabulary. An int is a number of documents, a
        float a proportion of them. A higher one saves memory of the network, and makes more words
        unknown.
    max_df : int or float in [0, 1], default=1.0
        Leave tokens of more documents out of the vocabulary. Counted as `min_df`. A lower one
        shortens nothing: what it leaves out is read as the unknown token.
    stemmer : str, callable (str -> str) or None, default=None
        Name of a ``snowballstemmer`` algorithm, such as "english" or "porter" [4]_, or a function
        from a token to its stem. A token whose stem is empty stays as it is. Fewer words are
        unknown, and forms of a word are not told apart. Each different token is stemmed once.
    vocabulary : sequence of str, WordVectors, mapping of str to int, or None, default=None
        A fixed vocabulary: tokens of which the first gets id 2, or tokens with their ids, which are
        distinct, at least 2, and may have gaps. `max_tokens`, `min_df` and `max_df` then do not
        apply, and `stemmer` changes the texts but not the vocabulary. What `WordVectors` lack is
        written in lower case or parts, "do" and "n't", if they have those, or else learned, with
        ids behind theirs. None: learn it. With few or short texts, pretrained vectors are worth
        more than any other parameter.
    separator : str, default=" "
        Stands between the columns of a document where X has several. No effect, unless it holds a
        word, which then tells the network where a column ends.

    Attributes
    ----------
    vocabulary_ : dict of str to int
        Id of each token. Absent with ``indexing="hash"``.
    tokens_ : ndarray of str objects, shape (n_tokens_,)
        Token of each id; "" for padding and unused ids, "[UNK]" for the unknown token. Absent with
        ``indexing="hash"``.
    token_counts_ : ndarray of int64, shape (n_tokens_,)
        How often each id occurs in the training texts before truncation. Entry 1 counts all tokens
        outside the vocabulary. Absent with ``indexing="hash"``.
    n_tokens_ : int
        Size of the id space in use: every id is smaller.
    max_len_ : int
        Width of the output: tokens of the longest training text, at most `max_len`.
    n_features_in_ : int
        Number of columns of X in `fit`; 1 if X was one-dimensional.
    feature_names_in_ : ndarray of str objects, shape (n_features_in_,)
        Column names of X in `fit`, if it was a DataFrame and they are all strings.

    See Also
    --------
    LSTMTextClassifier : Learns from the ids.
    WordVectors : A vocabulary with pretrained vectors.

    References
    ----------
    .. [1] `TextVectorization <https://keras.io/api/layers/preprocessing_layers/text/>`_ of Keras.
    .. [2] `pad_sequences <https://keras.io/api/data_loading/timeseries/>`_ of Keras.
    .. [3] K. Weinberger, A. Dasgupta, J. Langford, A. Smola and J. Attenberg (2009). Feature
           hashing for large scale multitask learning. ICML. For word ids: Keras ``one_hot``.
    .. [4] M. F. Porter (1980). An algorithm for suffix stripping. Program 14(3), 130-137. The
           others: `Snowball <https://snowballstem.org/algorithms/>`_.

    Examples
    --------
    >>> from sklstm import TextSequencer
    >>> texts = ["I like the film", "I don't like it", "The film"]
    >>> sequencer = TextSequencer(max_tokens=6)
    >>> sequencer.fit_transform(texts)
    array([[3, 4, 5, 2],
           [3, 1, 4, 1],
           [0, 0, 5, 2]], dtype=int32)
    >>> sequencer.fit(texts).vocabulary_
    {'film': 2, 'i': 3, 'like': 4, 'the': 5}
    >>> sequencer.transform(["The FILM of films", None])
    array([[5, 2, 1, 1],
           [0, 0, 0, 1]], dtype=int32)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "max_tokens": [Interval(Integral, 3, None, closed="left"), None],
        "max_len": [Interval(Integral, 1, None, closed="left"), None],
        "padding": [StrOptions({"pre", "post"})],
        "truncating": [StrOptions({"pre", "post"})],
        "indexing": [StrOptions({"vocabulary", "hash"})],
        "lowercase": ["boolean"],
        "strip_accents": [StrOptions({"ascii", "unicode"}), callable, None],
        "preprocessor": [callable, None],
        "tokenizer": [callable, None],
        "token_pattern": [str, None],
        "analyzer": [StrOptions({"word", "char"})],
        "stop_words": [StrOptions({"english"}), list, set, tuple, frozenset, None],
        "min_df": _DOCUMENTS,
        "max_df": _DOCUMENTS,
        "stemmer": [str, callable, None],
        "vocabulary": [HasMethods("__len__"), None],
        "separator": [str],
    }

    def __init__(
        self,
        *,
        max_tokens: int | None = 20_000,
        max_len: int | None = 500,
        padding: str = "pre",
        truncating: str = "pre",
        indexing: str = "vocabulary",
        lowercase: bool = True,
        strip_accents: Any = None,
        preprocessor: Any = None,
        tokenizer: Any = None,
        token_pattern: str | None = _tokens.WORD_PATTERN,
        analyzer: str = "word",
        stop_words: Any = None,
        min_df: float = 1,
        max_df: float = 1.0,
        stemmer: Any = None,
        vocabulary: Any = None,
        separator: str = " ",
    ) -> None:
        self.max_tokens = max_tokens
        self.max_len = max_len
        self.padding = padding
        self.truncating = truncating
        self.indexing = indexing
        self.lowercase = lowercase
        self.strip_accents = strip_accents
        self.preprocessor = preprocessor
        self.tokenizer = tokenizer
        self.token_pattern = token_pattern
        self.analyzer = analyzer
        self.stop_words = stop_words
        self.min_df = min_df
        self.max_df = max_df
        self.stemmer = stemmer
        self.vocabulary = vocabulary
        self.separator = separator

    @fit_context
    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the vocabulary and the width.

        Parameters
        ----------
        X : list, tuple, Series, DataFrame or ndarray of str
            Training texts, of shape (n_documents,) or (n_documents, n_columns). None, NaN and
            ``pandas.NA`` are missing texts.
        y : None
            Ignored.

        Returns
        -------
        self : TextSequencer
            The fitted sequencer.

        Raises
        ------
        ValueError
            If X is a single string or has no tokens, if none is left after `min_df` and `max_df`,
            or if a parameter has a wrong value.
        TypeError
            If X holds anything but texts, or `vocabulary` anything but tokens.
        """
        with rollback_on_error(self), fit_task(self, X, y):
            learn(self, self._read(X, reset=True), go_on=False)
        return self

    @fit_context
    def fit_transform(self, X: Any, y: Any = None) -> NDArray[np.int32]:
        """Do what ``fit(X).transform(X)`` does, but tokenize each text only once.

        Parameters
        ----------
        X : list, tuple, Series, DataFrame or ndarray of str
            Training texts, as in `fit`.
        y : None
            Ignored.

        Returns
        -------
        ids : ndarray of int32, shape (n_documents, max_len_)
            Token ids, as `transform` gives them.

        Raises
        ------
        ValueError, TypeError
            As `fit`.
        """
        with rollback_on_error(self):
            with fit_task(self, X, y):
                corpus = self._read(X, reset=True)
                learn(self, corpus, go_on=False)
            return rows(self, corpus)

    @fit_context
    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """Learn from one more chunk of training texts; all chunks together give what `fit` gives.

        Tokens change their ids as counts grow: read all chunks once for the vocabulary and again
        to train on ids. With ``indexing="hash"`` or a given vocabulary ids stay. After a `fit`,
        this goes on from the tokens which that kept; the others it has forgotten.

        Parameters
        ----------
        X : list, tuple, Series, DataFrame or ndarray of str
            Further training texts, as in `fit`. While `min_df` and `max_df` leave no token, only
            `transform` refuses to work.
        y : None
            Ignored.

        Returns
        -------
        self : TextSequencer
            The fitted sequencer.

        Raises
        ------
        ValueError, TypeError
            As `fit`; ValueError also if `vocabulary` is not what it was in the calls before.

        Examples
        --------
        >>> from sklstm import TextSequencer
        >>> sequencer = TextSequencer()
        >>> for chunk in (["a fine film"], ["fine and moving"]):
        ...     sequencer = sequencer.partial_fit(chunk)
        >>> sequencer.vocabulary_
        {'fine': 2, 'a': 3, 'and': 4, 'film': 5, 'moving': 6}
        """
        # What is done for all methods that fit is left out where this one goes on.
        self._validate_params()
        with rollback_on_error(self):
            learn(self, self._read(X, reset=not hasattr(self, "max_len_")), go_on=True)
        return self

    def transform(self, X: Any) -> NDArray[np.int32]:
        """Turn texts into padded rows of token ids.

        Parameters
        ----------
        X : list, tuple, Series, DataFrame or ndarray of str
            Texts, as in `fit`; there may be none.

        Returns
        -------
        ids : ndarray of int32, shape (n_documents, max_len_)
            Token ids, C-contiguous.

        Raises
        ------
        NotFittedError
            If the sequencer is not fitted.
        ValueError
            If X is a single string, has other columns than in `fit`, or no token has an id.
        TypeError
            If X holds anything but texts.
        """
        check_is_fitted(self, "max_len_")
        return rows(self, self._read(X, reset=False))

    def inverse_transform(self, X: ArrayLike) -> list[NDArray[np.object_]]:
        """Turn rows of token ids back into tokens.

        Parameters
        ----------
        X : array-like of int, shape (n_documents, width)
            Token ids; the width need not be `max_len_`.

        Returns
        -------
        tokens : list of ndarray of str objects, length n_documents
            The tokens of each row without its padding; the unknown token is "[UNK]".

        Raises
        ------
        NotFittedError
            If the sequencer is not fitted.
        ValueError
            If `indexing` is "hash", or X is not 2-D or holds anything but ids below `n_tokens_`.

        Examples
        --------
        >>> from sklstm import TextSequencer
        >>> sequencer = TextSequencer()
        >>> ids = sequencer.fit_transform(["a fine film", "fine"])
        >>> [" ".join(tokens) for tokens in sequencer.inverse_transform(ids)]
        ['a fine film', 'fine']
        """
        check_is_fitted(self, "max_len_")
        return tokens(self, X)

    @property
    def _n_features_out(self) -> int:
        return self.max_len_

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = tags.input_tags.one_d_array = tags.input_tags.allow_nan = True
        # A 2-D array means numbers here, and so do the common checks that this tag switches on.
        tags.input_tags.two_d_array = False
        tags.transformer_tags.preserves_dtype = []
        return tags

    def __getstate__(self) -> dict[str, Any]:
        return _state.pack_sequencer(super().__getstate__())

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(_state.unpack_sequencer(state, type(self)))

    def _read(self, X: Any, *, reset: bool) -> _tokens.Corpus:
        return read(self, X, reset=reset)
