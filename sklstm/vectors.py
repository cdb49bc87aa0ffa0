"""WordVectors: word vectors from files or texts, as vocabulary and embedding weights."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import cached_property
from itertools import chain, islice
from numbers import Integral
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import RLock
from typing import Any, Self, SupportsIndex, TypeVar

import joblib
import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray
from sklearn.utils import check_array, check_random_state, check_scalar

from sklstm import _persistence, _tokens, _vector_files
from sklstm._cooccurrences import NO_WORD, cooccurrence_vectors
from sklstm._progress import Progress, progress
from sklstm._sklearn import validate_parameter_constraints
from sklstm._vocabulary import INT32_MAX, N_RESERVED, OOV_ID, PADDING_ID, Limits, Tally, rank, tally

__all__ = ["WordVectors"]

#: Random vectors are uniform in [-UNIFORM_LIMIT, UNIFORM_LIMIT], as in a Keras Embedding layer.
UNIFORM_LIMIT = 0.05

_Vectors = TypeVar("_Vectors", bound="WordVectors")

# Vectors that this process has shared, or has loaded from a shared file, by path.
_shared: dict[str, WordVectors] = {}
_shared_lock = RLock()
# Maximum number of loaded files; a worker rarely uses more than one.
_MAX_SHARED = 4

PathLike = str | os.PathLike[str]
#: Errors of decoding that `WordVectors.load` can handle.
_DECODING_ERRORS = ("strict", "replace", "ignore")
# Number of texts that `WordVectors.from_texts` reads at a time.
_CHUNK_SIZE = 2_000


class WordVectors:
    """Words and their vectors, such as those of GloVe [1]_, word2vec or fastText [2]_.

    Pass the object to `TextSequencer` as `vocabulary` and to `LSTMTextClassifier` as
    `embedding_weights`. Its conversion to an array has one row per token id, including padding and
    the out-of-vocabulary token. The object is immutable, and clones of an estimator use the same
    object.

    Parameters
    ----------
    tokens : iterable of str
        Distinct words. They are converted to Unicode NFC, as all texts.
    matrix : array-like of float, shape (n_tokens, vector_size)
        Vector of each word.

    Attributes
    ----------
    tokens : ndarray of str objects, shape (n_tokens,)
        The words.
    matrix : ndarray of float32, shape (n_tokens, vector_size)
        The vectors; read-only.

    Raises
    ------
    ValueError
        If there are no words, if a word is repeated or empty, or if `matrix` does not have one row
        of finite numbers per word.
    TypeError
        If a word is not a str.

    See Also
    --------
    TextSequencer : Takes word vectors as its vocabulary.
    LSTMTextClassifier : Takes word vectors as initial embedding weights.

    References
    ----------
    .. [1] J. Pennington, R. Socher and C. Manning (2014). GloVe: global vectors for word
           representation. EMNLP.
    .. [2] T. Mikolov, E. Grave, P. Bojanowski, C. Puhrsch and A. Joulin (2018). Advances in
           pre-training distributed word representations. LREC.

    Examples
    --------
    >>> from sklstm import WordVectors
    >>> vectors = WordVectors(["good", "bad"], [[0.5, 1.0], [-0.5, 1.0]])
    >>> vectors
    WordVectors(2 words, vector_size=2)
    >>> vectors["bad"]
    array([-0.5,  1. ], dtype=float32)
    >>> vectors.rows(np.array([0, 2])).tolist()  # padding, "good"
    [[0.0, 0.0], [0.5, 1.0]]
    >>> vectors.vector_size
    2
    >>> vectors.coverage(["A good film", "bad, bad"])
    0.6
    """

    # Path of the file written by `shared`; None outside its block.
    _shared_path: str | None = None

    def __init__(self, tokens: Iterable[str], matrix: ArrayLike) -> None:
        words = list(tokens)
        _tokens.check_words(words, "tokens contains")
        values = check_array(matrix, dtype=np.float32, ensure_min_samples=0, input_name="matrix")
        if len(words) != len(values):
            found = f"tokens has {len(words)} words and matrix {len(values)} rows"
            raise ValueError(f"{found}; pass one row per word.")
        words = [word if word.isascii() else _tokens.normalize(word) for word in words]
        self.tokens = np.array(words, dtype=object)
        self.matrix = values.view()
        self.matrix.flags.writeable = False
        if len(self._rows) < len(words) or "" in self._rows:
            invalid = next(w for i, w in enumerate(words) if not w or self._rows[w] != i)
            problem = f"has {invalid!r:.60} twice" if invalid else "has an empty word"
            raise ValueError(f"tokens {problem}; leave it out.")
        if not words:
            raise ValueError("tokens is empty; pass at least one word.")

    @classmethod
    def load(
        cls,
        path: PathLike,
        *,
        vocabulary: Iterable[str] | None = None,
        max_words: int | None = None,
        binary: bool | None = None,
        errors: str = "strict",
    ) -> Self:
        r"""Load word vectors from a file.

        If the file has a word repeatedly, the first vector is kept and a warning is issued.

        Parameters
        ----------
        path : str or path-like
            File in the text format of GloVe, in the text format of word2vec and fastText (".vec"),
            in the binary format of word2vec, or an ".npz" file of `save`. It may be compressed with
            gzip, bz2 or xz, or be the only file of a zip archive; the name does not matter.
        vocabulary : iterable of str or None, default=None
            Words to keep; other words are not stored. None keeps all words.
        max_words : int or None, default=None
            Maximum number of words to read from the start of the file, which usually contains the
            most frequent words. None reads all words.
        binary : bool or None, default=None
            Whether the format is binary. None infers it from the content. Files whose name ends in
            ".bin" are binary.
        errors : {"strict", "replace", "ignore"}, default="strict"
            What to do with bytes that are not UTF-8, as in `open`: "strict" raises an error,
            "replace" inserts U+FFFD, and "ignore" leaves them out.

        Returns
        -------
        vectors : WordVectors
            Word vectors in the order of the file.

        Raises
        ------
        ValueError
            If the file has none of the words, if it is invalid (the message contains the line
            number) or in another format, if `max_words` is not positive, or if `errors` is unknown.
        TypeError
            If `max_words` is not an int.
        OSError
            If the file cannot be opened.

        Examples
        --------
        >>> import tempfile
        >>> from sklstm import WordVectors
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "vectors.txt")
        ...     with open(path, "w") as file:
        ...         _ = file.write("good 0.5 1.0\nbad -0.5 1.0\n")
        ...     WordVectors.load(path, max_words=1)
        WordVectors(1 words, vector_size=2)
        """
        if max_words is not None:
            check_scalar(max_words, "max_words", Integral, min_val=1)
        if errors not in _DECODING_ERRORS:
            known = ", ".join(map(repr, _DECODING_ERRORS))
            raise ValueError(f"errors={errors!r} must be one of {known}.")
        wanted = None if vocabulary is None else frozenset(map(_tokens.normalize, vocabulary))
        file = Path(path)
        found = _vector_files.read_archive(file, cls, wanted, max_words)
        if found is None:
            found = _vector_files.read_vectors(file, wanted, max_words, binary, errors)
        tokens, matrix = found
        if not tokens:
            kept = "" if wanted is None else f" among the {len(wanted):,} of vocabulary"
            raise ValueError(f"{os.fspath(path)} has no words{kept}. Pass other words or a file.")
        return cls(tokens, matrix)

    @classmethod
    def from_source(cls, source: object) -> Self:
        """Convert any source of word vectors.

        Parameters
        ----------
        source : WordVectors, str, path-like, mapping or KeyedVectors
            Word vectors, which are returned unchanged; the path of a file as in `load`; a mapping
            from words to vectors, such as a dict; or ``KeyedVectors`` of gensim, or a gensim model
            that has them in its attribute ``wv``.

        Returns
        -------
        vectors : WordVectors
            Word vectors in the order of the source.

        Raises
        ------
        TypeError
            If `source` is anything else, or has a word that is not a str.
        ValueError, OSError
            If the vectors do not have the same number of values, and as `load`.

        Examples
        --------
        >>> from sklstm import WordVectors
        >>> WordVectors.from_source({"good": [0.5, 1.0], "bad": [-0.5, 1.0]})
        WordVectors(2 words, vector_size=2)
        """
        return _convert(cls, source, "source")

    @classmethod
    def for_texts(
        cls,
        source: object,
        texts: object,
        *,
        max_tokens: int = 20_000,
        binary: bool | None = None,
        errors: str = "strict",
        random_state: int | np.random.RandomState | None = None,
    ) -> Self:
        """Return pretrained vectors for the words of texts, and random vectors for missing words.

        Parameters
        ----------
        source : WordVectors, str, path-like, mapping or KeyedVectors
            Pretrained vectors, as in `from_source`. Of a file, only the words of the texts are
            loaded.
        texts : list, tuple, Series, DataFrame or ndarray of str
            Texts, as in `TextSequencer`.
        max_tokens : int, default=20000
            Size of the id space, including padding and the out-of-vocabulary token, as in
            `TextSequencer`: the ``max_tokens - 2`` most frequent words are kept.
        binary : bool or None, default=None
            As in `load`.
        errors : {"strict", "replace", "ignore"}, default="strict"
            As in `load`.
        random_state : int, RandomState instance or None, default=None
            Seed of the random vectors, which are uniform between -0.05 and 0.05.

        Returns
        -------
        vectors : WordVectors
            Words by decreasing frequency.

        Raises
        ------
        ValueError, TypeError
            As `load`, and as ``TextSequencer.fit``.

        Examples
        --------
        >>> from sklstm import WordVectors
        >>> pretrained = WordVectors(["good", "bad"], [[0.5, 1.0], [-0.5, 1.0]])
        >>> vectors = WordVectors.for_texts(pretrained, ["a good film"], random_state=0)
        >>> vectors.tokens.tolist(), vectors["good"].tolist()
        (['a', 'film', 'good'], [0.5, 1.0])
        """
        check_scalar(max_tokens, "max_tokens", Integral, min_val=N_RESERVED + 1)
        corpus = _tokenize(texts)
        if isinstance(source, (str, os.PathLike)):
            spelled = chain.from_iterable(map(_tokens.spellings, corpus.tokens))
            forms = frozenset(chain.from_iterable(spelled))
            pretrained = cls.load(source, vocabulary=forms, binary=binary, errors=errors)
        else:
            pretrained = cls.from_source(source)
        seen = tally(_tokens.respell(corpus, pretrained))
        tokens = seen.tokens[rank(seen, Limits(1, 1.0, max_tokens - N_RESERVED))]
        size = len(tokens), pretrained.vector_size
        matrix = check_random_state(random_state).uniform(-UNIFORM_LIMIT, UNIFORM_LIMIT, size)
        matrix = matrix.astype(np.float32)
        is_known = np.array([token in pretrained for token in tokens])
        matrix[is_known] = pretrained.matrix[
            [pretrained._rows[token] for token in tokens[is_known]]
        ]
        return cls(tokens, matrix)

    @classmethod
    def from_texts(
        cls,
        texts: Iterable[str],
        *,
        vector_size: int = 100,
        window: int = 5,
        min_count: int = 2,
        max_tokens: int | None = 30_000,
        n_iter: int = 4,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
        **tokenization: Any,
    ) -> Self:
        """Learn word vectors from texts without labels.

        The vectors are computed from the positive pointwise mutual information of the words that
        occur close to each other [1]_ by a truncated singular value decomposition (SVD) [2]_. Words
        that occur in similar contexts have similar vectors.

        Parameters
        ----------
        texts : iterable of str
            Texts without labels, such as a list, a Series, or a generator, which is read once. A
            DataFrame is read as in `TextSequencer`. The texts are not kept.
        vector_size : int, default=100
            Number of components of a vector. The time of the SVD is proportional to it. Twice as
            many components took 1.8 times as long, and reduced the accuracy by 0.007.
        window : int, default=5
            Maximum distance of words that occur close to each other. A pair of words counts as one
            over its distance. A larger window takes more time and memory. A window of 2 reduced the
            accuracy by 0.008; one of 10 took 1.3 times as long, without a difference in accuracy.
        min_count : int, default=2
            Minimum number of occurrences of a word with a vector. A higher number takes less time,
            and leaves more words without a vector: 5 took 0.6 times as long, and reduced the
            accuracy by 0.008.
        max_tokens : int or None, default=30000
            Size of the id space, including padding and the out-of-vocabulary token, as in
            `TextSequencer`: the ``max_tokens - 2`` most frequent words have vectors. None sets no
            limit. A size of 5,000 took two thirds of the time, and reduced the accuracy by 0.006.
        n_iter : int, default=4
            Number of power iterations of the SVD; more make it more exact and slower. 1 took three
            quarters of the time, and reduced the accuracy by 0.003; 8 took 1.3 times as long,
            without a difference in accuracy.
        random_state : int, RandomState instance or None, default=None
            Seed of the SVD.
        verbose : {0, 1, 2}, default=0
            Show nothing, a progress bar, or one line for the texts read.
        **tokenization
            Parameters of `TextSequencer` that determine the tokens of a text: `lowercase`,
            `strip_accents`, `preprocessor`, `tokenizer`, `token_pattern`, `analyzer`, `stop_words`
            and `stemmer`. They must be the same as those of the `TextSequencer` that takes the
            vectors.

        Returns
        -------
        vectors : WordVectors
            Words by decreasing frequency. The root mean square of the components of each vector is
            0.5, similar to that of pretrained vectors. The same texts and seed give the same
            vectors.

        Raises
        ------
        ValueError
            If there are no texts, if fewer words than `vector_size` remain, or if a parameter has
            an invalid value.
        TypeError
            If there is a text that is not a str, or a parameter that does not exist.

        See Also
        --------
        make_text_classifier : Learns vectors from the texts passed as `unlabeled`.

        Notes
        -----
        Statements about accuracy and time are means over MR, TREC and AG News with 300 labeled
        documents, with standard errors of 0.002 to 0.005; ``benchmarks/learned_vectors.py``
        measures them.

        References
        ----------
        .. [1] O. Levy, Y. Goldberg and I. Dagan (2015). Improving distributional similarity with
               lessons learned from word embeddings. Transactions of the ACL 3, 211-225.
        .. [2] N. Halko, P. G. Martinsson and J. A. Tropp (2011). Finding structure with randomness:
               probabilistic algorithms for constructing approximate matrix decompositions. SIAM
               Review 53(2), 217-288.

        Examples
        --------
        >>> from sklstm import WordVectors
        >>> texts = ["a fine film", "a fine story", "a dull film", "a dull story"]
        >>> WordVectors.from_texts(texts, vector_size=2, random_state=0)
        WordVectors(5 words, vector_size=2)
        """
        for name, value in {"vector_size": vector_size, "window": window}.items():
            check_scalar(value, name, Integral, min_val=1)
        check_scalar(min_count, "min_count", Integral, min_val=1)
        check_scalar(n_iter, "n_iter", Integral, min_val=0)
        if max_tokens is not None:
            check_scalar(max_tokens, "max_tokens", Integral, min_val=N_RESERVED + 1)
        for name in tokenization.keys() - _tokens.CONSTRAINTS:
            known = ", ".join(_tokens.CONSTRAINTS)
            raise TypeError(
                f"from_texts has no parameter {name!r}; those that determine tokens are {known}."
            )
        validate_parameter_constraints(_tokens.CONSTRAINTS, tokenization, "WordVectors.from_texts")
        rng = check_random_state(random_state)
        analyze = _tokens.CorpusAnalyzer(**tokenization)
        with closing(progress(0, verbose, "text")) as display:
            corpus = _read_corpus(texts, analyze, display)
        counts = np.bincount(corpus.codes, minlength=len(corpus.tokens))
        words = np.array(corpus.tokens, dtype=object)
        limit = None if max_tokens is None else max_tokens - N_RESERVED
        # The minimum applies to occurrences instead of documents.
        seen = Tally(words, counts, counts, corpus.lengths.size)
        kept = rank(seen, Limits(int(min_count), INT32_MAX, limit))
        if kept.size <= vector_size:
            raise ValueError(
                f"vector_size={vector_size} must be less than the number of words, but only "
                f"{kept.size} words occur at least min_count={min_count} times in "
                f"{corpus.lengths.size} texts. Pass more texts, or a smaller vector_size."
            )
        numbers = np.full(words.size, NO_WORD, dtype=np.int32)
        numbers[kept] = np.arange(kept.size, dtype=np.int32)
        matrix = cooccurrence_vectors(
            numbers[corpus.codes],
            corpus.lengths,
            kept.size,
            vector_size=int(vector_size),
            window=int(window),
            n_iter=int(n_iter),
            random_state=rng,
        )
        return cls(words[kept], matrix)

    @classmethod
    def concatenate(cls, *sources: WordVectors) -> Self:
        """Concatenate the vectors of several sources, such as pretrained and learned vectors.

        Parameters
        ----------
        *sources : WordVectors
            Two or more objects.

        Returns
        -------
        vectors : WordVectors
            All words of the sources, in their order. The vector of a word consists of its vectors
            in the sources one after the other, with the mean vector of a source that lacks it.

        Raises
        ------
        TypeError
            If a source is anything else.
        ValueError
            If there are fewer than two sources.

        Examples
        --------
        >>> from sklstm import WordVectors
        >>> first = WordVectors(["good", "bad"], [[1.0], [-1.0]])
        >>> second = WordVectors(["good", "film"], [[0.5, 0.5], [0.0, 1.0]])
        >>> vectors = WordVectors.concatenate(first, second)
        >>> vectors["good"].tolist(), vectors["film"].tolist()
        ([1.0, 0.5, 0.5], [0.0, 0.0, 1.0])
        """
        if len(sources) < 2:
            raise ValueError(f"concatenate needs at least two sources; got {len(sources)}.")
        for source in sources:
            if not isinstance(source, WordVectors):
                raise TypeError(
                    f"concatenate takes WordVectors; got {type(source).__name__}. Convert it with "
                    "WordVectors.from_source."
                )
        tokens = list(dict.fromkeys(chain.from_iterable(sources)))
        parts = []
        for source in sources:
            rows = (source._rows.get(token, OOV_ID - N_RESERVED) for token in tokens)
            parts.append(source.rows(np.fromiter(rows, np.int64, len(tokens)) + N_RESERVED))
        return cls(tokens, np.hstack(parts))

    def save(self, path: PathLike) -> None:
        """Save the vectors to a file that `load` can read.

        Parameters
        ----------
        path : str or path-like
            File to write. If its name ends in ".npz", it is a compressed archive of numpy, and
            otherwise a text file in the format of word2vec, which other tools can read as well.

        Raises
        ------
        ValueError
            If a word contains a white space, which the text format does not allow.
        OSError
            If the file cannot be written. An existing file is not changed.

        Examples
        --------
        >>> import tempfile
        >>> from sklstm import WordVectors
        >>> vectors = WordVectors(["good", "bad"], [[0.5, 1.0], [-0.5, 1.0]])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "vectors.txt")
        ...     vectors.save(path)
        ...     print(Path(path).read_text(), end="")
        2 2
        good 0.5 1.0
        bad -0.5 1.0
        """
        _vector_files.write_vectors(Path(path), self.tokens, self.matrix)

    def coverage(self, texts: object) -> float:
        """Return the proportion of the words of texts that have a vector.

        Parameters
        ----------
        texts : list, tuple, Series, DataFrame or ndarray of str
            Texts, tokenized by a `TextSequencer` with default parameters and these vectors as its
            vocabulary.

        Returns
        -------
        coverage : float
            Proportion between 0 and 1 of all occurrences of words.

        Raises
        ------
        ValueError, TypeError
            As ``TextSequencer.fit``.
        """
        corpus = _tokens.respell(_tokenize(texts), self)
        has_vector = np.array([token in self for token in corpus.tokens])
        return float(has_vector[corpus.codes].mean())

    @contextmanager
    def shared(self, folder: PathLike | None = None) -> Iterator[Self]:
        """Share the vectors with other processes through a memory-mapped file.

        The vectors are written to a file once. Within the ``with`` block, pickles contain the path
        of the file instead of the vectors, so that joblib tasks are small. Each worker maps the
        file into memory once.

        Parameters
        ----------
        folder : str, path-like or None, default=None
            Folder that all workers can read; for workers on several machines, a folder on a shared
            file system. The file is not deleted, and the next call with the same vectors reuses it.
            None uses a temporary folder, which is deleted after the block.

        Yields
        ------
        vectors : WordVectors
            These vectors.

        Raises
        ------
        OSError
            If the file cannot be written.

        Notes
        -----
        Sharing saves time and memory with Dask, which otherwise sends the vectors with every task.
        It is not needed with the "loky" backend of joblib, which memory-maps large arrays.

        Save models after the block, because a model pickled within the block contains only the
        path.

        Examples
        --------
        >>> import pickle
        >>> from sklstm import WordVectors
        >>> vectors = WordVectors(["good", "bad"], [[0.0] * 5_000, [1.0] * 5_000])
        >>> len(pickle.dumps(vectors)) > 40_000
        True
        >>> with vectors.shared():
        ...     len(pickle.dumps(vectors)) < 400
        True
        """
        arrays = {"tokens": self._packed_tokens, "matrix": self.matrix}
        with TemporaryDirectory(prefix="sklstm-") as temporary:
            parent = Path(temporary if folder is None else folder).absolute()
            path = str(parent / f"sklstm-{joblib.hash(arrays)}.joblib")
            if not os.path.isfile(path):
                with _persistence.atomic_write(path) as (incomplete,):
                    joblib.dump(arrays, incomplete)
            with _shared_lock:
                _shared[path] = self
                previous, self._shared_path = self._shared_path, path
            try:
                yield self
            finally:
                with _shared_lock:
                    _shared.pop(path, None)
                    self._shared_path = previous

    @property
    def vector_size(self) -> int:
        """Number of components of a vector."""
        return self.matrix.shape[1]

    def __len__(self) -> int:
        return len(self.tokens)

    def __iter__(self) -> Iterator[str]:
        return iter(self.tokens)

    def __contains__(self, token: object) -> bool:
        if token in self._rows:
            return True
        return isinstance(token, str) and _tokens.normalize(token) in self._rows

    def __getitem__(self, token: str) -> NDArray[np.float32]:
        return self.matrix[self._rows[_tokens.normalize(token)]]

    def __array__(
        self, dtype: DTypeLike | None = None, copy: bool | None = None
    ) -> NDArray[np.floating]:
        """Return one row per id of a `TextSequencer` with these vectors as its vocabulary.

        The rows are zeros for padding, the mean vector for out-of-vocabulary tokens, and `matrix`.
        """
        return self.rows(np.arange(N_RESERVED + len(self))).astype(dtype or np.float32, copy=False)

    def rows(self, ids: NDArray[np.integer]) -> NDArray[np.float32]:
        """Return the vectors of token ids of a `TextSequencer` with this vocabulary.

        Parameters
        ----------
        ids : ndarray of int, shape (n,)
            0 for padding, 1 for out of vocabulary, then the words in the order of `tokens`.

        Returns
        -------
        vectors : ndarray of float32, shape (n, vector_size)
            Zeros for padding, the mean of all vectors for out of vocabulary.
        """
        vectors = self.matrix[np.maximum(ids - N_RESERVED, 0)]
        vectors[ids == PADDING_ID] = 0
        vectors[ids == OOV_ID] = self._mean
        return vectors

    def __repr__(self) -> str:
        return f"WordVectors({len(self):,} words, vector_size={self.vector_size})"

    def __sklearn_clone__(self) -> Self:
        # It is immutable, and may be large.
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        return self

    def __reduce_ex__(self, protocol: SupportsIndex) -> str | tuple[object, ...]:
        if self._shared_path is None:
            return super().__reduce_ex__(protocol)
        return _load_shared, (type(self), self._shared_path)

    def __getstate__(self) -> dict[str, object]:
        return _persistence.pack_state({"tokens": self._packed_tokens, "matrix": self.matrix})

    def __setstate__(self, state: Mapping[str, object]) -> None:
        owner = type(self)
        attributes = _persistence.unpack_state(state, owner)
        _persistence.check_names(owner, attributes, ("tokens", "matrix"))
        tokens = _persistence.unpack_tokens(owner, "tokens", attributes["tokens"])
        matrix = attributes["matrix"]
        _persistence.check_array(owner, "matrix", matrix, np.float32, (tokens.size, None))
        if not matrix.size:
            _persistence.raise_damaged(owner, "matrix is empty")
        self.tokens, self.matrix = tokens, matrix
        self.matrix.flags.writeable = False

    @cached_property
    def _packed_tokens(self) -> NDArray[np.uint8]:
        # Cached, so that a model that refers to these vectors several times saves the array once.
        return _persistence.pack_tokens(self.tokens)

    @cached_property
    def _mean(self) -> NDArray[np.float32]:
        return self.matrix.mean(axis=0)

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {token: row for row, token in enumerate(self.tokens)}


def as_word_vectors(source: object, name: str) -> WordVectors:
    """Equivalent to `WordVectors.from_source`; error messages refer to the parameter `name`."""
    return _convert(WordVectors, source, name)


def _convert(owner: type[_Vectors], source: Any, name: str) -> _Vectors:
    if isinstance(source, owner):
        return source
    if isinstance(source, (str, os.PathLike)):
        return owner.load(source)
    rows: Any
    if isinstance(source, Mapping):
        words, rows = list(source), [_as_row(name, word, source[word]) for word in source]
    else:
        # KeyedVectors of gensim, or a gensim model with KeyedVectors.
        keyed: Any = source if hasattr(source, "index_to_key") else getattr(source, "wv", None)
        if not hasattr(keyed, "index_to_key") or not hasattr(keyed, "vectors"):
            raise TypeError(
                f"{name} is a {type(source).__name__}; pass WordVectors, the path of a file, a "
                "mapping from words to vectors, or KeyedVectors of gensim."
            )
        words, rows = list(keyed.index_to_key), keyed.vectors
    if not words:
        raise ValueError(f"{name} has no words; pass at least one word and its vector.")
    _tokens.check_words(words, f"{name} contains")
    if isinstance(rows, list):
        sizes = list(map(len, rows))
        odd = next((i for i, size in enumerate(sizes) if size != sizes[0]), None)
        if odd is not None:
            raise ValueError(
                f"{name} has {sizes[odd]} values for {words[odd]!r:.60}, but {sizes[0]} for "
                f"{words[0]!r:.60}; all vectors must have the same number of values."
            )
    first: dict[str, int] = {}
    for i, word in enumerate(words):
        first.setdefault(_tokens.normalize(word), i)
    if len(first) < len(words):
        found = f"{name} has {len(words) - len(first):,} words twice"
        message = f"{found}, which differ only in Unicode normalization; the first vector is kept."
        warnings.warn(message, UserWarning, stacklevel=4)
        rows = np.asarray(rows)[list(first.values())]
    return owner(first, rows)


def _as_row(name: str, word: object, vector: ArrayLike) -> NDArray[np.float32]:
    try:
        row = np.asarray(vector, dtype=np.float32)
    except (TypeError, ValueError) as error:
        found = f"{name} has {vector!r:.60} for {word!r:.60}"
        raise ValueError(f"{found}; a vector must be a sequence of numbers: {error}.") from None
    if row.ndim != 1:
        shape = f"an array of shape {row.shape}" if row.ndim else f"one value, {vector!r:.60}"
        found = f"{name} has {shape} for {word!r:.60}"
        raise ValueError(f"{found}; a vector must be a sequence of numbers.")
    return row


def _tokenize(texts: object) -> _tokens.Corpus:
    corpus = _tokens.tokenize(_tokens.read_texts(texts, " ")[0], _tokens.build_analyzer())
    if not corpus.codes.size:
        raise ValueError("texts contains no words; pass texts that are not empty.")
    return corpus


def _read_corpus(texts: Any, analyze: _tokens.CorpusAnalyzer, display: Progress) -> _tokens.Corpus:
    """Tokenize texts, of which an iterator may give one at a time.

    Raises
    ------
    ValueError
        If there are no words.
    """
    if hasattr(texts, "__len__") or not isinstance(texts, Iterable):
        texts = iter(_tokens.read_texts(texts, " ")[0])
    index: dict[str, int] = {}
    codes, lengths, n_texts = [], [], 0
    display.begin_epoch(0, None)
    while chunk := list(islice(texts, _CHUNK_SIZE)):
        found = analyze(_tokens.read_texts(chunk, " ")[0], warns=not n_texts)
        numbers = [index.setdefault(token, len(index)) for token in found.tokens]
        codes.append(np.array(numbers, dtype=np.int32)[found.codes])
        lengths.append(found.lengths)
        n_texts += len(chunk)
        display.update(n_texts, {})
    display.end_epoch(n_texts, {})
    if not index:
        raise ValueError("texts contains no words; pass texts that are not empty.")
    return _tokens.Corpus(list(index), np.concatenate(codes), np.concatenate(lengths))


def _load_shared(owner: type[WordVectors], path: str) -> WordVectors:
    """Load the vectors that `WordVectors.shared` wrote to a file; called by pickle.

    Each process loads a file once, so that all its tasks use the same object.
    """
    with _shared_lock:
        if path not in _shared:
            if not os.path.isfile(path):
                raise FileNotFoundError(
                    f"The shared word vectors in {path} do not exist. On several machines call "
                    "vectors.shared(folder) with a folder that all of them can read. Save models "
                    "after the block of shared(), not inside."
                )
            while len(_shared) >= _MAX_SHARED:
                del _shared[next(iter(_shared))]
            vectors = owner.__new__(owner)
            vectors.__setstate__(_persistence.pack_state(joblib.load(path, mmap_mode="r")))
            # Results of the worker refer to the file as well.
            vectors._shared_path = path
            _shared[path] = vectors
        return _shared[path]
