"""Convert raw texts to tokens: read the input, tokenize it, normalize and number the tokens."""

from __future__ import annotations

import re
import sys
from array import array
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Set
from itertools import count, filterfalse
from typing import Any, NamedTuple, TypeAlias, TypeGuard

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.feature_extraction.text import CountVectorizer

from sklstm._dataframes import to_pandas

Int32Array: TypeAlias = NDArray[np.int32]
Int64Array: TypeAlias = NDArray[np.int64]
#: Texts of one column; None is a missing text.
Column: TypeAlias = list[str] | list[str | None]
#: Maps a text or a token to another one.
StrFunction = Callable[[str], str]
#: Splits a text into tokens.
Tokenizer = Callable[[str], Iterable[str]]

#: Default token pattern. It keeps one-letter words, numbers and contractions.
WORD_PATTERN = r"\w+(?:['\u2019]\w+)*"
# The default pattern, the default of CountVectorizer, and common patterns that keep short words.
# Their tokens never extend beyond a segment, because they contain only letters, digits, "_" and
# apostrophes.
SEGMENT_PATTERNS = frozenset({WORD_PATTERN, r"(?u)\b\w\w+\b", r"(?u)\b\w+\b", r"\b\w+\b", r"\w+"})

# The tokenization of the Penn Treebank, used by some pretrained vectors, splits "don't" and "it's"
# into "do" "n't" and "it" "'s". This pattern keeps letters and digits and drops all other
# characters.
_TREEBANK = re.compile(
    r"n't\b|'(?:s|m|d|re|ve|ll)\b|[^\W_]+?(?=n't\b)|[^\W_]+", flags=re.IGNORECASE
)

# In UTF-8, a byte below 128 is always an ASCII character.
_IN_SEGMENT = bytes(b >= 128 or chr(b).isalnum() or chr(b) in "_'" for b in range(256))
# Parameters of `TextSequencer` that `build_analyzer` takes.
_CALLABLES = ("strip_accents", "preprocessor", "tokenizer")
ANALYZER_PARAMETERS = (*_CALLABLES, "lowercase", "token_pattern", "analyzer", "stop_words")
# Bytes of text per block. Segmentation of a block needs about 15 times as much memory.
_BLOCK_SIZE = 2**22
# Minimum number of characters for which segmentation is faster than a regular expression.
_MIN_SEGMENTED = 2**15
_WORD_SIZE = 8  # bytes of a machine word
_FIRST_BYTES = np.array([256**n - 1 for n in range(_WORD_SIZE + 1)], dtype=np.uint64)

_VALID_X = (
    "a list, tuple, Series or 1-D array of texts, or a DataFrame or 2-D array whose columns are "
    "all text"
)


class Corpus(NamedTuple):
    """Tokenized documents.

    Parameters
    ----------
    tokens : list of str
        Distinct, non-empty tokens in the order of their first occurrence.
    codes : ndarray of int32, shape (n_occurrences,)
        Index into `tokens` of each token of the first document, then of the second, and so on.
    lengths : ndarray of int64, shape (n_documents,)
        Number of tokens of each document.
    """

    tokens: list[str]
    codes: Int32Array
    lengths: Int64Array


class Analyzer(NamedTuple):
    """Analyzer of texts: the tokens are ``tokenize(preprocess(text))`` without `stop_words`.

    A segment is a maximal run of characters that are letters, digits, "_", "'" or not ASCII. If
    `is_segmentwise`, each segment of a text can be tokenized separately.
    """

    tokenize: Tokenizer
    is_segmentwise: bool = False
    preprocess: StrFunction = str
    stop_words: frozenset[str] = frozenset()


def read_texts(X: object, separator: str) -> tuple[list[str], int]:
    """Convert X to a list of one str per document, and return it with the number of columns.

    Parameters
    ----------
    X : array-like of str, shape (n_documents,) or (n_documents, n_columns)
        Raw texts. None, NaN and ``pandas.NA`` are missing texts.
    separator : str
        String between the columns of a document. Missing texts are omitted.

    Returns
    -------
    texts : list of str
        One text per document. The list may be X itself, so do not modify it.
    n_columns : int
        Number of columns; 1 if X is one-dimensional.

    Raises
    ------
    ValueError
        If X is a single string or has a wrong shape.
    TypeError
        If X is not a sequence, or contains values other than texts.
    """
    columns = _split_columns(X)
    if len(columns) == 1 and _all_str(columns[0]):
        return columns[0], 1
    rows = zip(*columns, strict=True)
    texts = [separator.join([text for text in row if text is not None]) for row in rows]
    return texts, len(columns)


def _split_columns(X: Any) -> list[Column]:
    """Split X into its columns, each a list of str and None."""
    X = to_pandas(X)
    if isinstance(X, (str, bytes)):
        raise ValueError("X is a single string. Pass a single document as a list of one: [text].")
    if issparse(X):
        raise TypeError(f"Sparse data was passed, but texts are required: X must be {_VALID_X}.")
    is_sequence = hasattr(X, "__len__") and hasattr(X, "__getitem__")
    if not is_sequence or isinstance(X, (Mapping, Set, type)):
        raise TypeError(f"X must be {_VALID_X}, such as list(X); got {type(X).__name__}.")
    n_dimensions = getattr(X, "ndim", 1)
    if n_dimensions == 1:
        return [_read_column(X, "X")]
    if n_dimensions != 2:
        raise ValueError(f"X has {n_dimensions} dimensions; it must be {_VALID_X}.")
    if X.shape[1] == 0:
        raise ValueError(f"X has shape {X.shape}: no columns. Pass at least one column of texts.")
    columns = X.items() if hasattr(X, "items") else enumerate(X.T)
    return [_read_column(column, f"column {name!r} of X") for name, column in columns]


def _read_column(column: Iterable[object], where: str) -> Column:
    """Convert a column to a list of its texts, with None for a missing one."""
    # A list is not copied, because a corpus may be large.
    entries = column.tolist() if hasattr(column, "tolist") else column
    entries = entries if isinstance(entries, list) else list(entries)
    if _all_str(entries):
        return entries
    texts: list[str | None] = []
    for row, entry in enumerate(entries):
        if isinstance(entry, str):
            texts.append(str(entry))
        elif _is_missing(entry):
            texts.append(None)
        else:
            raise TypeError(
                f"Row {row} of {where} contains {entry!r:.60} ({type(entry).__name__}); it must be "
                "a str, None or NaN. Convert or decode it, or remove the row or column."
            )
    return texts


def _all_str(entries: list[object] | Column) -> TypeGuard[list[str]]:
    return set(map(type, entries)) <= {str}


def _is_missing(entry: object) -> bool:
    """Return whether an entry is None, a NaN of any float type, or ``pandas.NA``."""
    if isinstance(entry, (float, np.floating)):
        return bool(np.isnan(entry))
    # Avoid importing pandas, which is slow; pandas.NA cannot occur before pandas is imported.
    pandas = sys.modules.get("pandas")
    return entry is None or (pandas is not None and entry is pandas.NA)


def build_analyzer(**parameters: object) -> Analyzer:
    """Return an analyzer that finds the same tokens as the analyzer of ``CountVectorizer``.

    The parameters are those of `TextSequencer`, with the same defaults.

    Raises
    ------
    ValueError
        If `token_pattern` is not a regular expression, or None without a `tokenizer`.
    TypeError
        If a stop word is not a str. The returned analyzer raises a TypeError if a callable returns
        a value of a wrong type.
    """
    vectorizer = CountVectorizer(**({"token_pattern": WORD_PATTERN} | parameters))
    for name in _CALLABLES:
        setattr(vectorizer, name, _check_output(name, getattr(vectorizer, name)))
    pattern, stop_words = vectorizer.token_pattern, vectorizer.stop_words
    word_list = () if stop_words is None or isinstance(stop_words, str) else stop_words
    check_words(word_list, "stop_words contains")
    needs_pattern = vectorizer.analyzer == "word" and vectorizer.tokenizer is None
    if needs_pattern and pattern is None:
        raise ValueError("token_pattern=None needs a tokenizer; pass one of the two.")
    # A callable may depend on the whole text.
    has_callable = callable(vectorizer.preprocessor) or callable(vectorizer.strip_accents)
    is_segmentwise = needs_pattern and pattern in SEGMENT_PATTERNS and not has_callable
    if not is_segmentwise or word_list:
        # This also warns about stop words that the pattern would split.
        try:
            analyze = vectorizer.build_analyzer()
        except re.error as error:
            message = f"token_pattern={pattern!r} is not a regular expression: {error}."
            raise ValueError(message) from error
    if not is_segmentwise:
        return Analyzer(analyze)
    preprocess, words = vectorizer.build_preprocessor(), vectorizer.get_stop_words() or frozenset()
    return Analyzer(vectorizer.build_tokenizer(), True, preprocess, words)


def _check_output(name: str, parameter: object) -> object:
    """Wrap a callable to check the type of its result; return other parameters unchanged."""
    if not callable(parameter):
        return parameter
    kind, expected = (Iterable, "a list of str") if name == "tokenizer" else (str, "a str")

    def checked(text: str) -> object:
        result = parameter(text)
        if not isinstance(result, kind):
            raise TypeError(
                f"The {name} returned {result!r:.60} for a text; it must return {expected}."
            )
        return result

    return checked


def tokenize(texts: list[str], analyzer: Analyzer) -> Corpus:
    """Split each text into tokens, and drop empty tokens.

    Raises
    ------
    TypeError
        If a token is not a str.
    """
    if analyzer.is_segmentwise and sum(map(len, texts)) >= _MIN_SEGMENTED:
        return _tokenize_segments(texts, analyzer)
    documents: Iterable[Iterable[str]] = (
        filter(None, analyzer.tokenize(analyzer.preprocess(text))) for text in texts
    )
    if analyzer.stop_words:
        is_stop_word = analyzer.stop_words.__contains__
        documents = (filterfalse(is_stop_word, tokens) for tokens in documents)
    corpus = _number_tokens(documents)
    check_words(corpus.tokens, "The tokenizer returned")
    return corpus


def _number_tokens(documents: Iterable[Iterable[str]]) -> Corpus:
    """Assign numbers to the distinct tokens of documents, in the order of first occurrence."""
    index: defaultdict[str, int] = defaultdict(count().__next__)
    codes, ends = array("i"), array("q", [0])
    for tokens in documents:
        codes.extend(map(index.__getitem__, tokens))
        ends.append(len(codes))
    return Corpus(list(index), np.array(codes, dtype=np.int32), np.diff(ends))


def _tokenize_segments(texts: Iterable[str], analyzer: Analyzer) -> Corpus:
    """Tokenize each distinct segment once, and replace every segment with its tokens."""
    numbers: defaultdict[bytes, int] = defaultdict(count().__next__)
    blocks = [_number_segments(block, numbers) for block in _blocks(texts, analyzer.preprocess)]

    tokens: list[str] = []
    ends = [0]
    is_stop_word = analyzer.stop_words.__contains__
    for encoded in numbers:
        segment = encoded.decode("utf-8", "surrogatepass")
        # All segment patterns match two or more letters or digits as a single token.
        if len(segment) > 1 and segment.isalnum() and not is_stop_word(segment):
            tokens.append(segment)
        else:
            tokens += filterfalse(is_stop_word, analyzer.tokenize(segment))
        ends.append(len(tokens))
    index: defaultdict[str, int] = defaultdict(count().__next__)
    codes = np.fromiter(map(index.__getitem__, tokens), dtype=np.int32, count=len(tokens))
    found = Corpus(list(index), codes, np.diff(ends))
    parts = [_expand(segments, lengths, found) for segments, lengths in blocks]
    return Corpus(found.tokens, *map(np.concatenate, zip(*parts, strict=True)))


def _expand(codes: Int32Array, lengths: Int64Array, found: Corpus) -> tuple[Int32Array, Int64Array]:
    """Replace each code i of the texts with the tokens of document i of `found`."""
    n_tokens = found.lengths[codes]
    ends = np.append(0, np.cumsum(n_tokens))
    # Distance from the position of a token in the texts to its position in `found`.
    starts = np.cumsum(found.lengths) - found.lengths
    distances = np.repeat(starts[codes] - ends[:-1], n_tokens)
    expanded = found.codes[np.arange(distances.size) + distances]
    return expanded, np.diff(ends[np.append(0, np.cumsum(lengths))])


def _blocks(texts: Iterable[str], preprocess: StrFunction) -> Iterator[list[bytes]]:
    """Preprocess and encode texts in blocks of a few megabytes; the last block may be empty."""
    block: list[bytes] = []
    size = 0
    for text in texts:
        block.append(preprocess(text).encode("utf-8", "surrogatepass"))
        size += len(block[-1])
        if size >= _BLOCK_SIZE:
            yield block
            block, size = [], 0
    yield block


def _number_segments(
    texts: list[bytes], index: Mapping[bytes, int]
) -> tuple[Int32Array, Int64Array]:
    """Return the number assigned to each segment of the texts, and the segments per text."""
    # Padding at both ends: every segment has two edges, and two machine words can be read from the
    # start of each segment.
    joined = b"\n".join([b"", *texts, bytes(2 * _WORD_SIZE)])
    in_segment = np.frombuffer(joined.translate(_IN_SEGMENT), dtype=bool)
    edges = np.flatnonzero(in_segment[1:] != in_segment[:-1]) + 1
    starts, stops = edges[::2], edges[1::2]
    first = _first_occurrences(joined, starts, stops - starts)
    new = np.flatnonzero(first == np.arange(first.size))
    segments = [joined[i:j] for i, j in zip(starts[new].tolist(), stops[new].tolist(), strict=True)]
    codes = np.empty(first.size, dtype=np.int32)
    codes[new] = np.fromiter(map(index.__getitem__, segments), dtype=np.int32, count=new.size)
    ends = np.cumsum([0, *(len(text) + 1 for text in texts)])
    return codes[first], np.diff(np.searchsorted(starts, ends))


def _first_occurrences(joined: bytes, starts: Int64Array, lengths: Int64Array) -> Int32Array:
    """Return the index of the first equal segment for each segment.

    This avoids most dictionary look-ups. For segments that are longer than two machine words or
    collide in the hash table, their own index is returned, even if an equal segment precedes.
    """
    words = np.ndarray(len(joined) - _WORD_SIZE + 1, dtype="<u8", buffer=joined, strides=(1,))
    # A segment of less than one machine word is determined by its zero-filled head.
    long = np.flatnonzero(lengths >= _WORD_SIZE)
    long_lengths = lengths[long]
    head = words[starts] & _FIRST_BYTES.take(lengths, mode="clip")
    tail = np.zeros_like(head)
    tail[long] = words[starts[long] + _WORD_SIZE]
    tail[long] &= _FIRST_BYTES.take(long_lengths - _WORD_SIZE, mode="clip")
    # Multiplicative hashing: D. E. Knuth, The art of computer programming 3, section 6.4.
    mixed = (head ^ (tail * np.uint64(0xC2B2AE3D27D4EB4F))) * np.uint64(0x9E3779B97F4A7C15)
    n_bits = max(8, starts.size.bit_length() - 1)
    slots = (mixed >> np.uint64(64 - n_bits)).astype(np.int32)
    own = np.arange(starts.size, dtype=np.int32)
    owners = np.empty(2**n_bits, dtype=np.int32)
    # The last write to a slot wins, so the reversed order keeps the first segment.
    owners[slots[::-1]] = own[::-1]
    first = owners[slots]
    equal = head == head[first]
    equal[long] &= tail[long] == tail[first[long]]
    equal[long] &= np.maximum(long_lengths, lengths[first[long]]) <= 2 * _WORD_SIZE
    return np.where(equal, first, own)


def spellings(token: str) -> list[list[str]]:
    """Return alternative spellings of a token, in order of preference, each as a list of words."""
    straight = token.replace("\u2019", "'")
    parts = _TREEBANK.findall(straight)
    lower_case = [part.lower() for part in parts]
    return [[token], [straight], [straight.lower()], parts, lower_case]


def respell(corpus: Corpus, known: Container[str]) -> Corpus:
    """Replace each token with a spelling that is in a vocabulary.

    This is the first spelling that consists only of known words, or otherwise the last spelling
    with at least one known word. If there is none, the token is unchanged.
    """
    found = _number_tokens(_best_spelling(token, known) for token in corpus.tokens)
    return Corpus(found.tokens, *_expand(corpus.codes, corpus.lengths, found))


def _best_spelling(token: str, known: Container[str]) -> list[str]:
    if token in known:
        return [token]
    candidates = [words for words in spellings(token) if words]
    complete = (words for words in candidates if all(word in known for word in words))
    partial = (words for words in reversed(candidates) if any(word in known for word in words))
    return next(complete, None) or next(partial, [token])


def stem(corpus: Corpus, stemmer: str | StrFunction) -> Corpus:
    """Replace each token with its stem; a token with an empty stem is kept.

    Parameters
    ----------
    corpus : Corpus
        Tokenized documents. Each distinct token is stemmed once.
    stemmer : str or callable
        Name of a ``snowballstemmer`` algorithm, or a function from a token to its stem.

    Raises
    ------
    ValueError
        If the algorithm does not exist.
    TypeError
        If a stem is not a str.
    """
    if isinstance(stemmer, str):
        import snowballstemmer

        names = snowballstemmer.algorithms()
        if stemmer not in names:
            raise ValueError(
                f"stemmer={stemmer!r} is not an algorithm of snowballstemmer. "
                f"Choose one of {', '.join(sorted(names))}, or pass a function."
            )
        stems = snowballstemmer.stemmer(stemmer).stemWords(corpus.tokens)
    else:
        stems = list(map(stemmer, corpus.tokens))
    check_words(stems, "The stemmer returned")
    pairs = zip(stems, corpus.tokens, strict=True)
    found = _number_tokens([stem or token] for stem, token in pairs)
    return Corpus(found.tokens, found.codes[corpus.codes], corpus.lengths)


def check_words(words: Iterable[object], where: str) -> None:
    """Raise an error if a word is not a str; `where` begins the message."""
    for word in words:
        if not isinstance(word, str):
            kind = type(word).__name__
            raise TypeError(f"{where} {word!r:.60} ({kind}); every word must be a str.")
