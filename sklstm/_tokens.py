"""Convert raw texts to tokens: read the input, tokenize it, normalize and number the tokens."""

from __future__ import annotations

import re
import sys
import unicodedata
import warnings
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
from sklstm._sklearn import StrOptions

Int32Array: TypeAlias = NDArray[np.int32]
Int64Array: TypeAlias = NDArray[np.int64]
#: Texts of one column; None is a missing text.
Column: TypeAlias = list[str] | list[str | None]
#: Maps a text or a token to another one.
StrFunction = Callable[[str], str]
#: Splits a text into tokens.
Tokenizer = Callable[[str], Iterable[str]]

# Ranges of a character class with all combining marks (Mn, Mc, Me of Unicode 17). The vowels of
# Indic scripts and of Thai, and the accents of NFD, are combining marks, which `\w` does not match.
# The ranges also span letters and digits, which `\w` matches, and unassigned characters.
_MARKS = (
    r"\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf\u05c1-\u05c2\u05c4-\u05c5\u05c7-\u05c9"
    r"\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e8\u06ea-\u06ed\u0711-\u07f3\u07fd"
    r"\u0816-\u082d\u0859-\u085b\u0897-\u08e1\u08e3-\u0963\u0981-\u09e3\u09fe\u0a01-\u0a75"
    r"\u0a81-\u0ae3\u0afa-\u0aff\u0b01-\u0b63\u0b82-\u0bd7\u0c00-\u0c63\u0c81-\u0c83"
    r"\u0cbc-\u0d4d\u0d57-\u0d63\u0d81-\u0df3\u0e31-\u0e3a\u0e47-\u0e4e\u0eb1-\u0ece"
    r"\u0f18-\u0f19\u0f35\u0f37\u0f39\u0f3e-\u0f84\u0f86-\u0fbc\u0fc6\u102b-\u103e\u1056-\u109d"
    r"\u135d-\u135f\u1712-\u1734\u1752-\u17d3\u17dd\u180b-\u180d\u180f-\u18a9\u1920-\u193b"
    r"\u1a17-\u1a1b\u1a55-\u1a7f\u1ab0-\u1b44\u1b6b-\u1b73\u1b80-\u1bf3\u1c24-\u1c37"
    r"\u1cd0-\u1cd2\u1cd4-\u1dff\u20d0-\u20f0\u2cef-\u2cf1\u2d7f-\u2dff\u302a-\u302f"
    r"\u3099-\u309a\ua66f-\ua672\ua674-\ua67d\ua69e-\ua6f1\ua802-\ua827\ua82c\ua880-\ua8c5"
    r"\ua8e0-\ua8f1\ua8ff-\ua92d\ua947-\ua953\ua980-\ua9c0\ua9e5-\uaa4d\uaa7b-\uaac1"
    r"\uaaeb-\uaaef\uaaf5-\uaaf6\uabe3-\uabea\uabec-\uabed\ufb1e\ufe00-\ufe0f\ufe20-\ufe2f"
    r"\U000101fd\U000102e0\U00010376-\U0001037a\U00010a01-\U00010a3f\U00010ae5-\U00010ae6"
    r"\U00010d24-\U00010d6d\U00010eab-\U00010eac\U00010ecb-\U00010ecf\U00010ef0-\U00010eff"
    r"\U00010f46-\U00010f50\U00010f82-\U00010f85\U00011000-\U00011046\U00011070-\U000110ba"
    r"\U000110c2\U00011100-\U00011134\U00011145-\U00011173\U00011180-\U000111c0"
    r"\U000111c9-\U000111cc\U000111ce-\U000111cf\U0001122c-\U00011237\U0001123e-\U00011241"
    r"\U000112df-\U000113d2\U000113e1-\U00011446\U0001145e-\U000114c3\U000115af-\U000115c0"
    r"\U000115dc-\U00011640\U000116ab-\U000116b7\U0001171d-\U0001172b\U0001182c-\U0001183a"
    r"\U00011930-\U00011943\U000119d1-\U000119e0\U000119e4-\U00011a3e\U00011a47-\U00011a99"
    r"\U00011b60-\U00011b67\U00011c2f-\U00011c3f\U00011c92-\U00011cb6\U00011d31-\U00011df0"
    r"\U00011ef3-\U00011ef6\U00011f00-\U00011f42\U00011f5a\U00013440-\U00013455"
    r"\U0001611e-\U0001612f\U00016af0-\U00016af4\U00016b30-\U00016b36\U00016f4f-\U00016f92"
    r"\U00016fe4-\U00016ff1\U0001bc9d-\U0001bc9e\U0001cf00-\U0001cf46\U0001d127-\U0001d128"
    r"\U0001d165-\U0001d169\U0001d16d-\U0001d172\U0001d17b-\U0001d182\U0001d185-\U0001d18b"
    r"\U0001d1aa-\U0001d1ad\U0001d242-\U0001d244\U0001d250-\U0001d252\U0001d25b-\U0001d25c"
    r"\U0001d25f\U0001d280-\U0001d281\U0001da00-\U0001da36\U0001da3b-\U0001da6c\U0001da75"
    r"\U0001da84\U0001da9b-\U0001daaf\U0001e000-\U0001e08f\U0001e130-\U0001e136"
    r"\U0001e2ae-\U0001e2ef\U0001e4ec-\U0001e4ef\U0001e5ee-\U0001e5ef\U0001e6e3-\U0001e6f5"
    r"\U0001e8d0-\U0001e94a\U000e0100-\U000e01ef"
)
_IN_WORD = rf"\w{_MARKS}\u200d"  # U+200D: zero-width joiner
#: Default token pattern: the words of Unicode Standard Annex 29 [1]_, except that text without
#: spaces is not split, and that "." and ":" always end a word. It keeps one-letter words, numbers
#: and contractions. U+00B7 is in Catalan words, U+05F4 in Hebrew, U+180E in Mongolian, and U+200C
#: (zero-width non-joiner) in Persian.
#:
#: .. [1] `Unicode text segmentation <https://www.unicode.org/reports/tr29/>`_
WORD_PATTERN = rf"\w[{_IN_WORD}]*(?:(?:['\u00b7\u05f4\u180e\u2027]|\u200c+)[{_IN_WORD}]+)*"
# Patterns whose tokens never extend beyond a segment, because they contain only letters, digits,
# "_", "'" and characters that are not ASCII: the default pattern, the default of CountVectorizer,
# and common patterns that keep short words.
SEGMENT_PATTERNS = frozenset({WORD_PATTERN, r"(?u)\b\w\w+\b", r"(?u)\b\w+\b", r"\b\w+\b", r"\w+"})

_WORD = re.compile(WORD_PATTERN)
# Equal to `_WORD` for ASCII texts, and twice as fast.
_ASCII_WORD = re.compile(r"\w+(?:'\w+)*", flags=re.ASCII)

#: Characters inside words that are not displayed: soft hyphen, directions of writing, word joiner
#: and byte-order mark.
IGNORED = (
    "\u00ad\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff"
)
#: Characters that are written for "'": acute accent, modifier letter, Armenian apostrophe, Hebrew
#: geresh, quotation marks and the full-width form.
APOSTROPHES = "\u00b4\u02bc\u055a\u05f3\u2018\u2019\u201b\uff07"
# The abbreviation mark of Hebrew is usually typed as a quotation mark. The pattern starts with the
# mark, because a search for a literal is fast.
_HEBREW_MARK = re.compile('"(?<=[\u05d0-\u05ea]")(?=[\u05d0-\u05ea])')

# The tokenization of the Penn Treebank, used by some pretrained vectors, splits "don't" and "it's"
# into "do" "n't" and "it" "'s". This pattern keeps letters and digits and drops all other
# characters.
_LETTERS = rf"[^\W_](?:(?!_)[{_IN_WORD}\u200c])*"
TREEBANK_PATTERN = rf"(?i)n't\b|'(?:s|m|d|re|ve|ll)\b|{_LETTERS}?(?=n't\b)|{_LETTERS}"
_TREEBANK = re.compile(TREEBANK_PATTERN)

# In UTF-8, a byte below 128 is always an ASCII character.
_IN_SEGMENT = bytes(b >= 128 or chr(b).isalnum() or chr(b) in "_'" for b in range(256))
# Parameters of `build_analyzer` that may be functions.
_CALLABLES = ("strip_accents", "preprocessor", "tokenizer")
#: Constraints on the parameters of `TextSequencer` that determine the tokens of a text.
CONSTRAINTS: dict[str, list[object]] = {
    "lowercase": ["boolean"],
    "strip_accents": [StrOptions({"ascii", "unicode"}), callable, None],
    "preprocessor": [callable, None],
    "tokenizer": [callable, None],
    "token_pattern": [str, None],
    "analyzer": [StrOptions({"word", "char"})],
    "stop_words": [StrOptions({"english"}), list, set, tuple, frozenset, None],
    "stemmer": [str, callable, None],
}
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


class CorpusAnalyzer:
    """Splits texts into tokens, as `TextSequencer` does.

    Parameters
    ----------
    stemmer : str, callable (str -> str) or None
        As in `TextSequencer`.
    **parameters
        The other parameters of `TextSequencer` in `CONSTRAINTS`, with the same defaults.

    Raises
    ------
    ValueError, TypeError
        As `build_analyzer`.
    """

    def __init__(self, *, stemmer: str | StrFunction | None = None, **parameters: object) -> None:
        self._analyzer = build_analyzer(**parameters)
        is_by_words = parameters.get("analyzer", "word") == "word"
        self._stemmer = stemmer if is_by_words else None
        self._uses_pattern = is_by_words and parameters.get("tokenizer") is None

    def __call__(self, texts: list[str], *, warns: bool) -> Corpus:
        """Tokenize texts; if `warns`, issue a warning about words without spaces."""
        corpus = tokenize(texts, self._analyzer)
        if warns and self._uses_pattern and (message := find_unsegmented(corpus)):
            warnings.warn(message, UserWarning, stacklevel=2)
        return corpus if self._stemmer is None else stem(corpus, self._stemmer)


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


def normalize(text: str) -> str:
    """Convert a text to Unicode NFC without `IGNORED` characters."""
    if text.isascii():
        return text
    # Faster than `str.translate`, also for this many characters.
    for char in IGNORED:
        text = text.replace(char, "")
    return unicodedata.normalize("NFC", text)


def normalize_words(text: str) -> str:
    """Equivalent to `normalize`, but with one form of each apostrophe, as in `WORD_PATTERN`."""
    if text.isascii():
        return text
    for char in APOSTROPHES:
        text = text.replace(char, "'")
    return normalize(_HEBREW_MARK.sub("\u05f4", text))


#: The steps of `normalize` and `normalize_words` before NFC, for exported models. Each is a pair of
#: a regular expression and a replacement.
NORMALIZATION = [[f"[{IGNORED}]", ""]]
WORD_NORMALIZATION = [[f"[{APOSTROPHES}]", "'"], [_HEBREW_MARK.pattern, "\u05f4"], *NORMALIZATION]


def choose_normalization(
    *, analyzer: object, tokenizer: object, token_pattern: object
) -> StrFunction:
    """Return the function that normalizes texts, given parameters of `TextSequencer`.

    This is `normalize_words` if words are split by the default pattern or an extension of it.
    """
    is_split_by_pattern = analyzer == "word" and tokenizer is None
    if not is_split_by_pattern or not isinstance(token_pattern, str):
        return normalize
    # The comparison is faster than the search.
    has_words = token_pattern == WORD_PATTERN or WORD_PATTERN in token_pattern
    return normalize_words if has_words else normalize


def words(text: str) -> list[str]:
    """Split a normalized text into its words, the matches of `WORD_PATTERN`."""
    return (_ASCII_WORD if text.isascii() else _WORD).findall(text)


def build_analyzer(**parameters: object) -> Analyzer:
    """Return an analyzer that finds the same tokens as the analyzer of ``CountVectorizer``.

    The parameters are those of `TextSequencer`, with the same defaults. Texts are normalized after
    preprocessing.

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
    needs_pattern = vectorizer.analyzer == "word" and vectorizer.tokenizer is None
    if needs_pattern and pattern is None:
        raise ValueError("token_pattern=None needs a tokenizer; pass one of the two.")
    to_normal = choose_normalization(
        analyzer=vectorizer.analyzer, tokenizer=vectorizer.tokenizer, token_pattern=pattern
    )
    word_list = () if stop_words is None or isinstance(stop_words, str) else stop_words
    check_words(word_list, "stop_words contains")
    if word_list:
        vectorizer.stop_words = list(map(to_normal, word_list))
    # A callable may depend on the whole text.
    has_callable = callable(vectorizer.preprocessor) or callable(vectorizer.strip_accents)
    is_segmentwise = needs_pattern and pattern in SEGMENT_PATTERNS and not has_callable
    preprocess = _chain(vectorizer.build_preprocessor(), to_normal)
    if vectorizer.preprocessor is None and vectorizer.strip_accents is not None:
        # strip_accents="ascii" would remove typographic apostrophes.
        preprocess = _chain(to_normal, preprocess)
    vectorizer.preprocessor = preprocess
    if not is_segmentwise or word_list:
        # This also warns about stop words that the pattern would split.
        try:
            analyze = vectorizer.build_analyzer()
        except re.error as error:
            message = f"token_pattern={pattern!r} is not a regular expression: {error}."
            raise ValueError(message) from error
    if not is_segmentwise:
        return Analyzer(analyze)
    split = words if pattern == WORD_PATTERN else vectorizer.build_tokenizer()
    stop_set = vectorizer.get_stop_words() or frozenset()
    return Analyzer(split, True, preprocess, stop_set)


def _chain(first: StrFunction, second: StrFunction) -> StrFunction:
    return lambda text: second(first(text))


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
    straight = normalize_words(token)
    curly = [straight.replace("'", char) for char in "\u2019\u02bc"]
    parts = _TREEBANK.findall(straight)
    lower_case = [part.lower() for part in parts]
    whole = dict.fromkeys([token, straight, *curly, straight.lower()])
    return [*([word] for word in whole), parts, lower_case]


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


# Scripts that are written without spaces between words: Chinese, Japanese and the complex context
# scripts (SA) of `Unicode line breaking <https://www.unicode.org/reports/tr14/>`_. Segmented text
# has few words of this many characters, other than foreign names in katakana.
_KATAKANA = r"\u30a0-\u30ff\uff66-\uff9f"
_HAN = r"\u3005-\u3007\u3041-\u309f\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003347f"
_COMPLEX = (
    r"\u0e01-\u0eff\u1000-\u109f\u1780-\u17ff\u1950-\u19df\u1a20-\u1aaf\ua9e0-\ua9ff"
    r"\uaa60-\uaadf\U00011700-\U0001174f"
)
_UNSEGMENTED = re.compile(
    rf"(?=[{_KATAKANA}]*[{_HAN}])[{_HAN}{_KATAKANA}]{{5,}}|[{_COMPLEX}]{{11,}}"
)
# Word segmenters by the characters of a script; the first match counts.
_SEGMENTERS = {
    "[\u3041-\u30ff]": "janome for Japanese",
    "[\u3400-\u9fff\U00020000-\U0003347f]": "jieba.lcut for Chinese",
    "[\u0e01-\u0e7f]": "pythainlp.word_tokenize for Thai",
    "": "a word segmenter of the language",
}
# Minimum proportion of unsegmented documents for a warning.
_MIN_UNSEGMENTED = 0.1


def find_unsegmented(corpus: Corpus) -> str | None:
    """Return a warning if many documents are not split into words, because they have no spaces.

    In such a document, most characters are in tokens that are too long for words of their script.
    """
    long = [i for i, token in enumerate(corpus.tokens) if not token.isascii()]
    long = [i for i in long if _UNSEGMENTED.search(corpus.tokens[i])]
    if not long:
        return None
    lengths = np.fromiter(map(len, corpus.tokens), dtype=np.int64, count=len(corpus.tokens))
    is_long = np.zeros(lengths.size, dtype=bool)
    is_long[long] = True
    # Number of characters of each document, all and those in long tokens.
    documents = np.repeat(np.arange(corpus.lengths.size), corpus.lengths)
    n_chars = lengths[corpus.codes]
    n_all = np.bincount(documents, n_chars, corpus.lengths.size)
    n_long = np.bincount(documents, n_chars * is_long[corpus.codes], corpus.lengths.size)
    n_unsegmented = np.count_nonzero(2 * n_long > n_all)
    n_documents = np.count_nonzero(corpus.lengths)
    if n_unsegmented <= _MIN_UNSEGMENTED * n_documents:
        return None
    example = corpus.tokens[long[0]]
    segmenter = next(name for script, name in _SEGMENTERS.items() if re.search(script, example))
    return (
        f"{n_unsegmented} of {n_documents} documents are not split into words, because their "
        f"script has no spaces between words: {example!r:.60} is a single token. Set "
        f"analyzer='char', or tokenizer= to a function that calls a word segmenter, such as "
        f"{segmenter}."
    )


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
