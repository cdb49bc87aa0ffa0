"""A web service for `serve.py`: takes a JSON list of texts, and returns a JSON list of labels.

The environment variable SYSTEM chooses the model, and MODELS is the directory of the models.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import joblib


def load(system: str, folder: Path) -> Callable[[list[str]], list[Any]]:
    """Return a function from texts to labels."""
    if system != "onnxruntime":
        model = joblib.load(folder / f"{system}.joblib")
        return lambda texts: model.predict(texts).tolist()
    import onnxruntime

    sequencer = joblib.load(folder / "sklstm.joblib")[0]
    providers = ["CPUExecutionProvider"]
    session = onnxruntime.InferenceSession(folder / "sklstm.onnx", providers=providers)

    def predict(texts: list[str]) -> list[Any]:
        (labels,) = session.run(["label"], {"ids": sequencer.transform(texts)})
        return labels.tolist()

    return predict


predict = load(os.environ["SYSTEM"], Path(os.environ["MODELS"]))
predict(["warm up"])
_threads = ThreadPoolExecutor(4)


def answer(body: bytes) -> bytes:
    return json.dumps(predict(json.loads(body))).encode()


def wsgi(environ: dict[str, Any], start_response: Callable[..., object]) -> list[bytes]:
    """Answer a request of gunicorn."""
    content = answer(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(content)))]
    start_response("200 OK", headers)
    return [content]


async def asgi(scope: dict[str, Any], receive: Callable[..., Any], send: Any) -> None:
    """Answer a request of uvicorn in a thread, as frameworks do."""
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    content = await asyncio.get_running_loop().run_in_executor(_threads, answer, body)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(content))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": content})
