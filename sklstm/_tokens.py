"""Cut texts into tokens and number these, looking at each distinct piece of text only once."""

from __future__ import annotations

import re
from array import array
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from itertools import count, filterfalse
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import CountVectorizer

#: One-letter words, numbers and contractions are tokens: the default of TextSequencer.
WORD_PATTERN = r"\w+(?:['\u2019]\w+)*"
# That pattern, that of CountVectorizer, and the usual ways to keep short words. All
# that they look at is letters, digits, "_" and apostrophes that stand together: in one piece.
PIECEWISE_PATTERNS = frozenset({WORD_PATTERN, r"(?u)\b\w\w+\b", r"(?u)\b\w+\b", r"\b\w+\b", r"\w+"})

# How TextSequencer reads texts unless it is told otherwise; CountVectorizer has these names too.
DEFAULTS: dict[str, Any] = {
    "lowercase": True,
    "strip_accents": None,
    "preprocessor": None,
    "tokenizer": None,
    "token_pattern": WORD_PATTERN,
    "analyzer": "word",
    "stop_words": None,
}

# How the Penn Treebank, and vectors learned from texts cut in its way, write "don't" and "it's":
# "do" "n't", "it" "'s". Letters and digits are held together, other characters are left out.
_TREEBANK = re.compile(
    r"n't\b|'(?:s|m|d|re|ve|ll)\b|[^\W_]+?(?=n't\b)|[^\W_]+", flags=re.IGNORECASE
)

# In UTF-8, a byte below 128 is an ASCII character whatever stands beside it.
_IN_A_PIECE = bytes(b >= 128 or chr(b).isalnum() or chr(b) in "_'" for b in range(256))
# Bytes of text that are searched for pieces at once; this takes about 15 times as much memory.
_BLOCK = 2**22
# Characters from which on looking for pieces takes less time than a regular expression does.
_WORTH_PIECES = 2**15
_WORD = 8
_FIRST_BYTES = np.array([256**n - 1 for n in range(_WORD + 1)], dtype=np.uint64)


class Corpus(NamedTuple):
    """Tokenized documents: all their tokens in one row, as positions in a list of tokens.

    `tokens` are the distinct tokens, none of them empty, in the order in which they first occur.
    `codes`, shape (n_occurrences,), are the positions in `tokens` of every token of the first
    document, then of the second, and so on. `lengths`, shape (n_documents,), says how many tokens
    each document has.
    """

    tokens: list[str]
    codes: NDArray[np.int32]
    lengths: NDArray[np.int64]


class Analyzer(NamedTuple):
    """How to cut a text into tokens: ``cut(prepare(text))`` without `stop_words`.

    If `is_piecewise`, the tokens of a text are also those of its pieces. A piece is a longest
    stretch of text without any ASCII character but letters, digits, "_" and "'".
    """

    cut: Callable[[str], Iterable[str]]
    is_piecewise: bool = False
    prepare: Callable[[str], str] = str
    stop_words: frozenset[str] = frozenset()


def build_analyzer(parameters: Mapping[str, Any]) -> Analyzer:
    """Build an analyzer that gives the tokens that scikit-learn's own gives.

    `parameters` are those of TextSequencer; the ones that CountVectorizer knows too are used. A
    `token_pattern` that is no regular expression, or None without `tokenizer`, is a ValueError; a
    stop word that is no str, and what functions give that is of a wrong type, a TypeError.
    """
    vectorizer = CountVectorizer(**{name: _checking(parameters, name) for name in DEFAULTS})
    pattern, stop_words = parameters["token_pattern"], parameters["stop_words"]
    for word in () if isinstance(stop_words, (str, type(None))) else stop_words:
        if not isinstance(word, str):
            raise TypeError(f"stop_words holds {word!r:.60}; every word must be a str.")
    needs_pattern = parameters["analyzer"] == "word" and parameters["tokenizer"] is None
    if needs_pattern and pattern is None:
        raise ValueError("token_pattern=None needs a tokenizer; pass one of the two.")
    # A function of the user's may look at a text as a whole.
    calls_user = callable(parameters["preprocessor"]) or callable(parameters["strip_accents"])
    is_piecewise = needs_pattern and pattern in PIECEWISE_PATTERNS and not calls_user
    if not is_piecewise or not isinstance(stop_words, (str, type(None))):
        # This also warns of stop words that the pattern would cut up: none of scikit-learn's are.
        try:
            analyze = vectorizer.build_analyzer()
        except re.error as error:
            raise ValueError(
                f"token_pattern={pattern!r} is no regular expression: {error}."
            ) from error
        if not is_piecewise:
            return Analyzer(analyze)
    return Analyzer(
        vectorizer.build_tokenizer(),
        is_piecewise=True,
        prepare=vectorizer.build_preprocessor(),
        stop_words=vectorizer.get_stop_words() or frozenset(),
    )


def _checking(parameters: Mapping[str, Any], name: str) -> Any:
    """Return a parameter; if it is a function, one that also checks what that gives."""
    function = parameters[name]
    if not callable(function):
        return function
    kind, wanted = (Iterable, "a list of str") if name == "tokenizer" else (str, "a str")

    def checking(text: str) -> Any:
        given = function(text)
        if not isinstance(given, kind):
            raise TypeError(
                f"The {name} gave {given!r:.60} ({type(given).__name__}) for a text; "
                f"make it give {wanted}."
            )
        return given

    return checking


def tokenize(texts: list[str], analyzer: Analyzer) -> Corpus:
    """Cut each text into tokens, once, and number the distinct tokens as they come.

    Empty tokens are left out. A token that is no str is a TypeError.
    """
    if analyzer.is_piecewise and sum(map(len, texts)) >= _WORTH_PIECES:
        return _tokenize_piecewise(texts, analyzer)
    position: defaultdict[str, int] = defaultdict(count().__next__)
    codes, stops = array("i"), array("q", [0])
    for text in texts:
        tokens: Iterable[str] = filter(None, analyzer.cut(analyzer.prepare(text)))
        if analyzer.stop_words:
            tokens = filterfalse(analyzer.stop_words.__contains__, tokens)
        codes.extend(map(position.__getitem__, tokens))
        stops.append(len(codes))
    return Corpus(_checked(list(position), "tokenizer"), np.array(codes), np.diff(stops))


def _tokenize_piecewise(texts: Iterable[str], analyzer: Analyzer) -> Corpus:
    """Find the distinct pieces of all texts, cut these, and put their tokens in their places."""
    numbers: defaultdict[bytes, int] = defaultdict(count().__next__)
    blocks = [_number_pieces(block, numbers) for block in _blocks(map(analyzer.prepare, texts))]
    tokens: list[str] = []
    stops = [0]
    for encoded in numbers:
        piece = encoded.decode("utf-8", "surrogatepass")
        # Two or more letters or digits are one token to all of the patterns.
        if len(piece) > 1 and piece.isalnum() and piece not in analyzer.stop_words:
            tokens.append(piece)
        else:
            tokens += [token for token in analyzer.cut(piece) if token not in analyzer.stop_words]
        stops.append(len(tokens))
    position: defaultdict[str, int] = defaultdict(count().__next__)
    found = np.fromiter(map(position.__getitem__, tokens), dtype=np.int32, count=len(tokens))
    bounds = np.array(stops)
    parts = [_expand(pieces, lengths, found, bounds) for pieces, lengths in blocks]
    codes, lengths = map(np.concatenate, zip(*parts, strict=True))
    return Corpus(list(position), codes, lengths)


def _expand(
    pieces: NDArray[np.int32],
    lengths: NDArray[np.int64],
    found: NDArray[np.int32],
    bounds: NDArray[np.int64],
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Replace each piece i of some texts by its tokens, ``found[bounds[i] : bounds[i + 1]]``."""
    n_tokens = np.diff(bounds)[pieces]
    ends = np.append(0, np.cumsum(n_tokens))
    # The distance from a token's place in the texts to its place in `found`.
    distances = np.repeat(bounds[pieces] - ends[:-1], n_tokens)
    codes = found[np.arange(distances.size) + distances]
    return codes, np.diff(ends[np.append(0, np.cumsum(lengths))])


def _blocks(texts: Iterable[str]) -> Iterator[list[bytes]]:
    """Encode texts, and deal them out in lists of some megabytes; the last may be empty."""
    block: list[bytes] = []
    size = 0
    for text in texts:
        block.append(text.encode("utf-8", "surrogatepass"))
        size += len(block[-1])
        if size >= _BLOCK:
            yield block
            block, size = [], 0
    yield block


def _number_pieces(
    texts: list[bytes], position: Mapping[bytes, int]
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Give the positions of the pieces of some texts, and how many pieces each text has."""
    # No piece touches an end, and the two words that are read at its start lie inside.
    joined = b"\n".join([b"", *texts, bytes(2 * _WORD)])
    in_a_piece = np.frombuffer(joined.translate(_IN_A_PIECE), dtype=bool)
    edges = np.flatnonzero(in_a_piece[1:] != in_a_piece[:-1]) + 1
    starts, stops = edges[::2], edges[1::2]
    models = _equal_pieces(joined, starts, stops - starts)
    new = np.flatnonzero(models == np.arange(models.size))
    pieces = [joined[i:j] for i, j in zip(starts[new].tolist(), stops[new].tolist(), strict=True)]
    codes = np.empty(models.size, dtype=np.int32)
    codes[new] = np.fromiter(map(position.__getitem__, pieces), dtype=np.int32, count=new.size)
    ends = np.cumsum([0, *(len(text) + 1 for text in texts)])
    return codes[models], np.diff(np.searchsorted(starts, ends))


def _equal_pieces(
    joined: bytes, starts: NDArray[np.int64], lengths: NDArray[np.int64]
) -> NDArray[np.int32]:
    """Give for each piece the index of an equal one that comes first, or else its own.

    This spares a dictionary most of its work. Pieces that are longer than two words of memory, or
    that collide in the hash table, get their own index though there may be an equal one.
    """
    words = np.ndarray(len(joined) - _WORD + 1, dtype="<u8", buffer=joined, strides=(1,))
    # A shorter piece leaves zero bytes in its head, which then says all about it.
    long = np.flatnonzero(lengths >= _WORD)
    long_lengths = lengths[long]
    head = words[starts] & _FIRST_BYTES.take(lengths, mode="clip")
    tail = np.zeros_like(head)
    tail[long] = words[starts[long] + _WORD] & _FIRST_BYTES.take(long_lengths - _WORD, mode="clip")
    # Multiplicative hashing: D. E. Knuth, The art of computer programming 3, section 6.4.
    mixed = (head ^ (tail * np.uint64(0xC2B2AE3D27D4EB4F))) * np.uint64(0x9E3779B97F4A7C15)
    n_bits = max(8, starts.size.bit_length() - 1)
    slots = (mixed >> np.uint64(64 - n_bits)).astype(np.int32)
    own = np.arange(starts.size, dtype=np.int32)
    owners = np.empty(2**n_bits, dtype=np.int32)
    # Of several writes to one place the last one holds, and that is to be the first piece.
    owners[slots[::-1]] = own[::-1]
    models = owners[slots]
    equal = head == head[models]
    equal[long] &= tail[long] == tail[models[long]]
    equal[long] &= np.maximum(long_lengths, lengths[models[long]]) <= 2 * _WORD
    return np.where(equal, models, own)


def spellings(token: str) -> list[list[str]]:
    """Return ways to write a token, the best one first, each as one word or several."""
    straight = token.replace("\u2019", "'")
    pieces = _TREEBANK.findall(straight)
    whole = [[token], [straight], [straight.lower()]]
    return [*whole, pieces, [piece.lower() for piece in pieces]]


def respell(corpus: Corpus, known: Container[str]) -> Corpus:
    """Write each token in the first way that has known words only, or else in the last with any."""
    position: defaultdict[str, int] = defaultdict(count().__next__)
    found, stops = array("i"), array("q", [0])
    for token in corpus.tokens:
        found.extend(map(position.__getitem__, _best_spelling(token, known)))
        stops.append(len(found))
    words, bounds = np.array(found, dtype=np.int32), np.array(stops)
    codes, lengths = _expand(corpus.codes, corpus.lengths, words, bounds)
    return Corpus(list(position), codes, lengths)


def _best_spelling(token: str, known: Container[str]) -> list[str]:
    if token in known:
        return [token]
    ways = [way for way in spellings(token) if way]
    whole = (way for way in ways if all(word in known for word in way))
    partly = (way for way in reversed(ways) if any(word in known for word in way))
    return next(whole, None) or next(partly, [token])


def stem(corpus: Corpus, stemmer: str | Callable[[str], str]) -> Corpus:
    """Replace tokens by their stems; each distinct token is stemmed once.

    `stemmer` is the name of a ``snowballstemmer`` algorithm or a function from a token to its
    stem. A token whose stem is empty stays as it is. A stem that is no str is a TypeError.
    """
    position: defaultdict[str, int] = defaultdict(count().__next__)
    stems = _checked(list(_stems(corpus.tokens, stemmer)), "stemmer")
    pairs = zip(stems, corpus.tokens, strict=True)
    lookup = np.array([position[stem or token] for stem, token in pairs], dtype=np.int32)
    return Corpus(list(position), lookup[corpus.codes], corpus.lengths)


def _stems(tokens: list[str], stemmer: str | Callable[[str], str]) -> Iterable[str]:
    if not isinstance(stemmer, str):
        return map(stemmer, tokens)
    import snowballstemmer

    names = snowballstemmer.algorithms()
    if stemmer not in names:
        raise ValueError(
            f"stemmer={stemmer!r} is not an algorithm of snowballstemmer. "
            f"Choose one of {', '.join(sorted(names))}, or pass a function."
        )
    return snowballstemmer.stemmer(stemmer).stemWords(tokens)


def _checked(tokens: list[Any], parameter: str) -> list[str]:
    for token in tokens:
        if not isinstance(token, str):
            raise TypeError(
                f"The {parameter} gave {token!r:.60} ({type(token).__name__}) as a token; "
                "make it give str."
            )
    return tokens
