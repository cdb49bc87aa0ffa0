"""Size, speed and accuracy of ONNX models with 8-bit weights.

Trains the preset "balanced" on film reviews, with and without GloVe vectors, and exports it with
float32 weights and with quantize="int8". For both files, prints the size, the accuracy on the test
set, and the documents per second of onnxruntime on token ids, with 1 to 64 documents per call. The
files run in turns in one process. "Same label" is the proportion of test documents with the label
of the float32 model.

    python benchmarks/quantization.py                                   # about three minutes
    python benchmarks/quantization.py --sets MR --vectors none --documents 1000
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np
from _common import Report, options_parser, paired_ratio, summarize
from _datasets import glove, load

# Value of `quantize` by the name of the row.
FILES = {"float32": None, "int8": "int8"}
VECTORS = ("none", "GloVe")
# Maximum number of calls and of documents per round.
CALLS, DOCUMENTS = 300, 1_000


def main() -> None:
    parser = options_parser(__doc__, documents=None, repeats=3)
    parser.add_argument("--sets", nargs="+", choices=("MR", "IMDB"), default=["MR", "IMDB"])
    parser.add_argument("--vectors", nargs="+", choices=VECTORS, default=VECTORS)
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=[1, 8, 64], help="documents per call (1 8 64)"
    )
    parser.add_argument("--seeds", type=int, default=1, help="number of splits (1)")
    options = parser.parse_args()
    report = Report(options)
    for name in options.sets:
        for vectors in options.vectors:
            title = f"{name}, {'without vectors' if vectors == 'none' else vectors}"
            report.table(title, measure(name, vectors, options))


def measure(name: str, vectors: str, options: Any) -> list[dict[str, Any]]:
    """Return one row per file."""
    import onnxruntime

    from sklstm import make_text_classifier
    from sklstm.export import to_onnx

    columns: dict[str, dict[str, list[float]]] = {row: {} for row in FILES}
    for seed in range(options.seeds):
        dataset = load(name, None, seed).head(options.documents)
        source = glove() if vectors == "GloVe" else None
        model = make_text_classifier("balanced", vectors=source, random_state=seed)
        model.fit(dataset.train["text"], dataset.train["label"])
        ids = model[0].transform(dataset.test["text"])
        labels, sessions = {}, {}
        with TemporaryDirectory() as folder:
            for row, quantize in FILES.items():
                file, _ = to_onnx(model, Path(folder) / f"{row}.onnx", quantize=quantize)
                columns[row].setdefault("MB", []).append(file.stat().st_size / 1e6)
                sessions[row] = onnxruntime.InferenceSession(
                    str(file), providers=["CPUExecutionProvider"]
                )
        for row, session in sessions.items():
            labels[row] = predict(session, ids, 64)  # Calls of this size limit the memory.
            accuracy = np.mean(labels[row] == dataset.test["label"].to_numpy())
            columns[row].setdefault("accuracy", []).append(float(accuracy))
            same = np.mean(labels[row] == labels["float32"])
            columns[row].setdefault("same label", []).append(float(same))
        for size in options.sizes:
            for _ in range(options.repeats):
                for row, session in sessions.items():
                    speeds = columns[row].setdefault(f"documents/s, calls of {size}", [])
                    speeds.append(documents_per_second(session, ids, size))
    return [{"model": row} | summary(columns[row], columns["float32"]) for row in FILES]


def summary(columns: dict[str, list[float]], reference: dict[str, list[float]]) -> dict[str, str]:
    """Return the cells of a row."""
    cells = {}
    for name, values in columns.items():
        if name == "MB":
            cells[name] = f"{np.mean(values):.1f}"
        elif name.startswith("documents/s"):
            ratio = paired_ratio(values, reference[name])
            cells[name] = f"{np.median(values):,.0f} ({ratio:.2f})"
        else:
            cells[name] = summarize(values)
    return cells


def predict(session: Any, ids: np.ndarray, size: int) -> np.ndarray:
    """Return the labels, with calls of `size` documents."""
    parts = (ids[start : start + size] for start in range(0, len(ids), size))
    return np.concatenate([session.run(["label"], {"ids": part})[0] for part in parts])


def documents_per_second(session: Any, ids: np.ndarray, size: int) -> float:
    """Return the speed of calls of `size` documents."""
    ids = ids[: min(DOCUMENTS, size * CALLS)]
    start = perf_counter()
    predict(session, ids, size)
    return len(ids) / (perf_counter() - start)


if __name__ == "__main__":
    main()
