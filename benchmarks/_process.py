"""Processes that take turns: each system has one of its own, and only one works at a time.

So each has its own Keras backend, thread pools and caches, and a machine that is slower for a while
is slower for all of them.
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
    """A process that failed, or ran past its time limit, and was ended."""


class Worker:
    """An object in a process of its own, whose methods are called and timed there.

    Parameters
    ----------
    kind : str
        Class of the object as "module:name". It is imported in the process, at the first call: what
        the import takes belongs to that call's time.
    environment : mapping of str to str
        Environment variables of the process.
    *args
        What the object is made with.
    has_children : bool, default=False
        Whether it may start processes of its own, and ends them itself.

    Attributes
    ----------
    pid : int
        Number of the process.
    """

    def __init__(
        self,
        kind: str,
        environment: Mapping[str, str] | None = None,
        *args: Any,
        has_children: bool = False,
    ) -> None:
        # A forked process would share the parent's thread pools, which do not survive a fork.
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
        """Call a method; return the seconds that it took in the process, and its result."""
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
        """End the process."""
        self._process.kill()
        self._process.join()


def run_afresh(
    kind: str,
    method: str,
    *args: Any,
    environment: Mapping[str, str] | None = None,
    limit: float | None = None,
) -> tuple[float, Any]:
    """Call a method in a new process; return the seconds since the process was started."""
    start = perf_counter()
    worker = Worker(kind, environment)
    try:
        _, result = worker.call(method, *args, limit=limit)
        return perf_counter() - start, result
    finally:
        worker.stop()


class Turns:
    """Systems that work one after the other, in rounds; a lost one is named and left out.

    Attributes
    ----------
    workers : dict of str to Worker
        The systems that are left.
    """

    def __init__(self, workers: Mapping[str, Worker]) -> None:
        self.workers = dict(workers)

    def each(
        self, method: str, *args: Any, limit: float | None = None
    ) -> dict[str, tuple[float, Any]]:
        """Let each system do one thing; return seconds and result of each."""
        answers = {}
        for name, worker in list(self.workers.items()):
            with self._leaving_out_if_lost(name):
                answers[name] = worker.call(method, *args, limit=limit)
        return answers

    def rounds(
        self, repeats: int, method: str, *args: Any, limit: float | None = None
    ) -> dict[str, list[float]]:
        """Repeat `each`; return the seconds of the systems that were there to the end."""
        seconds: dict[str, list[float]] = {name: [] for name in self.workers}
        for _ in range(repeats):
            for name, (taken, _) in self.each(method, *args, limit=limit).items():
                seconds[name].append(taken)
        return {name: seconds[name] for name in self.workers}

    def stop(self) -> None:
        """End all processes."""
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
    # TensorFlow greets there, whatever its log level is. Errors go to the parent.
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
