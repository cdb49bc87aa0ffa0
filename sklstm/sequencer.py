"""TextSequencer: convert raw texts to padded token ids, the input of an LSTM text classifier."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sized
from numbers import Integral
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from sklstm import _persistence, _sklearn, _tokens, _vocabulary
from sklstm._dataframes import to_pandas
from sklstm._similar_tokens import SimilarTokens
from sklstm._sklearn import HasMethods, Interval, RealNotInt, StrOptions
from sklstm._token_ids import TokenIds
from sklstm._tokens import Int32Array
from sklstm._vocabulary import INT32_MAX, N_RESERVED, OOV_ID, ObjectArray
from sklstm.vectors import WordVectors

if TYPE_CHECKING:
    from sklearn.utils import Tags

__all__ = ["TextSequencer"]

_DOCUMENT_FREQUENCY = [
    Interval(RealNotInt, 0, 1, closed="both"),
    Interval(Integral, 1, None, closed="left"),
]
# Constraints on a loaded state.
_STATE_CONSTRAINTS = {
    "max_len_": [Interval(Integral, 1, INT32_MAX, closed="both")],
    "n_tokens_": [Interval(Integral, N_RESERVED, INT32_MAX, closed="both")],
    "n_features_in_": [Interval(Integral, 1, None, closed="left")],
}


class TextSequencer(
    _sklearn.CallbackSupportMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator
):
    r"""Convert texts to padded rows of token ids.

    Id 0 is padding, and id 1 is the out-of-vocabulary token. Ids 2, 3, ... are the tokens of the
    vocabulary by decreasing frequency in the training texts. Tokens of equal frequency are in
    alphabetical order, so that ids do not depend on the order of the documents. A document without
    tokens becomes a single out-of-vocabulary token. Texts are split into tokens by the analyzer of
    scikit-learn's ``CountVectorizer``. Parameters that both classes have in common have the same
    meaning.

    Parameters
    ----------
    max_tokens : int or None, default=30000
        Size of the id space, including padding and the out-of-vocabulary token, as in Keras
        ``TextVectorization`` [1]_: at most ``max_tokens - 2`` tokens have their own id. None
        sets no limit. A larger value increases the memory of the network, but hardly the training
        time.
    max_len : int or None, default=1000
        Maximum number of tokens per document; longer documents are truncated. None uses the length
        of the longest training document. Training time and memory are proportional to `max_len`, as
        long as it does not exceed the length of the longest documents.
    padding : {"pre", "post"}, default="pre"
        Side on which short rows are padded with zeros, as in Keras ``pad_sequences`` [2]_. The
        side has no effect on scores and time, unless the network has ``mask_padding=False``.
    truncating : {"pre", "post"}, default="pre"
        Side on which long documents are truncated. "pre" removes the beginning, which is more
        accurate if the conclusion of a text is at its end.
    indexing : {"vocabulary", "hash"}, default="vocabulary"
        "vocabulary" learns the ids of tokens from the training texts. "hash" computes ids with
        MurmurHash3, the hashing trick [3]_: ids are the same in every process and for every corpus,
        different tokens may have the same id, and only `max_len_` is learned. "hash" requires
        `max_tokens`, cannot be combined with `vocabulary`, and ignores `min_df` and `max_df`.
        Out-of-core training with "hash" needs one pass less over the texts.
    lowercase : bool, default=True
        Convert all characters to lower case before tokenizing. Lower case reduces the number of
        out-of-vocabulary tokens, but merges words such as "May" and "may".
    strip_accents : {"ascii", "unicode"}, callable or None, default=None
        Remove accents before tokenizing, which reduces the number of out-of-vocabulary tokens. A
        callable is slower.
    preprocessor : callable (str -> str) or None, default=None
        Function that is applied to each text in place of `lowercase` and `strip_accents`. A
        function is slower.
    tokenizer : callable (str -> iterable of str) or None, default=None
        Function that splits each text into tokens in place of `token_pattern`. Empty tokens are
        dropped. A function is slower.
    token_pattern : str or None, default=WORD_PATTERN
        Regular expression of a token; if it has a capturing group, the group is the token. The
        default finds the words of all scripts: letters, digits and "_" with their combining marks,
        and apostrophes and joiners inside a word [4]_. "don't" is one token, so that the negation
        is not lost. Most other patterns are slower. See the notes.
    analyzer : {"word", "char"}, default="word"
        Whether tokens are words or characters. Use characters, or a `tokenizer`, for scripts that
        are written without spaces, such as Chinese, Japanese and Thai; otherwise `fit` issues a
        warning. `tokenizer`, `token_pattern`, `stop_words` and
        `stemmer` apply only to words. With characters, there are hardly any out-of-vocabulary
        tokens, but rows are several times as long, and training takes several times as long.
    stop_words : {"english"}, list, set, tuple or frozenset of str, or None, default=None
        Words to remove, after preprocessing and before stemming. "english" is the list of
        scikit-learn, which includes words that can be important, such as "not". Removing words
        shortens the rows and reduces the training time.
    stemmer : str, callable (str -> str) or None, default=None
        Name of a ``snowballstemmer`` algorithm, such as "english" or "porter" [5]_, or a function
        from a token to its stem. Tokens with an empty stem are kept. Stemming reduces the number of
        out-of-vocabulary tokens, but merges the forms of a word. Each distinct token is stemmed
        once.
    min_df : int or float in [0, 1], default=1
        Ignore tokens that occur in fewer documents than this number (int) or proportion (float). A
        higher value reduces the memory of the network, but increases the number of
        out-of-vocabulary tokens.
    max_df : int or float in [0, 1], default=1.0
        Ignore tokens that occur in more documents than this number (int) or proportion (float).
        Ignored tokens become out-of-vocabulary tokens, so that rows do not get shorter.
    vocabulary : sequence of str, WordVectors, mapping of str to int, or None, default=None
        A fixed vocabulary: a sequence of tokens, whose ids are 2, 3, ..., or the id of each token.
        Ids must be distinct and at least 2, and may have gaps. `max_tokens`, `min_df` and `max_df`
        do not apply to a fixed vocabulary, and `stemmer` does not change it. With `WordVectors`, a
        token without a vector is replaced by its lower case form or by its parts, such as "do" and
        "n't", if these have vectors. Otherwise the token is learned, with an id after those of the
        vectors. None learns the vocabulary from the training texts. For few or short texts,
        pretrained vectors improve accuracy more than any other parameter.
    handle_unknown : {"prefix", "oov"}, default="prefix"
        How to encode a token that is not in the learned vocabulary. "prefix" uses the id of the
        token with the longest common prefix, such as "film" for "films", if the prefix has at least
        four characters and 70 % of the characters of both tokens; of several such tokens, the
        shortest. Otherwise, and with "oov", it is the out-of-vocabulary token. Tokens of more than
        50 characters are never replaced. "prefix" improves accuracy, in particular with few
        training texts. It has no effect with ``indexing="hash"``, with a fixed `vocabulary`, or
        with `max_df`, because tokens that are too frequent must not be replaced.
    separator : str, default=" "
        String between the columns of a document, if X has several. A separator that contains a word
        adds a token between the columns, so that the network can distinguish them.

    Attributes
    ----------
    vocabulary_ : dict of str to int
        Id of each token. Absent with ``indexing="hash"``.
    tokens_ : ndarray of str objects, shape (n_tokens_,)
        Token of each id; "" for padding and unused ids, "[UNK]" for out of vocabulary. Absent with
        ``indexing="hash"``.
    token_counts_ : ndarray of int64, shape (n_tokens_,)
        Number of occurrences of each token in the training texts before truncation. Entry 1 counts
        all tokens outside the vocabulary, whether or not they are replaced by similar ones. Absent
        with ``indexing="hash"``.
    n_tokens_ : int
        Size of the id space: all ids are less than this number.
    max_len_ : int
        Width of the output: number of tokens of the longest training text, at most `max_len`.
    n_features_in_ : int
        Number of columns of X in `fit`; 1 if X was one-dimensional.
    feature_names_in_ : ndarray of str objects, shape (n_features_in_,)
        Column names of X in `fit`. Defined only if X was a DataFrame with names that are all
        strings.

    See Also
    --------
    LSTMTextClassifier : Classifier that takes the ids.
    WordVectors : Vocabulary with pretrained vectors.

    Notes
    -----
    After preprocessing, every text is converted to Unicode NFC, so that "\u00e9" and "e\u0301" are
    the same letter, and characters that are not displayed, such as soft hyphens, are removed. The
    zero-width joiner and non-joiner are kept inside words. With the default `token_pattern`, or an
    extension such as ``TextSequencer().token_pattern + r"|[!?]"``, typographic apostrophes are
    converted to "'". A fixed `vocabulary` and `stop_words` are converted in the same way. ASCII
    texts are not changed.

    References
    ----------
    .. [1] `TextVectorization <https://keras.io/api/layers/preprocessing_layers/text/>`_ of Keras.
    .. [2] `pad_sequences <https://keras.io/api/data_loading/timeseries/>`_ of Keras.
    .. [3] K. Weinberger, A. Dasgupta, J. Langford, A. Smola and J. Attenberg (2009). Feature
           hashing for large scale multitask learning. ICML. For word ids: Keras ``one_hot``.
    .. [4] `Unicode Standard Annex 29 <https://www.unicode.org/reports/tr29/>`_, word boundaries.
    .. [5] M. F. Porter (1980). An algorithm for suffix stripping. Program 14(3), 130-137. The
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
    array([[5, 2, 1, 2],
           [0, 0, 0, 1]], dtype=int32)
    """

    max_len_: int

    _parameter_constraints: ClassVar[dict[str, list[object]]] = {
        "max_tokens": [Interval(Integral, 3, None, closed="left"), None],
        "max_len": [Interval(Integral, 1, None, closed="left"), None],
        "padding": [StrOptions({"pre", "post"})],
        "truncating": [StrOptions({"pre", "post"})],
        "indexing": [StrOptions({"vocabulary", "hash"})],
        **_tokens.CONSTRAINTS,
        "min_df": _DOCUMENT_FREQUENCY,
        "max_df": _DOCUMENT_FREQUENCY,
        "vocabulary": [HasMethods("__len__"), None],
        "handle_unknown": [StrOptions({"prefix", "oov"})],
        "separator": [str],
    }

    def __init__(
        self,
        *,
        max_tokens: int | None = 30_000,
        max_len: int | None = 1000,
        padding: str = "pre",
        truncating: str = "pre",
        indexing: str = "vocabulary",
        lowercase: bool = True,
        strip_accents: str | _tokens.StrFunction | None = None,
        preprocessor: _tokens.StrFunction | None = None,
        tokenizer: _tokens.Tokenizer | None = None,
        token_pattern: str | None = _tokens.WORD_PATTERN,
        analyzer: str = "word",
        stop_words: str | Collection[str] | None = None,
        stemmer: str | _tokens.StrFunction | None = None,
        min_df: float = 1,
        max_df: float = 1.0,
        vocabulary: Sized | None = None,
        handle_unknown: str = "prefix",
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
        self.stemmer = stemmer
        self.min_df = min_df
        self.max_df = max_df
        self.vocabulary = vocabulary
        self.handle_unknown = handle_unknown
        self.separator = separator

    @_sklearn.fit_context
    def fit(self, X: object, y: object = None) -> Self:
        """Learn the vocabulary and the width of the output.

        Parameters
        ----------
        X : list, tuple, Series, DataFrame or ndarray of str
            Training texts, of shape (n_documents,) or (n_documents, n_columns). Series and
            DataFrames of pandas and polars and arrays and tables of pyarrow are accepted. None, NaN
            and ``pandas.NA`` are missing texts.
        y : None
            Ignored.

        Returns
        -------
        self : TextSequencer
            The fitted sequencer.

        Raises
        ------
        ValueError
            If X is a single string or has no tokens, if no tokens remain with `min_df` and
            `max_df`, or if a parameter has an invalid value.
        TypeError
            If X contains values other than texts, or `vocabulary` values other than tokens.
        """
        with _sklearn.rollback_on_error(self), _sklearn.fit_task(self, X, y):
            self._learn(self._tokenize(X, reset=True))
        return self

    @_sklearn.fit_context
    def fit_transform(self, X: object, y: object = None) -> Int32Array:
        """Equivalent to ``fit(X).transform(X)``, but tokenizes each text only once.

        Parameters
        ----------
        X : list, tuple, Series, DataFrame or ndarray of str
            Training texts, as in `fit`.
        y : None
            Ignored.

        Returns
        -------
        ids : ndarray of int32, shape (n_documents, max_len_)
            Token ids, as returned by `transform`.

        Raises
        ------
        ValueError, TypeError
            As `fit`.
        """
        with _sklearn.rollback_on_error(self):
            with _sklearn.fit_task(self, X, y):
                corpus = self._tokenize(X, reset=True)
                self._learn(corpus)
            return self._pad(corpus)

    @_sklearn.fit_context
    def partial_fit(self, X: object, y: object = None) -> Self:
        """Update the vocabulary with one chunk of the training texts.

        After all chunks, the result is the same as that of `fit` on all texts. Token ids depend on
        counts and may change in each call: pass all chunks once to learn the vocabulary, and a
        second time to compute the ids for training. With ``indexing="hash"`` or a fixed vocabulary
        the ids do not change. After `fit`, only the counts of tokens in the vocabulary are updated,
        because `fit` does not keep the counts of other tokens.

        Parameters
        ----------
        X : list, tuple, Series, DataFrame or ndarray of str
            Further training texts, as in `fit`. If no tokens remain with `min_df` and `max_df`,
            `transform` raises an error, but `partial_fit` does not.
        y : None
            Ignored.

        Returns
        -------
        self : TextSequencer
            The fitted sequencer.

        Raises
        ------
        ValueError, TypeError
            As `fit`; also a ValueError if `vocabulary` has changed between calls.

        Examples
        --------
        >>> from sklstm import TextSequencer
        >>> sequencer = TextSequencer()
        >>> for chunk in (["a fine film"], ["fine and moving"]):
        ...     sequencer = sequencer.partial_fit(chunk)
        >>> sequencer.vocabulary_
        {'fine': 2, 'a': 3, 'and': 4, 'film': 5, 'moving': 6}
        """
        # `fit_context` and callbacks are for a complete fit.
        self._validate_params()
        with _sklearn.rollback_on_error(self):
            corpus = self._tokenize(X, reset=not hasattr(self, "max_len_"))
            self._learn(corpus, resume=True)
        return self

    def transform(self, X: object) -> Int32Array:
        """Convert texts to padded rows of token ids.

        Parameters
        ----------
        X : list, tuple, Series, DataFrame or ndarray of str
            Texts, as in `fit`; may be empty.

        Returns
        -------
        ids : ndarray of int32, shape (n_documents, max_len_)
            Token ids, C-contiguous. Unless `indexing` is "hash", the array has the attribute
            ``tokens``, the token of each id, which `LSTMTextClassifier` uses in `fit`.

        Raises
        ------
        NotFittedError
            If the sequencer is not fitted.
        ValueError
            If X is a single string, if its columns differ from those in `fit`, or if the vocabulary
            is empty.
        TypeError
            If X contains values other than texts.
        """
        check_is_fitted(self, "max_len_")
        return self._pad(self._tokenize(X, reset=False))

    def inverse_transform(self, X: ArrayLike) -> list[ObjectArray]:
        """Convert rows of token ids back to tokens.

        Parameters
        ----------
        X : array-like of int, shape (n_documents, width)
            Token ids; `width` may differ from `max_len_`.

        Returns
        -------
        tokens : list of ndarray of str objects, length n_documents
            Tokens of each row without padding; "[UNK]" for out of vocabulary.

        Raises
        ------
        NotFittedError
            If the sequencer is not fitted.
        ValueError
            If `indexing` is "hash", if X is not 2-D, or if X contains values other than ids less
            than `n_tokens_`.

        Examples
        --------
        >>> from sklstm import TextSequencer
        >>> sequencer = TextSequencer()
        >>> ids = sequencer.fit_transform(["a fine film", "fine"])
        >>> [" ".join(tokens) for tokens in sequencer.inverse_transform(ids)]
        ['a fine film', 'fine']
        """
        check_is_fitted(self, "max_len_")
        if not hasattr(self, "tokens_"):
            raise ValueError("indexing='hash' keeps no tokens; use indexing='vocabulary'.")
        ids = check_array(X, dtype=None)
        is_integer = ids.dtype.kind in "iu"
        if not is_integer or ids.min() < 0 or ids.max() >= self.n_tokens_:
            found = f"{ids.min()} to {ids.max()}" if is_integer else f"{ids.dtype}"
            largest = self.n_tokens_ - 1
            raise ValueError(f"X must hold integer ids from 0 to {largest}; got {found}.")
        return [self.tokens_[row[row > 0]] for row in ids]

    def _tokenize(self, X: object, *, reset: bool) -> _tokens.Corpus:
        """Check X and the analyzer parameters, and split X into tokens."""
        analyze = _tokens.CorpusAnalyzer(**{n: getattr(self, n) for n in _tokens.CONSTRAINTS})
        X = to_pandas(X)
        texts, n_columns = _tokens.read_texts(X, self.separator)
        has_names = hasattr(X, "columns") or hasattr(self, "feature_names_in_")
        # validate_data is slow, and without names it only compares the number of columns.
        if reset or has_names or n_columns != self.n_features_in_:
            # validate_data sees a one-dimensional X as one column without a name.
            columns = X if hasattr(X, "columns") else np.empty((len(texts), n_columns), dtype=bool)
            validate_data(self, columns, reset=reset, skip_check_array=True)
        corpus = analyze(texts, warns=reset)
        if isinstance(self.vocabulary, WordVectors):
            corpus = _tokens.respell(corpus, self.vocabulary)
        return corpus

    def _learn(self, corpus: _tokens.Corpus, *, resume: bool = False) -> None:
        """Set the fitted attributes; with `resume`, update those of the previous chunks."""
        resume_fit = resume and hasattr(self, "max_len_")
        if not corpus.codes.size and not (resume_fit and corpus.lengths.size):
            raise ValueError(
                f"X contains no tokens, in {corpus.lengths.size} documents. Pass other texts, or "
                "change the parameters that remove tokens: stop_words, tokenizer, token_pattern."
            )
        longest = int(corpus.lengths.max(initial=1))
        width = min(longest, self.max_len or longest)
        self.max_len_ = max(width, self.max_len_) if resume_fit else width
        fitted = self.__dict__
        before = _vocabulary.Vocabulary(
            fitted.pop("tokens_", np.empty(0, dtype=object)),
            fitted.pop("token_counts_", np.empty(0, dtype=np.int64)),
            fitted.pop("_tally", None),
        )
        fitted.pop("vocabulary_", None)
        fitted.pop("_similar", None)
        if self.indexing == "hash":
            self.n_tokens_ = _vocabulary.hash_size(self.max_tokens, self.vocabulary)
            return
        max_size = None if self.max_tokens is None else self.max_tokens - N_RESERVED
        limits = _vocabulary.Limits(self.min_df, self.max_df, max_size)
        known = before if resume_fit else None
        if isinstance(self.vocabulary, WordVectors):
            tokens = np.append(_vocabulary.RESERVED, self.vocabulary.tokens)
            learned = _vocabulary.count_fixed(tokens, corpus, known, limits)
        elif self.vocabulary is not None:
            normalize = _tokens.choose_normalization(
                analyzer=self.analyzer, tokenizer=self.tokenizer, token_pattern=self.token_pattern
            )
            tokens = _vocabulary.fixed_tokens(self.vocabulary, normalize)
            learned = _vocabulary.count_fixed(tokens, corpus, known)
        else:
            learned = _vocabulary.learn(corpus, limits, known, resume=resume)
            self._tally = learned.rest
        self.vocabulary_ = _vocabulary.invert(learned.tokens)
        self._similar = SimilarTokens(self.vocabulary_)
        self.tokens_, self.token_counts_ = learned.tokens, learned.counts
        self.n_tokens_ = self.tokens_.size

    def _partial_fit_full_width(self, X: object) -> Self:
        """Equivalent to `partial_fit`, but the output has `max_len` columns.

        Used for the first chunk of a stream if ids do not depend on the texts. Later texts may be
        longer.
        """
        self.partial_fit(X)
        if self.max_len is not None:
            self.max_len_ = self.max_len
        return self

    def _pad(self, corpus: _tokens.Corpus) -> Int32Array:
        """Return the padded rows of token ids of a corpus."""
        if not hasattr(self, "vocabulary_"):
            ids = _vocabulary.hash_ids(corpus, self.n_tokens_)
        elif self.vocabulary_:
            similar = self._similar if replaces_unknown(self) else None
            ids = _vocabulary.look_up(corpus, self.vocabulary_, similar)
        else:
            limits = f"min_df={self.min_df} and max_df={self.max_df}"
            remedy = "call partial_fit on more texts, or lower min_df or raise max_df"
            raise ValueError(f"No tokens remain with {limits}; {remedy}.")
        # Arranged in rows as by Keras ``pad_sequences``.
        width, is_pre = self.max_len_, self.padding == "pre"
        rows = np.zeros((corpus.lengths.size, width), dtype=np.int32)
        stops = np.cumsum(corpus.lengths)
        starts = stops - corpus.lengths
        if self.truncating == "pre":
            starts = np.maximum(starts, stops - width)
        else:
            stops = np.minimum(stops, starts + width)
        # Slices, because index arrays would be as large as the corpus.
        for row, start, stop in zip(rows, starts.tolist(), stops.tolist(), strict=True):
            first = width - (stop - start) if is_pre else 0
            row[first : first + stop - start] = ids[start:stop]
        rows[corpus.lengths == 0, -1 if is_pre else 0] = OOV_ID
        return TokenIds.from_array(rows, self.tokens_) if hasattr(self, "tokens_") else rows

    @property
    def _n_features_out(self) -> int:
        return self.max_len_

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = tags.input_tags.one_d_array = tags.input_tags.allow_nan = True
        # With this tag, the common estimator checks would pass arrays of numbers.
        tags.input_tags.two_d_array = False
        tags.transformer_tags.preserves_dtype = []
        return tags

    def __getstate__(self) -> dict[str, object]:
        state = _persistence.pack_state(super().__getstate__())
        state.pop("vocabulary_", None)
        state.pop("_similar", None)
        if "tokens_" in state:
            state["tokens_"] = _persistence.pack_tokens(state["tokens_"])
        if "_tally" in state:
            others, *counts = state["_tally"]
            state["_tally"] = (_persistence.pack_tokens(others), *counts)
        return state

    def __setstate__(self, state: Mapping[str, object]) -> None:
        super().__setstate__(_unpack_state(state, type(self)))


def replaces_unknown(sequencer: TextSequencer) -> bool:
    """Return whether similar tokens replace those that are not in the vocabulary."""
    # The integer 1 is a document, the float 1.0 all documents. Tokens that `max_df` ignores must
    # not be replaced.
    has_max_df = isinstance(sequencer.max_df, Integral) or sequencer.max_df < 1.0
    is_learned = sequencer.indexing == "vocabulary" and sequencer.vocabulary is None
    return sequencer.handle_unknown == "prefix" and is_learned and not has_max_df


def _unpack_state(state: object, owner: type) -> dict[str, object]:
    """Return the attributes of a `TextSequencer`, given its saved state.

    Raises
    ------
    ValueError
        If the state is damaged or was saved by a newer version.
    """
    attributes = _persistence.unpack_state(state, owner)
    _persistence.check_names(owner, attributes, TextSequencer._parameter_constraints)
    of_vocabulary = ("tokens_", "token_counts_")
    has_vocabulary = attributes.keys() & {"_tally", *of_vocabulary}
    if has_vocabulary or attributes.keys() & {"max_len_", "n_tokens_"}:
        _persistence.check_names(owner, attributes, _STATE_CONSTRAINTS)
        _persistence.check_values(owner, attributes, _STATE_CONSTRAINTS)
    if not has_vocabulary:
        return attributes
    _persistence.check_names(owner, attributes, of_vocabulary)
    counts, n_tokens = attributes["token_counts_"], attributes["n_tokens_"]
    tokens = _persistence.unpack_tokens(owner, "tokens_", attributes["tokens_"])
    _persistence.check_array(owner, "tokens_", tokens, np.object_, (n_tokens,))
    _persistence.check_array(owner, "token_counts_", counts, np.integer, (n_tokens,))
    vocabulary = _vocabulary.invert(tokens)
    attributes |= {"tokens_": tokens, "vocabulary_": vocabulary}
    attributes["_similar"] = SimilarTokens(vocabulary)
    if "_tally" in attributes:
        attributes["_tally"] = _unpack_tally(attributes["_tally"], owner, n_tokens)
    return attributes


def _unpack_tally(rest: object, owner: type, n_tokens: int) -> _vocabulary.Rest:
    if not isinstance(rest, tuple) or len(rest) != 4 or not isinstance(rest[3], Integral):
        _persistence.raise_damaged(owner, "_tally does not consist of three arrays and a number")
    packed, counts, document_counts, n_documents = rest
    others = _persistence.unpack_tokens(owner, "_tally[0]", packed)
    n_distinct = n_tokens - N_RESERVED + others.size
    _persistence.check_array(owner, "_tally[1]", counts, np.integer, others.shape)
    _persistence.check_array(owner, "_tally[2]", document_counts, np.integer, (n_distinct,))
    return others, counts, document_counts, n_documents
