"""WordVectors: pretrained word vectors from files, as vocabulary and embedding weights."""

from __future__ import annotations

import gzip
import os
import re
import zlib
from array import array
from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from io import BufferedIOBase
from itertools import chain
from numbers import Integral
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import RLock
from typing import Self, SupportsIndex

import joblib
import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray
from sklearn.utils import check_array, check_random_state, check_scalar

from sklstm import _persistence, _tokens
from sklstm._vocabulary import N_RESERVED, OOV_ID, PADDING_ID, Limits, rank, tally

__all__ = ["WordVectors"]

#: Random vectors are uniform in [-UNIFORM_LIMIT, UNIFORM_LIMIT], as in a Keras Embedding layer.
UNIFORM_LIMIT = 0.05

# First line of a file with a header: number of words and number of values.
_HEADER = re.compile(rb"\s*(\d+)\s+(\d+)\s*")
# A longer word in a binary file indicates that the file has another format.
_MAX_WORD_BYTES = 10_000

# Vectors that this process has shared, or has loaded from a shared file, by path.
_shared: dict[str, WordVectors] = {}
_shared_lock = RLock()
# Maximum number of loaded files; a worker rarely uses more than one.
_MAX_SHARED = 4

PathLike = str | os.PathLike[str]
# Number of the line or word in the file, word, and its values, all as in the file.
_Entries = Iterator[tuple[int, bytes, bytes]]


class WordVectors:
    """Words and their vectors, such as those of GloVe [1]_, word2vec or fastText [2]_.

    Pass the object to `TextSequencer` as `vocabulary` and to `LSTMTextClassifier` as
    `embedding_weights`. Its conversion to an array has one row per token id, including padding and
    the out-of-vocabulary token. The object is immutable, and clones of an estimator use the same
    object.

    Parameters
    ----------
    tokens : iterable of str
        Distinct words.
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
    ) -> Self:
        r"""Load word vectors from a file.

        Parameters
        ----------
        path : str or path-like
            File in the text format of GloVe, in the text format of word2vec and fastText (".vec"),
            or in the binary format of word2vec; compressed if its name ends in ".gz".
        vocabulary : iterable of str or None, default=None
            Words to keep; other words are not stored. None keeps all words.
        max_words : int or None, default=None
            Maximum number of words to read from the start of the file, which usually contains the
            most frequent words. None reads all words.
        binary : bool or None, default=None
            Whether the format is binary. None treats files whose name ends in ".bin" or ".bin.gz"
            as binary.

        Returns
        -------
        vectors : WordVectors
            Word vectors in the order of the file.

        Raises
        ------
        ValueError
            If the file has none of the words, if it is invalid (the message contains the line
            number), or if `max_words` is not positive.
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
        wanted = None if vocabulary is None else frozenset(vocabulary)
        tokens, matrix = _read_file(Path(path), wanted, max_words, binary)
        if not tokens:
            kept = "" if wanted is None else f" among the {len(wanted):,} of vocabulary"
            raise ValueError(f"{os.fspath(path)} has no words{kept}. Pass other words or a file.")
        return cls(tokens, matrix)

    @classmethod
    def for_texts(
        cls,
        source: PathLike | WordVectors,
        texts: object,
        *,
        max_tokens: int = 20_000,
        binary: bool | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> Self:
        """Return pretrained vectors for the words of texts, and random vectors for missing words.

        Parameters
        ----------
        source : str, path-like or WordVectors
            Pretrained vectors, or a file as in `load`.
        texts : list, tuple, Series, DataFrame or ndarray of str
            Texts, as in `TextSequencer`.
        max_tokens : int, default=20000
            Size of the id space, including padding and the out-of-vocabulary token, as in
            `TextSequencer`: the ``max_tokens - 2`` most frequent words are kept.
        binary : bool or None, default=None
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
        if not isinstance(source, WordVectors):
            spelled = chain.from_iterable(map(_tokens.spellings, corpus.tokens))
            forms = frozenset(chain.from_iterable(spelled))
            source = cls.load(source, vocabulary=forms, binary=binary)
        seen = tally(_tokens.respell(corpus, source))
        tokens = seen.tokens[rank(seen, Limits(1, 1.0, max_tokens - N_RESERVED))]
        size = len(tokens), source.vector_size
        matrix = check_random_state(random_state).uniform(-UNIFORM_LIMIT, UNIFORM_LIMIT, size)
        matrix = matrix.astype(np.float32)
        is_known = np.array([token in source for token in tokens])
        matrix[is_known] = source.matrix[[source._rows[token] for token in tokens[is_known]]]
        return cls(tokens, matrix)

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
        return token in self._rows

    def __getitem__(self, token: str) -> NDArray[np.float32]:
        return self.matrix[self._rows[token]]

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


def _tokenize(texts: object) -> _tokens.Corpus:
    corpus = _tokens.tokenize(_tokens.read_texts(texts, " ")[0], _tokens.build_analyzer())
    if not corpus.codes.size:
        raise ValueError("texts contains no words; pass texts that are not empty.")
    return corpus


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


def _read_file(
    path: Path, wanted: Container[str] | None, max_words: int | None, binary: bool | None
) -> tuple[list[str], NDArray[np.float32]]:
    """Read words and their vectors in the order of a file.

    Parameters
    ----------
    path : Path
        File as in `WordVectors.load`.
    wanted : container of str or None
        Words to keep; None keeps all.
    max_words : int or None
        Maximum number of words to read; None reads all.
    binary : bool or None
        Whether the format is binary; None infers it from the name.

    Returns
    -------
    tokens : list of str
        The words.
    matrix : ndarray of float32, shape (n_tokens, vector_size)
        Vector of each word.

    Raises
    ------
    ValueError
        If a word is repeated, if its number of values differs from that of the first word, if a
        value is not a finite number, or if the file is truncated. The message contains the number
        of the line or, in the binary format, of the word.
    """
    if binary is None:
        binary = path.name.lower().removesuffix(".gz").endswith(".bin")
    unit, read = ("word", _read_binary) if binary else ("line", _read_text)
    numbers: dict[str, int] = {}
    rows, vector_size = array("f"), 0
    with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as file:
        try:
            for number, word, values in read(file, max_words):
                where = f"{unit} {number}"
                try:
                    token = word.decode()
                    if wanted is not None and token not in wanted:
                        continue
                    fields = np.frombuffer(values, "<f4") if binary else values.split(b" ")
                    row = np.array(fields, dtype=np.float32)
                except ValueError as error:  # Not UTF-8, or not a number.
                    raise ValueError(f"{where} cannot be read: {error}") from None
                if token in numbers:
                    first = f"{unit} {numbers[token]}"
                    raise ValueError(f"{token!r:.60} is in {first} and again in {where}")
                if not np.isfinite(row).all():
                    raise ValueError(f"{where} has a value that is not finite")
                numbers[token] = number
                rows.frombytes(row.tobytes())
                vector_size = row.size
        except (EOFError, zlib.error) as error:
            raise ValueError(f"{path} is truncated: {error}. Download it again.") from error
        except ValueError as error:
            remedy = "Correct or remove it, or pass a file of GloVe, word2vec or fastText."
            raise ValueError(f"{path}: {error}. {remedy}") from None
    return list(numbers), np.frombuffer(rows, np.float32).reshape(len(numbers), vector_size)


def _read_text(file: BufferedIOBase, max_words: int | None) -> _Entries:
    n_expected = vector_size = n_words = 0
    for number, line in enumerate(file, start=1):
        fields = line.strip(b" \r\n")
        if number == 1:
            if header := _HEADER.fullmatch(fields):
                n_expected, vector_size = map(int, header.groups())
                continue
            vector_size = fields.count(b" ")
            if not vector_size:
                raise ValueError("line 1 has no values")
        if not fields:
            continue
        if n_words == max_words:
            return
        n_words += 1
        # Some words of GloVe contain spaces.
        word = fields.rsplit(b" ", vector_size)[0]
        n_found = fields.count(b" ")
        if n_found < vector_size or (n_found > vector_size and _is_number(word.split(b" ")[-1])):
            raise ValueError(f"line {number} has {n_found} values, expected {vector_size}")
        yield number, word, fields[len(word) + 1 :]
    if n_words != max_words:
        _check_complete(n_words, n_expected)


def _read_binary(file: BufferedIOBase, max_words: int | None) -> _Entries:
    header = _HEADER.fullmatch(_read_until(file, b"\n"))
    if header is None:
        problem = "does not have the numbers of words and values; pass binary=False"
        raise ValueError(f"line 1 {problem}")
    n_expected, vector_size = map(int, header.groups())
    for number in range(1, min(n_expected, max_words or n_expected) + 1):
        # Some programs write a line break after each vector.
        word = _read_until(file, b" ").lstrip(b"\n")
        data = file.read(4 * vector_size)
        if len(data) < 4 * vector_size:
            _check_complete(number - 1, n_expected)
        yield number, word, data


def _read_until(file: BufferedIOBase, end: bytes) -> bytes:
    """Read up to `end` or the end of the file, but at most `_MAX_WORD_BYTES` bytes."""
    found = bytearray()
    while (byte := file.read(1)) not in (b"", end) and len(found) < _MAX_WORD_BYTES:
        found += byte
    return bytes(found)


def _is_number(text: bytes) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _check_complete(n_words: int, n_expected: int) -> None:
    if n_words < n_expected:
        raise EOFError(f"it ends after {n_words} of the {n_expected} words announced in line 1")
