"""Link the diagrams that notebooks show of an estimator to its page in the documentation."""

from __future__ import annotations

import os
from functools import cache
from importlib.metadata import PackageNotFoundError, metadata
from typing import ClassVar

#: Environment variable with the address of the documentation, also of a copy of one's own.
VARIABLE = "SKLSTM_DOCS_URL"


def documentation_address() -> str:
    """Return where the documentation is, or "" if that is not known.

    The environment variable ``SKLSTM_DOCS_URL`` says it, or else the address named "Documentation"
    in ``[project.urls]`` of the installed package.
    """
    return os.environ.get(VARIABLE, _published()).rstrip("/")


@cache
def _published() -> str:
    try:
        addresses = metadata("sklstm").get_all("Project-URL") or []
    except PackageNotFoundError:  # Run from a folder, without being installed.
        return ""
    by_name = dict(entry.split(", ", 1) for entry in addresses)
    return by_name.get("Documentation", "")


class DocLinkMixin:
    """Lets scikit-learn's diagram link to our page of an estimator, and to each parameter on it.

    Where there is no address to link to, the diagram has no link.
    """

    _doc_link_module: ClassVar[str] = "sklstm"

    @property
    def _doc_link_template(self) -> str:
        address = documentation_address()
        return (
            f"{address}/generated/{{estimator_module}}.{{estimator_name}}.html" if address else ""
        )

    def _doc_link_url_param_generator(self) -> dict[str, str]:
        # Pages are named by where everything can be imported from.
        return {"estimator_module": "sklstm", "estimator_name": type(self).__name__}
