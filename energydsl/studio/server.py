"""The local server: who may ask, and what is answered. It listens on the loopback interface alone.

Every path begins with a random token; a request without it, with another Host (DNS rebinding) or from a page of another Origin is
refused. Nothing is computed in the thread that answers, and there is no websocket.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from importlib import resources
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route

from energydsl import limits
from energydsl.diagnostics import EnergyError
from energydsl.editor.lexer import coloured
from energydsl.studio.file import ModelFile
from energydsl.studio.worker import Stale, Worker

HOST = "127.0.0.1"
# Of a request; the text of a model has far less.
_MOST_BYTES = 4 << 20
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
# Where a path leads: the room, the file and its kind.
_ASSETS = {
    "/": ("energydsl.studio", "studio.html", "text/html"),
    "/studio.js": ("energydsl.studio", "studio.js", "text/javascript"),
    "/studio.css": ("energydsl.studio", "studio.css", "text/css"),
    "/page.css": ("energydsl.report", "page.css", "text/css"),
}
Answer = Callable[..., Awaitable[Any]]
Endpoint = Callable[[Request], Awaitable[Response]]


def application(file: ModelFile, token: str) -> Starlette:
    """The page of a file, for those who know the token. Its processes end with the application."""
    reader, sampler = Worker(file.origin), Worker(file.origin)

    async def analyse(text: str) -> Any:
        return await reader.newest_of("analyse", limits.ANALYSED_SECONDS, {"text": text})

    async def begin(text: str, number: int, seed: int, keep: bool) -> Any:
        given = {"text": text, "number": number, "seed": seed, "keep": keep}
        return await sampler.newest_of("begin", limits.SAMPLER_SECONDS, given)

    async def picture(number: int, sweeps: int, layer: str, means: bool, settings: dict[str, Any]) -> Any:
        given = {"number": number, "sweeps": sweeps, "layer": layer, "means": means, "settings": settings}
        return await sampler.ask("picture", limits.SAMPLER_SECONDS, given)

    async def now() -> Any:
        return await asyncio.to_thread(file.now)

    async def save(text: str, digest: str) -> Any:
        return await asyncio.to_thread(file.save, text, digest)

    async def colours(text: str) -> Any:
        return await asyncio.to_thread(coloured, text)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        reader.end()
        sampler.end()

    answers: dict[str, Answer] = {
        "file": now,
        "save": save,
        "colours": colours,
        "analyse": analyse,
        "begin": begin,
        "picture": picture,
    }
    routes = [Route(path, _asset(*named)) for path, named in _ASSETS.items()]
    routes += [Route(f"/{name}", _answering(function), methods=["POST"]) for name, function in answers.items()]
    hosts = Middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"], www_redirect=False)
    guard = Middleware(BaseHTTPMiddleware, dispatch=_guard(token))
    return Starlette(routes=[Mount(f"/{token}", routes=routes)], middleware=[hosts, guard], lifespan=lifespan)


def _asset(room: str, name: str, kind: str) -> Endpoint:
    async def asset(request: Request) -> Response:
        return Response(resources.files(room).joinpath(name).read_bytes(), media_type=kind)

    return asset


def _answering(function: Answer) -> Endpoint:
    """A question as one JSON object, whose members are arguments; what is refused is an answer too, with `error`."""

    async def answer(request: Request) -> Response:
        try:
            asked = function(**await _body(request))
        except TypeError:
            raise HTTPException(400, "these are not the arguments of this question") from None
        try:
            return JSONResponse(await asked)
        except EnergyError as error:
            return JSONResponse({"error": str(error)})
        except Stale:
            return JSONResponse({"stale": True})

    return answer


async def _body(request: Request) -> dict[str, Any]:
    if request.headers.get("content-type") != "application/json":
        raise HTTPException(415, "questions are JSON")
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > _MOST_BYTES:
            raise HTTPException(413, "this is too much for one question")
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise HTTPException(400, "a question is one JSON object")
    return found


def _guard(token: str) -> Callable[[Request, RequestResponseEndpoint], Awaitable[Response]]:
    """Refuses what does not come from the page itself; tells the browser to load nothing from elsewhere."""

    async def dispatch(request: Request, call_next: RequestResponseEndpoint) -> Response:
        given = request.url.path.lstrip("/").partition("/")[0].encode()
        own = f"http://{request.headers.get('host')}"
        if not secrets.compare_digest(given, token.encode()):
            return PlainTextResponse("the address has no token, or an old one", 403)
        if request.headers.get("origin", own) != own:
            return PlainTextResponse("this is for the page of the studio alone", 403)
        response = await call_next(request)
        response.headers.update(_HEADERS)
        return response

    return dispatch


def serve(file: ModelFile, port: int, ready: Callable[[str], None]) -> None:
    """Serve until Ctrl-C. port: 0 for a free one; ready: told the address. Raises `EnergyError` where the port is taken."""
    token = secrets.token_urlsafe(24)
    with socket.socket() as bound:
        try:
            bound.bind((HOST, port))
        except OSError as error:
            raise EnergyError(f"cannot listen on port {port}: {error.strerror}") from None
        bound.listen()
        ready(f"http://{HOST}:{bound.getsockname()[1]}/{token}/")
        config = uvicorn.Config(
            application(file, token),
            log_level="error",
            ws="none",
            access_log=False,
            proxy_headers=False,
            timeout_graceful_shutdown=1,
        )
        with suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[bound])
