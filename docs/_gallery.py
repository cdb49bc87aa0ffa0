"""Order of the examples in the gallery, whose page is examples/index.rst."""

import re
from pathlib import Path

EXAMPLES = Path(__file__).parents[1] / "examples"
ORDER = re.findall(r"/(plot_\w+\.py)$", (EXAMPLES / "index.rst").read_text("utf-8"), re.MULTILINE)


def place(path: str) -> int:
    """Return the position of an example in the gallery."""
    name = Path(path).name
    if name not in ORDER:
        raise ValueError(f"{name} has no place in the gallery; add it to examples/index.rst")
    return ORDER.index(name)
