"""Find tokens of a vocabulary that are similar to tokens outside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

# Two tokens are similar if their common prefix has at least so many characters, and at least this
# percentage of the characters of each of them.
_MIN_CHARACTERS = 4
_MIN_PERCENTAGE = 70
# Longer tokens are not words, and similar to none: the prefixes of a token of n characters take
# memory proportional to the square of n.
_MAX_CHARACTERS = 50


@dataclass(frozen=True)
class SimilarTokens:
    """Finds the token of a vocabulary that is most similar to another token.

    This is the token with the longest common prefix, which often has the same stem; of several, the
    shortest, and then the one with the smallest id.

    Attributes
    ----------
    vocabulary : mapping of str to int
        Id of each token, in the order of the ids.
    """

    vocabulary: Mapping[str, int]

    def __getstate__(self) -> dict[str, object]:
        """Return the state without the index, which is built again when it is used."""
        return {"vocabulary": self.vocabulary}

    def find_id(self, token: str, default: int) -> int:
        """Return the id of the most similar token, or `default` if there is no similar token."""
        prefixes = reversed(_long_prefixes(token))
        return next((self._ids[p] for p in prefixes if p in self._ids), default)

    @cached_property
    def _ids(self) -> dict[str, int]:
        """The id of the best token with each prefix."""
        ids: dict[str, int] = {}
        for token in sorted(self.vocabulary, key=len):
            for prefix in _long_prefixes(token):
                ids.setdefault(prefix, self.vocabulary[token])
        return ids


def _long_prefixes(token: str) -> list[str]:
    """Return the prefixes that similar tokens may have in common, by increasing length."""
    if len(token) > _MAX_CHARACTERS:
        return []
    shortest = max(_MIN_CHARACTERS, -(-_MIN_PERCENTAGE * len(token) // 100))
    return [token[:length] for length in range(shortest, len(token) + 1)]
