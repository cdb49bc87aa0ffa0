"""TokenIds: an array of token ids with the token of each id."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray


class TokenIds(np.ndarray):
    """Array of token ids that has the token of each id, like a DataFrame has its column names.

    The classifier can thus use the spelling of the tokens in `fit`. Selected rows and copies have
    the tokens as well; results of computations and ``numpy.asarray(ids)`` are ordinary arrays.

    Attributes
    ----------
    tokens : ndarray of str objects of shape (n_tokens,), or None
        Token of each id.
    """

    tokens: NDArray[np.object_] | None

    @classmethod
    def from_array(cls, ids: NDArray[np.int32], tokens: NDArray[np.object_] | None) -> TokenIds:
        """Return a view of an array of ids, with the token of each id if they are known."""
        view = ids.view(cls)
        view.tokens = tokens
        return view

    def __array_finalize__(self, source: object) -> None:
        self.tokens = getattr(source, "tokens", None)

    def __array_wrap__(
        self, array: NDArray[Any], context: object = None, return_scalar: bool = False
    ) -> Any:
        return array[()] if return_scalar else np.asarray(array)

    def __repr__(self) -> str:
        return repr(np.asarray(self))

    def __reduce__(self) -> tuple[Any, ...]:
        create, arguments, state, *_ = cast("tuple[Any, ...]", super().__reduce__())
        return create, arguments, (*state, self.tokens)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        super().__setstate__(state[:-1])
        self.tokens = state[-1]


def tokens_of(X: object) -> NDArray[np.object_] | None:
    """Return the token of each id, or None if X does not have them."""
    return X.tokens if isinstance(X, TokenIds) else None
