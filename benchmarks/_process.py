"""Worker processes that run in turns: one process per system, only one active at a time.

Each system therefore has its own Keras backend, thread pools and caches, and a temporary slowdown
of the machine affects all systems equally.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from multiprocessing import get_context
from time import perf_counter
from typing import Any


class Lost(Exception):
    """A process that failed or exceeded its time limit, and was terminated."""


class Worker:
    """An object in a separate process, whose methods are called and timed there.

    Parameters
    ----------
    kind : str
        Class of the object as "module:name". It is imported in the process at the first call, so
        the import counts towards the time of that call.
    environment : mapping of str to str
        Environment variables of the process.
    *args
        Arguments of the class.
    has_children : bool, default=False
        Whether the object starts and terminates other processes.

    Attributes
    ----------
    pid : int
        Process id.
    """

    def __init__(
        self,
        kind: str,
        environment: Mapping[str, str] | None = None,
        *args: Any,
        has_children: bool = False,
    ) -> None:
        # Thread pools of the parent do not survive a fork.
        context = get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve,
            args=(theirs, kind, dict(environment or {}), args),
            daemon=not has_children,
        )
        self._process.start()
        self.pid = self._process.pid
        theirs.close()

    def call(self, method: str, *args: Any, limit: float | None = None) -> tuple[float, Any]:
        """Call a method; return its time in seconds, measured in the process, and its result."""
        try:
            self._connection.send((method, args))
            if not self._connection.poll(limit):
                self.stop()
                raise Lost(f"took more than {limit:,.0f} s")
            succeeded, answer = self._connection.recv()
        except (EOFError, BrokenPipeError, ConnectionResetError):
            self.stop()
            raise Lost(f"process ended with code {self._process.exitcode}") from None
        if not succeeded:
            self.stop()
            print(answer, file=sys.stderr)
            raise Lost(answer.strip().splitlines()[-1])
        return answer

    def stop(self) -> None:
        """Terminate the process."""
        self._process.kill()
        self._process.join()


def run_afresh(
    kind: str,
    method: str,
    *args: Any,
    environment: Mapping[str, str] | None = None,
    limit: float | None = None,
) -> tuple[float, Any]:
    """Call a method in a new process; return its result and the seconds since process start."""
    start = perf_counter()
    worker = Worker(kind, environment)
    try:
        _, result = worker.call(method, *args, limit=limit)
        return perf_counter() - start, result
    finally:
        worker.stop()


class Turns:
    """Systems that run one after the other, in rounds; failed systems are reported and excluded.

    Attributes
    ----------
    workers : dict of str to Worker
        The remaining systems.
    """

    def __init__(self, workers: Mapping[str, Worker]) -> None:
        self.workers = dict(workers)

    def each(
        self, method: str, *args: Any, limit: float | None = None
    ) -> dict[str, tuple[float, Any]]:
        """Call a method on each system; return seconds and result of each."""
        answers = {}
        for name, worker in list(self.workers.items()):
            with self._leaving_out_if_lost(name):
                answers[name] = worker.call(method, *args, limit=limit)
        return answers

    def rounds(
        self, repeats: int, method: str, *args: Any, limit: float | None = None
    ) -> dict[str, list[float]]:
        """Repeat `each`; return the seconds of the systems that completed all rounds."""
        seconds: dict[str, list[float]] = {name: [] for name in self.workers}
        for _ in range(repeats):
            for name, (taken, _) in self.each(method, *args, limit=limit).items():
                seconds[name].append(taken)
        return {name: seconds[name] for name in self.workers}

    def stop(self) -> None:
        """Terminate all processes."""
        for worker in self.workers.values():
            worker.stop()

    @contextmanager
    def _leaving_out_if_lost(self, name: str) -> Iterator[None]:
        try:
            yield
        except Lost as reason:
            print(f"{name}: left out, {reason}", flush=True)
            del self.workers[name]


def _serve(connection: Any, kind: str, environment: dict[str, str], made_with: tuple) -> None:
    os.environ.update(environment)
    # TensorFlow prints messages there at any log level. Errors are sent to the parent.
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), sys.stderr.fileno())
    target = None
    while True:
        try:
            method, args = connection.recv()
        except (EOFError, KeyboardInterrupt):
            return
        try:
            start = perf_counter()
            if target is None:
                module, _, name = kind.partition(":")
                target = getattr(import_module(module), name)(*made_with)
            result = getattr(target, method)(*args)
            answer = True, (perf_counter() - start, result)
        except Exception:
            answer = False, traceback.format_exc()
        connection.send(answer)
