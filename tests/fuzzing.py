"""Damage a saved model in many ways and report the outcomes; run as a script by a test.

Usage: ``python fuzzing.py MODEL.skops FIRST_SEED N_SEEDS``. Prints a JSON object with the number of
seeds for each kind of damage and each outcome. Runs only on Linux.
"""

from __future__ import annotations

import io
import json
import resource
import sys
import tokenize
import zlib
from collections import Counter
from pathlib import Path
from zipfile import BadZipFile, ZipFile

import numpy as np
import skops.io

TRUSTED = [
    "sklstm.classifier.LSTMTextClassifier",
    "sklstm.sequencer.TextSequencer",
    "sklstm.vectors.WordVectors",
]
TEXTS = ["The bread was fresh", "", "nobody scored in the second half, and the train was late"]
SPARE_BYTES = 2**31
#: What a file that cannot be loaded ends in.
REFUSALS = (
    BadZipFile, zlib.error, EOFError, LookupError, ValueError, TypeError,
    AttributeError, ImportError, MemoryError, OSError, RuntimeError, tokenize.TokenError,
)  # fmt: skip
#: What prediction by a model ends in whose parameters were changed on purpose.
MISFITS = (LookupError, ValueError, TypeError, AttributeError, MemoryError)
#: Audit events of Python that no file may cause.
FORBIDDEN = (
    "os.system", "os.exec", "os.fork", "os.posix_spawn", "os.remove", "os.rename", "os.mkdir",
    "pickle.find_class", "shutil.", "socket.connect", "subprocess.Popen",
)  # fmt: skip
VALUES = [
    None, True, -1, 0, 1, 3, 10**6, 2**31 - 1, 10**12, 2**63, -0.5, 1e308, float("nan"), "", "(",
    "max", "flatten", "hash", "post", "x" * 10_000, "os", "system", "builtins", [], [0], [[1]], {},
    {"a": 1},
]  # fmt: skip


def flipped(data: bytes, rng: np.random.Generator) -> bytes:
    """Change one to three bytes."""
    changed = bytearray(data)
    for place in rng.integers(0, len(data), rng.integers(1, 4)):
        changed[place] ^= rng.integers(1, 256)
    return bytes(changed)


def truncated(data: bytes, rng: np.random.Generator) -> bytes:
    """Keep the first bytes only."""
    return data[: rng.integers(0, len(data))]


def shortened(data: bytes, rng: np.random.Generator) -> bytes:
    """Leave some bytes out."""
    start = rng.integers(0, len(data))
    return data[:start] + data[start + rng.integers(1, 1000) :]


def without_a_file(data: bytes, rng: np.random.Generator) -> bytes:
    """Leave one of the archive's files out."""
    files = unzipped(data)
    del files[rng.choice(sorted(files))]
    return zipped(files)


def other_array(data: bytes, rng: np.random.Generator) -> bytes:
    """Change the bytes of an array, most often its dtype or shape, with a right checksum."""
    files = unzipped(data)
    name = rng.choice(sorted(name for name in files if name.endswith(".npy")))
    array = np.load(io.BytesIO(files[name]))
    kind = rng.integers(3)
    if kind == 0:
        files[name] = flipped(files[name][:128], rng) + files[name][128:]
    elif kind == 1:
        shape = tuple(int(rng.choice([0, 1, 3, 10**6, 2**31, 10**12])) for _ in range(2))
        files[name] = files[name].replace(str(array.shape).encode(), str(shape).encode(), 1)
    else:
        dtype = rng.choice(["<f8", "<i4", "<U3", "|b1", ">f4"])
        changed = np.zeros(rng.permutation(array.shape), dtype)
        files[name] = npy(changed)
    return zipped(files)


def other_schema(data: bytes, rng: np.random.Generator) -> bytes:
    """Change one to three values of the JSON file, with a right checksum."""
    files = unzipped(data)
    schema = json.loads(files["schema.json"])
    for _ in range(rng.integers(1, 4)):
        places = list(places_in(schema))
        container, key = places[rng.integers(len(places))]
        value = VALUES[rng.integers(len(VALUES))]
        kind = rng.integers(4)
        if kind == 0:
            del container[key]
        elif kind == 1:
            other, other_key = places[rng.integers(len(places))]
            container[key] = json.loads(json.dumps(other[other_key]))
        else:
            container[key] = json.dumps(value) if key == "content" else value
    files["schema.json"] = json.dumps(schema).encode()
    return zipped(files)


def other_value(data: bytes, rng: np.random.Generator) -> bytes:
    """Change one parameter or attribute, with a right checksum."""
    files = unzipped(data)
    schema = json.loads(files["schema.json"])
    leaves = [box for box, key in places_in(schema) if key == "content" and "is_json" in box]
    leaves[rng.integers(len(leaves))]["content"] = json.dumps(VALUES[rng.integers(len(VALUES))])
    files["schema.json"] = json.dumps(schema).encode()
    return zipped(files)


DAMAGES = {
    damage.__name__: damage
    for damage in (
        flipped, truncated, shortened, without_a_file, other_array, other_schema, other_value
    )
}  # fmt: skip


def places_in(node):
    """Yield each container within a JSON value with each key that it has."""
    keys = list(node) if isinstance(node, dict) else range(len(node))
    for key in keys:
        yield node, key
        if isinstance(node[key], (dict, list)):
            yield from places_in(node[key])


def unzipped(data: bytes) -> dict[str, bytes]:
    """Return the files of an archive by name."""
    with ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(files: dict[str, bytes]) -> bytes:
    """Return an archive of files by name."""
    buffer = io.BytesIO()
    with ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def npy(array: np.ndarray) -> bytes:
    """Return an array in numpy's file format."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def outcome(data: bytes, n_classes: int, done: list[str]) -> str:
    """Load a model and predict, and say where it ended; `done` is what `watch` gave."""
    done.clear()
    try:
        model = skops.io.loads(data, trusted=TRUSTED)
    except REFUSALS as error:
        return f"ran {done[0]}" if done else f"refused: {type(error).__name__}"
    if done:
        return f"ran {done[0]}"
    try:
        probabilities = model.predict_proba(TEXTS)
    except MISFITS as error:
        return f"misfit: {type(error).__name__}"
    is_right = probabilities.shape == (len(TEXTS), n_classes) and np.isfinite(probabilities).all()
    return "predicted" if is_right else f"wrong: {probabilities!r}"


def watch() -> list[str]:
    """Return a list that will be filled with the forbidden things that are done."""
    done: list[str] = []

    def note(event: str, arguments: tuple) -> None:
        is_write = event == "open" and isinstance(arguments[1], str) and arguments[1].strip("rb")
        if is_write or event.startswith(FORBIDDEN):
            done.append(event)

    sys.addaudithook(note)
    return done


def main(path: str, first: str, n_seeds: str) -> None:
    """Print the outcomes."""
    sys.dont_write_bytecode = True
    data = Path(path).read_bytes()
    n_classes = skops.io.loads(data, trusted=TRUSTED).predict_proba(TEXTS).shape[1]
    # From here on, what asks for absurd memory ends in a MemoryError.
    in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (in_use + SPARE_BYTES,) * 2)
    done = watch()
    seeds = range(int(first), int(first) + int(n_seeds))
    outcomes = {
        kind: Counter(
            outcome(damage(data, np.random.default_rng(s)), n_classes, done) for s in seeds
        )
        for kind, damage in DAMAGES.items()
    }
    print(json.dumps(outcomes))


if __name__ == "__main__":
    main(*sys.argv[1:])
