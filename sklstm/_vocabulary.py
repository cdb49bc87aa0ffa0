"""Count the tokens of texts, choose those of a vocabulary, and give them ids."""

from __future__ import annotations

from collections.abc import Mapping, Set
from itertools import repeat
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import murmurhash3_32

from sklstm._tokens import Corpus

PADDING_ID = 0
OOV_ID = 1
N_RESERVED = 2
# What Keras TextVectorization calls padding (id 0) and the unknown token (id 1).
RESERVED = ("", "[UNK]")
_TALLIED = 2**18
# Ids of a fixed vocabulary that no token has, but that take memory as if one had.
_MOST_UNUSED = 10_000_000
_LARGEST_SIZE = np.iinfo(np.int32).max

_OTHER_VOCABULARY = "vocabulary is not that of the calls before; call fit to start anew."


class Tally(NamedTuple):
    """How often each of some distinct tokens occurs, and in how many documents.

    The three arrays have shape (n_distinct,). `n_documents` includes those without tokens.
    """

    tokens: NDArray[np.object_]
    counts: NDArray[np.int64]
    document_counts: NDArray[np.int64]
    n_documents: int


def tally(corpus: Corpus) -> Tally:
    """Count the tokens of a corpus, and the documents that each one occurs in."""
    n_distinct, stops = len(corpus.tokens), np.cumsum(corpus.lengths)
    # Documents are taken some at a time: sorting is faster in the cache.
    cuts = np.searchsorted(stops, np.arange(_TALLIED, corpus.codes.size, _TALLIED)) + 1
    once = [
        _once_a_document(codes, lengths, n_distinct)
        for codes, lengths in zip(
            np.split(corpus.codes, stops[cuts - 1]), np.split(corpus.lengths, cuts), strict=True
        )
    ]
    return Tally(
        np.array(corpus.tokens, dtype=object),
        np.bincount(corpus.codes, minlength=n_distinct),
        np.bincount(np.concatenate(once), minlength=n_distinct),
        corpus.lengths.size,
    )


def _once_a_document(
    codes: NDArray[np.int32], lengths: NDArray[np.int64], n_distinct: int
) -> NDArray[np.int64]:
    """Leave out the repetitions of each code in a document."""
    # One number for each pair (document, token): sorting brings a token's repetitions together.
    offsets = np.arange(lengths.size, dtype=np.int64) * n_distinct
    pairs = np.sort(np.repeat(offsets, lengths) + codes)
    return pairs[np.append(True, pairs[1:] != pairs[:-1])[: pairs.size]] % max(n_distinct, 1)


def add_tallies(known: Tally, new: Tally) -> Tally:
    """Add up what two chunks of one corpus say."""
    position = {token: i for i, token in enumerate(known.tokens)}
    places = np.array([position.setdefault(t, len(position)) for t in new.tokens], dtype=np.intp)
    counts, document_counts = np.zeros((2, len(position)), dtype=np.int64)
    counts[: known.counts.size] = known.counts
    counts[places] += new.counts
    document_counts[: known.counts.size] = known.document_counts
    document_counts[places] += new.document_counts
    tokens = np.array(list(position), dtype=object)
    return Tally(tokens, counts, document_counts, known.n_documents + new.n_documents)


def grow(
    corpus: Corpus,
    before: Mapping[str, Any],
    min_df: float,
    max_df: float,
    limit: int | None,
    go_on: bool,
) -> dict[str, Any]:
    """Learn a vocabulary, from a corpus and from the fitted attributes `before` it, if any.

    Gives the fitted attributes of a vocabulary and, to go on from them, ``_tally``: the tokens
    outside it (none unless `go_on`), their counts, in how many documents each token inside and
    outside it occurs, and the number of documents. It is a ValueError if `min_df` and `max_df`
    leave no token, unless `go_on`.
    """
    seen, n_forgotten = tally(corpus), 0
    if "_tally" in before:
        others, other_counts, document_counts, n_documents = before["_tally"]
        tokens = np.append(before["tokens_"][N_RESERVED:], others)
        counts = np.append(before["token_counts_"][N_RESERVED:], other_counts)
        seen = add_tallies(Tally(tokens, counts, document_counts, n_documents), seen)
        n_forgotten = before["token_counts_"][OOV_ID] - other_counts.sum()
    low, high = (_documents(df, seen.n_documents) for df in (min_df, max_df))
    kept = rank(seen, low, high, limit)
    if not go_on and not kept.size:
        fewer = f"max_df={max_df} corresponds to fewer documents than min_df={min_df}"
        raise ValueError(
            f"{fewer if high < low else f'No tokens remain with {min_df=} and {max_df=}'}, in "
            f"{seen.n_documents} documents; lower min_df or raise max_df."
        )
    rest = np.delete(np.arange(seen.counts.size), kept)
    n_unknown = n_forgotten + seen.counts[rest].sum()
    others = rest if go_on else rest[:0]
    document_counts = seen.document_counts[np.append(kept, others)]
    learned = _fitted_attributes(
        np.append(np.array(RESERVED, dtype=object), seen.tokens[kept]),
        np.append([0, n_unknown], seen.counts[kept]),
    )
    left = (seen.tokens[others], seen.counts[others], document_counts, seen.n_documents)
    return {**learned, "_tally": left}


def _documents(df: float, n_documents: int) -> float:
    """Return a `min_df` or `max_df` parameter as a number of documents."""
    return df if isinstance(df, Integral) else df * n_documents


def rank(seen: Tally, low: float, high: float, limit: int | None) -> NDArray[np.intp]:
    """Give the positions in `seen` of the tokens of a vocabulary, in the order of their ids.

    They are the tokens of `low` to `high` documents by falling count, then by alphabet, and of
    these the first `limit`.
    """
    eligible = np.flatnonzero((seen.document_counts >= low) & (seen.document_counts <= high))
    if limit is not None and eligible.size > limit:
        # All that is as frequent as the last one to be taken: the alphabet decides among few.
        counts = seen.counts[eligible]
        eligible = eligible[counts >= np.partition(counts, -limit)[-limit]]
    names = seen.tokens[eligible].tolist()
    alphabetical = eligible[sorted(range(len(names)), key=names.__getitem__)]
    return alphabetical[np.argsort(-seen.counts[alphabetical], kind="stable")][:limit]


def count_fixed(corpus: Corpus, vocabulary: Any, before: Mapping[str, Any]) -> dict[str, Any]:
    """Count the ids of a fixed vocabulary, also in the corpora `before`; give as `grow` does."""
    tokens = fixed_tokens(vocabulary)
    if before and not np.array_equal(before.get("tokens_", []), tokens):
        raise ValueError(_OTHER_VOCABULARY)
    counts = np.bincount(look_up(corpus, invert(tokens)), minlength=tokens.size)
    return _fitted_attributes(tokens, counts + before.get("token_counts_", 0))


def extend(
    vocabulary: NDArray[np.object_],
    corpus: Corpus,
    before: Mapping[str, Any],
    min_df: float,
    max_df: float,
    limit: int | None,
) -> dict[str, Any]:
    """Give the tokens of a vocabulary the first ids, and learn others of a corpus behind them.

    `limit` is how many others there may be, those from the corpora `before` included, whose ids
    stay. Gives the fitted attributes of a vocabulary.
    """
    tokens = np.append(np.array(RESERVED, dtype=object), vocabulary)
    n_learned = 0
    if before:
        earlier = before.get("tokens_", tokens[:0])
        if not np.array_equal(earlier[: tokens.size], tokens):
            raise ValueError(_OTHER_VOCABULARY)
        n_learned, tokens = earlier.size - tokens.size, earlier
    known, seen = invert(tokens), tally(corpus)
    is_new = np.array([token not in known for token in corpus.tokens], dtype=bool)
    new = Tally(
        seen.tokens[is_new], seen.counts[is_new], seen.document_counts[is_new], seen.n_documents
    )
    low, high = (_documents(df, new.n_documents) for df in (min_df, max_df))
    kept = rank(new, low, high, None if limit is None else max(limit - n_learned, 0))
    tokens = np.append(tokens, new.tokens[kept])
    counts = np.bincount(look_up(corpus, invert(tokens)), minlength=tokens.size)
    counts[: counts.size - kept.size] += before.get("token_counts_", 0)
    return _fitted_attributes(tokens, counts)


def _fitted_attributes(tokens: NDArray[np.object_], counts: NDArray[np.int64]) -> dict[str, Any]:
    return {
        "vocabulary_": invert(tokens),
        "tokens_": tokens,
        "token_counts_": counts,
        "n_tokens_": tokens.size,
    }


def fixed_tokens(vocabulary: Any) -> NDArray[np.object_]:
    """Read a `vocabulary` parameter as an array whose index is the id of each token.

    Unused ids get "". `vocabulary` is a sequence of tokens, the first of which gets id 2, or a
    mapping from tokens to ids. A set, one value, or an entry of a wrong type is a TypeError; no
    token, or an empty, reserved or repeated one, is a ValueError.
    """
    if isinstance(vocabulary, (str, bytes, Set)):
        raise TypeError(
            f"vocabulary is a {type(vocabulary).__name__}, which does not say which token has "
            "which id; pass a list of tokens, sorted(vocabulary) for a set."
        )
    if getattr(vocabulary, "ndim", 1) == 0:
        raise TypeError(f"vocabulary is one value, {vocabulary!r:.60}; pass a list of tokens.")
    is_mapping = isinstance(vocabulary, Mapping)
    pairs = (
        vocabulary.items() if is_mapping else ((t, i) for i, t in enumerate(vocabulary, N_RESERVED))
    )
    owners: dict[int, str] = {}
    seen: set[str] = set()
    for token, id_ in pairs:
        if not isinstance(token, str) or not isinstance(id_, Integral) or isinstance(id_, bool):
            raise TypeError(
                f"vocabulary holds {token!r:.60} with id {id_!r:.60}; "
                "a token must be a str and an id an int."
            )
        if not token or token in seen:
            raise ValueError(
                f"vocabulary holds {token!r:.60} {'twice' if token else 'as a token'}; "
                "leave out empty and repeated tokens."
            )
        if id_ < N_RESERVED or id_ in owners:
            owner = "reserved" if id_ < N_RESERVED else f"also the id of {owners[int(id_)]!r:.60}"
            raise ValueError(
                f"vocabulary gives {token!r:.60} the id {id_}, which is {owner}; "
                f"ids must be distinct and at least {N_RESERVED}."
            )
        seen.add(token)
        owners[int(id_)] = str(token)
    if not owners:
        raise ValueError("vocabulary is empty; pass at least one token, or None to learn it.")
    largest = max(owners)
    if largest - N_RESERVED - len(owners) > _MOST_UNUSED:
        raise ValueError(
            f"vocabulary gives {owners[largest]!r:.60} the id {largest}, and has {len(owners)} "
            f"tokens; number them with smaller gaps, of {_MOST_UNUSED} ids in all."
        )
    tokens = np.full(largest + 1, "", dtype=object)
    tokens[:N_RESERVED] = RESERVED
    tokens[list(owners)] = list(owners.values())
    return tokens


def invert(tokens: NDArray[np.object_]) -> dict[str, int]:
    """Map each token to its id, given the tokens by id; unused and reserved ids are left out."""
    return {
        token: id_ for id_, token in enumerate(tokens[N_RESERVED:].tolist(), N_RESERVED) if token
    }


def look_up(corpus: Corpus, vocabulary: Mapping[str, int]) -> NDArray[np.int32]:
    """Give the id of every token of a corpus, from a vocabulary."""
    ids = map(vocabulary.get, corpus.tokens, repeat(OOV_ID))
    return np.fromiter(ids, dtype=np.int32, count=len(corpus.tokens))[corpus.codes]


def hash_size(max_tokens: int | None, vocabulary: Any) -> int:
    """Return the size of the id space of the hashing trick.

    Raises
    ------
    ValueError
        If there is none, or there is a vocabulary.
    """
    if max_tokens is None or max_tokens > _LARGEST_SIZE or vocabulary is not None:
        raise ValueError(
            f"indexing='hash' needs max_tokens, the size of the id space, of at most "
            f"{_LARGEST_SIZE}, and no vocabulary; got max_tokens={max_tokens} and "
            f"vocabulary={vocabulary!r:.60}."
        )
    return max_tokens


def hash_ids(corpus: Corpus, n_tokens: int) -> NDArray[np.int32]:
    """Give the id of every token of a corpus, from 2 to ``n_tokens - 1``, from its hash alone."""
    # Characters like "\ud800" have no UTF-8 form; surrogatepass hashes them all the same.
    encoded = (token.encode("utf-8", "surrogatepass") for token in corpus.tokens)
    ids = [
        N_RESERVED + murmurhash3_32(key, positive=True) % (n_tokens - N_RESERVED) for key in encoded
    ]
    return np.array(ids, dtype=np.int32)[corpus.codes]
