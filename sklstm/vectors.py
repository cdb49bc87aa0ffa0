"""Pretrained word vectors: a vocabulary, and the rows of an embedding layer that belong to it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from numbers import Integral
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array, check_random_state, check_scalar

from sklstm import _sharing
from sklstm._persistence import pack_state, pack_tokens
from sklstm._state import unpack_vectors
from sklstm._texts import read_texts
from sklstm._tokens import DEFAULTS, Corpus, build_analyzer, respell, spellings, tokenize
from sklstm._vector_files import read_vectors
from sklstm._vocabulary import N_RESERVED, OOV_ID, PADDING_ID, rank, tally

__all__ = ["WordVectors"]

#: Random vectors have values between minus this and this, as those of a Keras Embedding layer.
SMALL = 0.05


class WordVectors:
    """Words and a vector for each, such as those of GloVe, word2vec or fastText.

    `TextSequencer` takes it as `vocabulary` and `LSTMTextClassifier` as `embedding_weights`: as an
    array it has a row for each token id, that of the padding and that of the unknown token
    included. It does not change; clones of an estimator share it.

    Parameters
    ----------
    tokens : iterable of str
        Distinct words.
    matrix : array-like of float of shape (n_tokens, n_values)
        The vector of each word.

    Attributes
    ----------
    tokens : ndarray of str objects of shape (n_tokens,)
        The words.
    matrix : ndarray of float32 of shape (n_tokens, n_values)
        Their vectors; read-only.

    Raises
    ------
    ValueError
        If there are no words, or one stands there twice or is empty, or if there is not one vector
        of finite numbers for each.
    TypeError
        If a word is no str.

    See Also
    --------
    TextSequencer : Takes word vectors as its vocabulary.
    LSTMTextClassifier : Starts from them as its embedding weights.

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
    WordVectors(2 words of 2 values)
    >>> vectors["bad"]
    array([-0.5,  1. ], dtype=float32)
    >>> vectors.rows(np.array([0, 2])).tolist()  # the padding, and "good"
    [[0.0, 0.0], [0.5, 1.0]]
    >>> vectors.vector_size
    2
    >>> vectors.coverage(["A good film", "bad, bad"])
    0.6
    """

    def __init__(self, tokens: Iterable[str], matrix: ArrayLike) -> None:
        words = list(tokens)
        for word in words:
            if not isinstance(word, str):
                raise TypeError(
                    f"tokens holds {word!r:.60} ({type(word).__name__}); every word must be a str."
                )
        values = check_array(
            matrix, dtype=np.float32, ensure_min_samples=0, input_name="matrix", copy=False
        )
        if len(words) != len(values):
            raise ValueError(
                f"tokens has {len(words)} words and matrix {len(values)} rows; pass one row a word."
            )
        self.tokens = np.array(words, dtype=object)
        self.matrix = values.view()
        self.matrix.flags.writeable = False
        if len(self._rows) < len(words) or "" in self._rows:
            repeated = next(w for i, w in enumerate(words) if not w or self._rows[w] != i)
            what = f"has {repeated!r:.60} twice" if repeated else "has an empty word"
            raise ValueError(f"tokens {what}; leave it out.")
        if not words:
            raise ValueError("tokens is empty; pass at least one word.")

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        *,
        vocabulary: Iterable[str] | None = None,
        max_words: int | None = None,
        binary: bool | None = None,
    ) -> Self:
        r"""Read a file of word vectors.

        The file is read word by word; memory holds what is kept of it.

        Parameters
        ----------
        path : str or path-like
            A file in the text format of GloVe, in that of word2vec and fastText (".vec"), or in the
            binary format of word2vec; compressed if its name ends in ".gz".
        vocabulary : iterable of str or None, default=None
            Words to keep. None keeps all.
        max_words : int or None, default=None
            Read only so many words from the start of the file, where the frequent ones stand.
        binary : bool or None, default=None
            Whether the format is binary. None: it is if the name ends in ".bin" or ".bin.gz".

        Returns
        -------
        vectors : WordVectors
            In the order of the file.

        Raises
        ------
        ValueError
            If the file has none of the words, or has an error: the message says in which line. If
            `max_words` is not positive.
        TypeError
            If `max_words` is no int.
        OSError
            If it cannot be opened.

        Examples
        --------
        >>> import tempfile
        >>> from sklstm import WordVectors
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "vectors.txt")
        ...     with open(path, "w") as file:
        ...         _ = file.write("good 0.5 1.0\nbad -0.5 1.0\n")
        ...     WordVectors.load(path, max_words=1)
        WordVectors(1 words of 2 values)
        """
        if max_words is not None:
            check_scalar(max_words, "max_words", Integral, min_val=1)
        wanted = None if vocabulary is None else frozenset(vocabulary)
        tokens, matrix = read_vectors(path, wanted, max_words, binary)
        if not tokens:
            kept = "" if wanted is None else f" among the {len(wanted):,} of vocabulary"
            raise ValueError(f"{os.fspath(path)} has no words{kept}. Pass other words or a file.")
        return cls(tokens, matrix)

    @classmethod
    def for_texts(
        cls,
        source: str | os.PathLike[str] | WordVectors,
        texts: Any,
        *,
        max_tokens: int = 20_000,
        binary: bool | None = None,
        random_state: Any = None,
    ) -> Self:
        """Return vectors for the words of texts: known ones where there are, else random ones.

        Parameters
        ----------
        source : str, path-like or WordVectors
            Where the known vectors are; a file as in `load`.
        texts : list, tuple, Series, DataFrame or ndarray of str
            Texts, as `TextSequencer` takes them.
        max_tokens : int, default=20000
            Size of the id space, padding and the unknown token included, as in `TextSequencer`: at
            most ``max_tokens - 2`` words are kept, the frequent ones.
        binary : bool or None, default=None
            As in `load`.
        random_state : int, RandomState instance or None, default=None
            Source of the random vectors: small ones, as those of a new embedding layer.

        Returns
        -------
        vectors : WordVectors
            The words by falling frequency.

        Raises
        ------
        ValueError, TypeError
            As `load`, and as ``TextSequencer.fit``.

        Examples
        --------
        >>> from sklstm import WordVectors
        >>> known = WordVectors(["good", "bad"], [[0.5, 1.0], [-0.5, 1.0]])
        >>> vectors = WordVectors.for_texts(known, ["a good film"], random_state=0)
        >>> vectors.tokens.tolist(), vectors["good"].tolist()
        (['a', 'film', 'good'], [0.5, 1.0])
        """
        check_scalar(max_tokens, "max_tokens", Integral, min_val=N_RESERVED + 1)
        corpus = _read(texts)
        if not isinstance(source, WordVectors):
            forms = {w for token in corpus.tokens for way in spellings(token) for w in way}
            source = cls.load(source, vocabulary=forms, binary=binary)
        seen = tally(respell(corpus, source))
        tokens = seen.tokens[rank(seen, 1, np.inf, max_tokens - N_RESERVED)]
        rng = check_random_state(random_state)
        matrix = rng.uniform(-SMALL, SMALL, (len(tokens), source.vector_size)).astype(np.float32)
        is_known = np.array([token in source for token in tokens])
        matrix[is_known] = source.matrix[[source._rows[token] for token in tokens[is_known]]]
        return cls(tokens, matrix)

    def coverage(self, texts: Any) -> float:
        """Return the share of the words of texts that have a vector.

        Parameters
        ----------
        texts : list, tuple, Series, DataFrame or ndarray of str
            Texts, cut into words as `TextSequencer` does with these vectors as its vocabulary and
            its other parameters left alone.

        Returns
        -------
        share : float
            From 0 to 1; repeated words count each time.

        Raises
        ------
        ValueError, TypeError
            As ``TextSequencer.fit``.
        """
        corpus = respell(_read(texts), self)
        has_vector = np.array([token in self for token in corpus.tokens])
        return float(has_vector[corpus.codes].mean())

    @contextmanager
    def shared(self, folder: str | os.PathLike[str] | None = None) -> Iterator[Self]:
        """Send other processes the place of the vectors, in a ``with`` block, not the vectors.

        They are written to files once. Pickled within the block, as joblib does to send tasks to
        the workers of a search, they are the name of these files, which each process maps into
        its memory when it first meets it.

        Parameters
        ----------
        folder : str, path-like or None, default=None
            Where all workers can read: on several machines a folder that they share. The files
            stay there, and another run with the same vectors uses them again. None for a temporary
            folder of this machine, which is removed after the block.

        Yields
        ------
        vectors : WordVectors
            These vectors.

        Raises
        ------
        OSError
            If the files cannot be written.

        Notes
        -----
        Do not save a model by joblib or pickle within the block: the file would hold the name
        only. The error on loading it says so.

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
        with _sharing.lent(self, arrays, folder):
            yield self

    @property
    def vector_size(self) -> int:
        """Values of a vector."""
        return self.matrix.shape[1]

    def __len__(self) -> int:
        return len(self.tokens)

    def __iter__(self) -> Iterator[str]:
        return iter(self.tokens)

    def __contains__(self, token: object) -> bool:
        return token in self._rows

    def __getitem__(self, token: str) -> NDArray[np.float32]:
        return self.matrix[self._rows[token]]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Return a row for each id of a `TextSequencer` with these vectors as its vocabulary.

        Zeros for the padding, the mean of all vectors for the unknown token, then the vectors.
        """
        return self.rows(np.arange(N_RESERVED + len(self))).astype(dtype or np.float32, copy=False)

    def rows(self, ids: NDArray[np.integer[Any]]) -> NDArray[np.float32]:
        """Return the vectors of token ids, as a `TextSequencer` with this vocabulary gives them.

        Parameters
        ----------
        ids : ndarray of int of shape (n,)
            Of padding (0), the unknown token (1), and words (2 and up, in the order of `tokens`).

        Returns
        -------
        vectors : ndarray of float32 of shape (n, n_values)
            Zeros for the padding, and the mean of all vectors for the unknown token.
        """
        vectors = self.matrix[np.maximum(ids - N_RESERVED, 0)]
        vectors[ids == PADDING_ID] = 0
        vectors[ids == OOV_ID] = self._mean
        return vectors

    def __repr__(self) -> str:
        return f"WordVectors({len(self):,} words of {self.vector_size} values)"

    def __sklearn_clone__(self) -> Self:
        # It does not change, and may be large.
        return self

    def __reduce_ex__(self, protocol: Any) -> Any:
        reference = _sharing.reference_to(self)
        if reference is None:
            return super().__reduce_ex__(protocol)
        return _found, (type(self), reference)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __getstate__(self) -> dict[str, Any]:
        return pack_state({"tokens": self._packed_tokens, "matrix": self.matrix})

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(unpack_vectors(state, type(self)))
        self.matrix.flags.writeable = False

    @cached_property
    def _packed_tokens(self) -> NDArray[np.uint8]:
        # One object, so that a model that has these vectors in several places saves it once.
        return pack_tokens(self.tokens)

    @cached_property
    def _mean(self) -> NDArray[np.float32]:
        return self.matrix.mean(axis=0)

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {token: row for row, token in enumerate(self.tokens)}


def _read(texts: Any) -> Corpus:
    corpus = tokenize(read_texts(texts, " ")[0], build_analyzer(DEFAULTS))
    if not corpus.codes.size:
        raise ValueError("texts holds no words; pass texts that are not empty.")
    return corpus


def _found(kind: type[WordVectors], reference: _sharing.Reference) -> WordVectors:
    """Return the vectors that `WordVectors.shared` has lent."""

    def make(arrays: _sharing.Arrays) -> WordVectors:
        vectors = kind.__new__(kind)
        vectors.__setstate__(pack_state(arrays))
        return vectors

    return _sharing.find(reference, make)
