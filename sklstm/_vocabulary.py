"""Count tokens, select the vocabulary, and map tokens to ids."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from itertools import count, repeat
from numbers import Integral
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import murmurhash3_32

from sklstm._similar_tokens import SimilarTokens
from sklstm._tokens import Corpus, Int32Array, Int64Array, StrFunction

ObjectArray: TypeAlias = NDArray[np.object_]

PADDING_ID, OOV_ID, N_RESERVED = 0, 1, 2
#: Largest id and size: token ids have 32 bits.
INT32_MAX = int(np.iinfo(np.int32).max)
# The names of padding and out-of-vocabulary token, as in Keras TextVectorization.
RESERVED = np.array(["", "[UNK]"], dtype=object)
# Number of tokens per sort.
_BATCH_SIZE = 2**18
# Maximum number of unused ids of a fixed vocabulary. They take as much memory as used ones.
_MAX_UNUSED = 10_000_000

#: Tokens outside the vocabulary; their counts; document counts of the tokens in the vocabulary,
#: followed by those of the tokens outside; number of documents.
Rest = tuple[ObjectArray, Int64Array, Int64Array, int]


class Tally(NamedTuple):
    """Occurrences of distinct tokens, and the number of documents with each of them.

    The three arrays have shape (n_distinct,). `n_documents` includes documents without tokens.
    """

    tokens: ObjectArray
    counts: Int64Array
    document_counts: Int64Array
    n_documents: int


class Vocabulary(NamedTuple):
    """Token and number of occurrences of each id, and the state for further calls of `learn`.

    `rest` is None for a fixed vocabulary.
    """

    tokens: ObjectArray
    counts: Int64Array
    rest: Rest | None = None


class Limits(NamedTuple):
    """Limits on a vocabulary: document frequencies, as in scikit-learn, and number of tokens."""

    min_df: float
    max_df: float
    max_size: int | None

    def document_range(self, n_documents: int) -> tuple[float, float]:
        """Return the smallest and largest number of documents that a token may be in."""
        min_count, max_count = (
            df if isinstance(df, Integral) else df * n_documents for df in self[:2]
        )
        return min_count, max_count


def tally(corpus: Corpus) -> Tally:
    """Count the occurrences of each token, and the documents that contain it."""
    n_distinct, stops = len(corpus.tokens), np.cumsum(corpus.lengths)
    # Documents are processed in batches that fit in the cache, where sorting is faster.
    cuts = np.searchsorted(stops, np.arange(_BATCH_SIZE, corpus.codes.size, _BATCH_SIZE)) + 1
    codes, lengths = np.split(corpus.codes, stops[cuts - 1]), np.split(corpus.lengths, cuts)
    once = [_drop_repetitions(*batch, n_distinct) for batch in zip(codes, lengths, strict=True)]
    return Tally(
        np.array(corpus.tokens, dtype=object),
        np.bincount(corpus.codes, minlength=n_distinct),
        np.bincount(np.concatenate(once), minlength=n_distinct),
        corpus.lengths.size,
    )


def _drop_repetitions(codes: Int32Array, lengths: Int64Array, n_distinct: int) -> Int64Array:
    """Drop the repetitions of each code within a document."""
    # One number per (document, token) pair: sorting makes repetitions adjacent.
    offsets = np.arange(lengths.size, dtype=np.int64) * n_distinct
    pairs = np.sort(np.repeat(offsets, lengths) + codes)
    return pairs[np.append(True, pairs[1:] != pairs[:-1])[: pairs.size]] % max(n_distinct, 1)


def _merge(known: Tally, new: Tally) -> Tally:
    """Add the counts of two chunks of a corpus."""
    index = {token: i for i, token in enumerate(known.tokens)}
    rows = np.array([index.setdefault(t, len(index)) for t in new.tokens], dtype=np.intp)
    counts = np.zeros((2, len(index)), dtype=np.int64)
    counts[:, : known.counts.size] = known.counts, known.document_counts
    counts[:, rows] += new.counts, new.document_counts
    tokens = np.array(list(index), dtype=object)
    return Tally(tokens, counts[0], counts[1], known.n_documents + new.n_documents)


def learn(corpus: Corpus, limits: Limits, before: Vocabulary | None, *, resume: bool) -> Vocabulary:
    """Learn a vocabulary from a corpus and from the chunks `before` it, if any.

    With `resume`, the result also contains the tokens outside the vocabulary, so that learning can
    continue with further chunks. Otherwise a ValueError is raised if no tokens remain with
    `limits`.
    """
    seen, n_forgotten = tally(corpus), 0
    if before is not None and before.rest is not None:
        excluded, other_counts, document_counts, n_documents = before.rest
        tokens = np.append(before.tokens[N_RESERVED:], excluded)
        counts = np.append(before.counts[N_RESERVED:], other_counts)
        seen = _merge(Tally(tokens, counts, document_counts, n_documents), seen)
        n_forgotten = before.counts[OOV_ID] - other_counts.sum()
    kept = rank(seen, limits)
    if not resume and not kept.size:
        min_df, max_df, _ = limits
        min_count, max_count = limits.document_range(seen.n_documents)
        problem = f"No tokens remain with {min_df=} and {max_df=}"
        if max_count < min_count:
            problem = f"{max_df=} corresponds to fewer documents than {min_df=}"
        where = f"in {seen.n_documents} documents"
        raise ValueError(f"{problem}, {where}; lower min_df or raise max_df.")
    rest = np.delete(np.arange(seen.counts.size), kept)
    n_oov = n_forgotten + seen.counts[rest].sum()
    others = rest if resume else rest[:0]
    document_counts = seen.document_counts[np.append(kept, others)]
    return Vocabulary(
        np.append(RESERVED, seen.tokens[kept]),
        np.append([0, n_oov], seen.counts[kept]),
        (seen.tokens[others], seen.counts[others], document_counts, seen.n_documents),
    )


def rank(seen: Tally, limits: Limits) -> NDArray[np.intp]:
    """Return the indices of the tokens of a vocabulary in the order of their ids.

    They are sorted by decreasing number of occurrences, then alphabetically.
    """
    min_count, max_count = limits.document_range(seen.n_documents)
    limit = limits.max_size
    eligible = np.flatnonzero(
        (seen.document_counts >= min_count) & (seen.document_counts <= max_count)
    )
    if limit is not None and eligible.size > limit:
        # Keep ties with the last selected token. Then only few tokens are sorted alphabetically.
        counts = seen.counts[eligible]
        eligible = eligible[counts >= np.partition(counts, -limit)[-limit]]
    names = seen.tokens[eligible].tolist()
    alphabetical = eligible[sorted(range(len(names)), key=names.__getitem__)]
    return alphabetical[np.argsort(-seen.counts[alphabetical], kind="stable")][:limit]


def count_fixed(
    tokens: ObjectArray, corpus: Corpus, before: Vocabulary | None, limits: Limits | None = None
) -> Vocabulary:
    """Count the tokens of a fixed vocabulary in a corpus and in the chunks `before` it.

    With `limits`, tokens of the corpus that are not in the vocabulary are added after it. Tokens
    added from the chunks `before` keep their ids.
    """
    fixed, counts_before = tokens, np.empty(0, dtype=np.int64)
    if before is not None:
        tokens, counts_before, _ = before
        if not np.array_equal(tokens if limits is None else tokens[: fixed.size], fixed):
            raise ValueError("vocabulary differs from that of previous calls; call fit.")
    if limits is not None:
        known = invert(tokens)
        is_new = np.array([token not in known for token in corpus.tokens], dtype=bool)
        tokens_seen, counts, document_counts, n_documents = tally(corpus)
        new = Tally(tokens_seen[is_new], counts[is_new], document_counts[is_new], n_documents)
        if limits.max_size is not None:
            n_left = max(limits.max_size - (tokens.size - fixed.size), 0)
            limits = limits._replace(max_size=n_left)
        tokens = np.append(tokens, new.tokens[rank(new, limits)])
    counts = np.bincount(look_up(corpus, invert(tokens)), minlength=tokens.size)
    counts[: counts_before.size] += counts_before
    return Vocabulary(tokens, counts)


def fixed_tokens(vocabulary: object, normalize: StrFunction = str) -> ObjectArray:
    """Convert the parameter `vocabulary` to an array of tokens by id, with "" for unused ids.

    Parameters
    ----------
    vocabulary : sequence of str or mapping of str to int
        Tokens, whose ids are 2, 3, ..., or the id of each token.
    normalize : callable (str -> str)
        Converts a word to the form in which it is a token of a text. A word is unchanged if this
        form is in the vocabulary as well.

    Raises
    ------
    TypeError
        If it is a set or a single value, or has an entry of a wrong type.
    ValueError
        If it is empty, or has an empty or repeated token, or a reserved or repeated id.
    """
    if isinstance(vocabulary, (str, bytes, Set)):
        kind = type(vocabulary).__name__
        raise TypeError(f"vocabulary is a {kind}; pass a list, such as sorted(vocabulary).")
    if not isinstance(vocabulary, Iterable) or getattr(vocabulary, "ndim", 1) == 0:
        remedy = "pass a list of tokens"
        if hasattr(vocabulary, "index_to_key"):
            remedy = "convert it with WordVectors.from_source(vectors)"
        raise TypeError(f"vocabulary is one value, {vocabulary!r:.60}; {remedy}.")
    ids = vocabulary.values() if isinstance(vocabulary, Mapping) else count(N_RESERVED)
    token_of: dict[int, str] = {}
    seen: set[str] = set()
    # Not strict, because `count` is infinite.
    for token, id_ in zip(vocabulary, ids, strict=False):
        if not isinstance(token, str) or not isinstance(id_, Integral) or isinstance(id_, bool):
            found = f"vocabulary contains {token!r:.60} with id {id_!r:.60}"
            remedy = "a token must be a str and an id an int"
            if isinstance(token, str) and hasattr(id_, "__len__") and not isinstance(id_, str):
                remedy += "; convert word vectors with WordVectors.from_source(vectors)"
            raise TypeError(f"{found}; {remedy}.")
        if not token or token in seen:
            found = f"vocabulary contains {token!r:.60} {'twice' if token else 'as a token'}"
            raise ValueError(f"{found}; leave out empty and repeated tokens.")
        id_ = int(id_)
        if id_ < N_RESERVED or id_ in token_of:
            owner = "reserved" if id_ < N_RESERVED else f"also the id of {token_of[id_]!r:.60}"
            found = f"vocabulary gives {token!r:.60} the id {id_}, which is {owner}"
            raise ValueError(f"{found}; ids must be distinct and at least {N_RESERVED}.")
        seen.add(token)
        token_of[id_] = str(token)
    if not token_of:
        raise ValueError("vocabulary is empty; pass at least one token, or None to learn it.")
    largest = max(token_of)
    if largest - N_RESERVED - len(token_of) > _MAX_UNUSED:
        raise ValueError(
            f"vocabulary gives {token_of[largest]!r:.60} the id {largest}, and has {len(token_of)} "
            f"tokens; renumber them so that at most {_MAX_UNUSED} ids are unused."
        )
    tokens = np.full(largest + 1, "", dtype=object)
    tokens[:N_RESERVED] = RESERVED
    for id_, token in token_of.items():
        form = normalize(token)
        tokens[id_] = token if form in seen else form
        seen.add(form)
    return tokens


def invert(tokens: ObjectArray) -> dict[str, int]:
    """Return the ids by token from the tokens by id, without unused and reserved ids."""
    pairs = enumerate(tokens[N_RESERVED:].tolist(), N_RESERVED)
    return {token: id_ for id_, token in pairs if token}


def look_up(
    corpus: Corpus, vocabulary: Mapping[str, int], similar: SimilarTokens | None = None
) -> Int32Array:
    """Return the id of every token of a corpus.

    With `similar`, a token outside the vocabulary has the id of the most similar token.
    """
    found = map(vocabulary.get, corpus.tokens, repeat(OOV_ID))
    ids = np.fromiter(found, dtype=np.int32, count=len(corpus.tokens))
    if similar is not None:
        for i in np.flatnonzero(ids == OOV_ID):
            ids[i] = similar.find_id(corpus.tokens[i], default=OOV_ID)
    return ids[corpus.codes]


def hash_size(max_tokens: int | None, vocabulary: object) -> int:
    """Return the size of the id space of the hashing trick.

    Raises
    ------
    ValueError
        If `max_tokens` is None or too large, or `vocabulary` is not None.
    """
    if max_tokens is None or max_tokens > INT32_MAX or vocabulary is not None:
        raise ValueError(
            f"indexing='hash' needs max_tokens of at most {INT32_MAX} and no vocabulary; got "
            f"max_tokens={max_tokens} and vocabulary={vocabulary!r:.60}."
        )
    return max_tokens


def hash_ids(corpus: Corpus, n_tokens: int) -> Int32Array:
    """Return the hashed id, from 2 to ``n_tokens - 1``, of every token of a corpus."""
    # surrogatepass also encodes characters without a UTF-8 form, such as "\ud800".
    encoded = (token.encode("utf-8", "surrogatepass") for token in corpus.tokens)
    hashes = np.array([murmurhash3_32(key, positive=True) for key in encoded], dtype=np.int64)
    return (N_RESERVED + hashes % (n_tokens - N_RESERVED)).astype(np.int32)[corpus.codes]
