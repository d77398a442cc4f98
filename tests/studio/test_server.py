"""The server, asked over the loopback interface: who is refused, what is answered, and the file."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import energydsl as ed
from energydsl.cli.main import cli
from energydsl.diagnostics import EnergyError
from energydsl.model.resolve import Overrides

pytest.importorskip("starlette")
uvicorn = pytest.importorskip("uvicorn")

from energydsl.studio.file import ModelFile  # noqa: E402
from energydsl.studio.server import application  # noqa: E402
from energydsl.studio.worker import Origin, Stale, Worker  # noqa: E402

TOKEN = "a-token"
ISING = (
    "const B = 0\nvisible s[4, 4] : spin\nenergy bonds = - sum[i, j] s[i, j]*s[(i + 1) % 4, j]\n"
    "energy field = - B * sum(s)\n"
)


def origin(file: Path) -> Origin:
    return Origin(str(file), Overrides({}, {}, {}, file.parent), {}, "numpy")


@dataclass(frozen=True)
class Served:
    file: Path
    port: int

    def request(self, path: str, given: Any = None, **headers: str) -> tuple[int, bytes, dict[str, str]]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        body = given if isinstance(given, bytes) or given is None else json.dumps(given).encode()
        sent = {"Host": f"127.0.0.1:{self.port}", "Content-Type": "application/json"} | headers
        connection.request("GET" if body is None else "POST", path, body, sent)
        answer = connection.getresponse()
        found = answer.status, answer.read(), {k.lower(): v for k, v in answer.headers.items()}
        connection.close()
        return found

    def ask(self, name: str, **given: Any) -> Any:
        status, body, _ = self.request(f"/{TOKEN}/{name}", given)
        assert status == 200, body
        return json.loads(body)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    file = tmp_path_factory.mktemp("studio") / "m.energy"
    file.write_text(ISING)
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        server = uvicorn.Server(
            uvicorn.Config(application(ModelFile(file, origin(file)), TOKEN), log_level="error", ws="none")
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield Served(file, bound.getsockname()[1])
        server.should_exit = True
        thread.join()


@pytest.mark.parametrize("path", ["/", "/studio.js", "/other/", f"/{TOKEN}x/", f"/x{TOKEN}/analyse", "//", "/%00/"])
def test_a_request_without_the_token_is_refused(served: Served, path: str) -> None:
    assert served.request(path)[0] == 403
    assert served.request(path, {"text": ""})[0] == 403


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", ""])
def test_another_host_is_refused(served: Served, host: str) -> None:
    assert served.request(f"/{TOKEN}/", Host=host)[0] in (400, 403)
    assert served.request(f"/{TOKEN}/file", {}, Host=host)[0] in (400, 403)


@pytest.mark.parametrize("source", ["http://evil.example", "null", "http://127.0.0.1:1", "https://127.0.0.1"])
def test_a_page_from_elsewhere_is_refused(served: Served, source: str) -> None:
    assert served.request(f"/{TOKEN}/file", {}, Origin=source)[0] == 403


def test_there_is_no_websocket(served: Served) -> None:
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "eA==",
    }
    assert served.request(f"/{TOKEN}/file", **upgrade)[0] != 101


def test_the_page_loads_nothing_from_elsewhere(served: Served) -> None:
    own = f"http://127.0.0.1:{served.port}"
    for name in ("", "studio.js", "studio.css", "page.css"):
        status, body, headers = served.request(f"/{TOKEN}/{name}", Origin=own)
        assert status == 200
        assert b"http://" not in body.replace(b"http://www.w3.org", b"")
        assert b"https://" not in body
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-content-type-options"] == "nosniff"
    assert served.request(f"/{TOKEN}/analyse")[0] == 405
    assert served.request(f"/{TOKEN}/../server.py")[0] in (403, 404)


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{}", {"Content-Type": "text/plain"}, 415),
        (b"[1]", {}, 400),
        (b"{", {}, 400),
        (b'{"other": 1}', {}, 400),
        (b'{"text": "' + b"x" * (5 << 20) + b'"}', {}, 413),
    ],
)
def test_what_is_no_question_is_refused(served: Served, body: bytes, headers: dict[str, str], status: int) -> None:
    assert served.request(f"/{TOKEN}/colours", body, **headers)[0] == status


def test_a_text_is_analysed_and_coloured(served: Served) -> None:
    assert served.ask("file")["text"] == ISING
    assert served.ask("colours", text="visible v")[0] == ["kd", "visible"]
    found = served.ask("analyse", text=ISING)
    assert found["ok"]
    assert [s["name"] for s in found["consts"]] == ["B"]
    assert [d["code"] for d in served.ask("analyse", text="visible v[2] : bin")["diagnostics"]] == ["E0212"]


def test_chains_run_and_are_known_by_their_number(served: Served) -> None:
    asked: dict[str, Any] = {"number": 7, "sweeps": 50, "layer": "s", "means": False}
    settings: dict[str, Any] = {"beta": 1.0, "consts": {"B": 3.0}, "weights": {"bonds": 1.0, "field": 1.0}}
    assert served.ask("begin", text=ISING, number=7, seed=0, keep=True)["backend"] == "numpy"
    up = served.ask("picture", **asked, settings=settings)
    down = served.ask("picture", **asked, settings=settings | {"consts": {"B": -3.0}})
    assert (up["sweeps"], down["sweeps"]) == (50, 100)
    assert up["levels"] != down["levels"]
    assert "no const" in served.ask("picture", **asked, settings={"consts": {"C": 1.0}})["error"]
    assert served.ask("picture", **asked | {"number": 8}, settings=settings) == {"gone": True}
    assert "E0212" in served.ask("begin", text="visible v[2] : bin", number=9, seed=0, keep=True)["error"]


def test_the_file_is_saved_and_never_over_what_another_program_wrote(served: Served) -> None:
    begun = served.ask("file")
    mine = ISING + "# mine\n"
    saved = served.ask("save", text=mine, digest=begun["digest"])
    assert (saved["changed"], served.file.read_text()) == (False, mine)
    served.file.write_text(ISING + "# theirs\n")
    refused = served.ask("save", text=ISING, digest=saved["digest"])
    assert refused["changed"]
    assert refused["text"] == served.file.read_text() == ISING + "# theirs\n"
    assert not served.ask("save", text=ISING, digest=refused["digest"])["changed"]
    assert served.file.read_text() == ISING
    assert [p.name for p in served.file.parent.iterdir()] == ["m.energy"]


# --- the file, and the processes


def test_lines_end_and_modes_stay_as_they_were(tmp_path: Path) -> None:
    target, link = tmp_path / "m.energy", tmp_path / "link.energy"
    target.write_bytes(b"visible v[2] : binary\r\nenergy = - sum(v)\r\n")
    target.chmod(0o640)
    link.symlink_to(target)
    file = ModelFile(link, origin(link))
    found = file.now()
    assert "\r" not in found["text"]
    file.save(found["text"] + "# more\n", found["digest"])
    assert target.read_bytes().endswith(b"sum(v)\r\n# more\r\n")
    assert target.stat().st_mode & 0o777 == 0o640
    assert link.is_symlink()
    with pytest.raises(EnergyError, match="of a run"):
        ModelFile(link, origin(link), "the text is of a run").save("", found["digest"])
    with pytest.raises(EnergyError, match="a folder"):
        ModelFile(tmp_path, origin(tmp_path)).now()


def test_what_takes_too_long_is_given_up_for_what_is_newer(tmp_path: Path) -> None:
    """So is a process that has ended; the next question is answered by a new one."""

    async def asked() -> None:
        worker = Worker(origin(tmp_path / "m.energy"))
        try:
            slow = {"text": ISING, "number": 1, "seed": 0, "keep": False}
            assert "longer than 0 seconds" in (await worker.ask("begin", 0.0, slow))["error"]
            given = {"text": "visible v[2] : binary\nenergy = - sum(v)\n"}
            assert (await worker.ask("analyse", 60.0, given))["ok"]
            older = [asyncio.create_task(worker.newest_of("analyse", 60.0, given)) for _ in range(3)]
            *stale, newest = await asyncio.gather(*older, return_exceptions=True)
            assert isinstance(stale[1], Stale)
            assert not isinstance(newest, BaseException)
            assert newest["ok"]
            worker.process.kill()
            worker.process.join()
            assert (await worker.ask("analyse", 60.0, given))["ok"]
            assert "internal error" in (await worker.ask("analyse", 60.0, {"text": 3}))["error"]
        finally:
            worker.end()

    asyncio.run(asked())


def test_files_that_cannot_be_served_are_told(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["studio", str(tmp_path / "no.energy"), "--no-browser"])
    assert (result.exit_code, "cannot read" in result.stderr) == (1, True)
    result = CliRunner().invoke(cli, ["studio", str(tmp_path), "--no-browser"])
    assert result.exit_code == 1
    assert "Traceback" not in result.output
    (tmp_path / "m.energy").write_text(ISING)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        result = CliRunner().invoke(cli, ["studio", str(tmp_path / "m.energy"), "--no-browser", "--port", port])
    assert (result.exit_code, f"port {port}" in result.stderr) == (1, True)


def test_without_a_web_server_one_is_told_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "m.energy").write_text(ISING)
    monkeypatch.delitem(sys.modules, "energydsl.studio.server")
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    result = CliRunner().invoke(cli, ["studio", str(tmp_path / "m.energy"), "--no-browser"])
    assert (result.exit_code, 'pip install "energydsl[studio]"' in result.stderr) == (1, True)


def test_a_run_has_its_parameters_and_its_text_is_not_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "visible v[4] : binary\nhidden h[2] : binary\nparam W[4, 2] = normal(sd = 0.1), b[4]\nenergy = - b @ v - v @ W @ h\n"
    run = ed.train(ed.loads(text).compile("numpy"), "bars-and-stripes:2", epochs=1, out=tmp_path / "run")
    (tmp_path / "m.energy").write_text(text)
    served: list[ModelFile] = []

    def serve(file: ModelFile, port: int, ready: Any) -> None:
        ready("http://127.0.0.1:1/x/")
        served.append(file)

    monkeypatch.setattr("energydsl.studio.server.serve", serve)
    for words in ([tmp_path / "run"], [tmp_path / "m.energy", "--params", tmp_path / "run"], [tmp_path / "m.energy"]):
        result = CliRunner().invoke(cli, ["studio", *map(str, words), "--no-browser"])
        assert "http://127.0.0.1:1/x/" in result.output, result.output
    of_run, with_params, plain = served
    assert (bool(of_run.locked), with_params.locked, plain.origin.trained) == (True, "", {})
    assert of_run.now()["text"] == text
    for file in (of_run, with_params):
        assert {n: a.tolist() for n, a in file.origin.trained.items()} == {n: a.tolist() for n, a in run.params.items()}
    result = CliRunner().invoke(cli, ["studio", str(tmp_path / "run"), "--no-browser", "-D", "I=3"])
    assert result.exit_code == 2
