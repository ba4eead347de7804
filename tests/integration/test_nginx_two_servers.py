"""Two servers behind a real nginx, configured as docs/nginx_two_servers.conf is shipped."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote

from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.support.front import TRUSTING, Certificate, free_port
from tests.support.handshakes import noting_server
from tests.support.nginx import Nginx, run_nginx
from tests.support.running_server import RunningServer, scripted_app, serving
from tests.support.speaking import say_all
from tests.support.speech import pcm16, utterances

NAMES = [*(f"meeting-{number}" for number in range(4)), "ประชุม", "ห้อง.๒"]
"""Few: whoever asks for all of them four times in a row stays within the configured burst of 64."""

MODELS = ("scripted", "second")
"""What each server answers with: so a greeting tells which one it is."""


@dataclass(slots=True)
class Pair:
    """Two servers and the nginx before them."""

    nginx: Nginx
    servers: dict[str, RunningServer]

    async def models_of(self, name: str) -> tuple[str, str]:
        """Where the control and the audio port of a session are."""
        query = f"session={quote(name)}"
        async with (
            self.nginx.connect(f"/ws/control?{query}") as control,
            self.nginx.connect(f"/ws/audio?events=all&{query}") as audio,
        ):
            one, other = await control.until("connected"), await audio.until("connected")
            assert one["session_id"] == other["session_id"] == name
            return one["current_model"], other["current_model"]

    async def where(self) -> dict[str, str]:
        """The server of each session; both of its ports must be there."""
        found = {}
        for name in NAMES:
            control, audio = await self.models_of(name)
            assert control == audio, name
            found[name] = control
        return found


@asynccontextmanager
async def pair_behind_nginx(folder: Path) -> AsyncIterator[Pair]:
    ports = {number: free_port() for number in (8771, 8772)}
    servers = {}
    async with AsyncExitStack() as stack:
        for model, (control, audio) in zip(MODELS, ((8765, 8766), (8775, 8776)), strict=True):
            app = scripted_app(folder, changes={"model": model, **TRUSTING})
            server = await stack.enter_async_context(serving(app))
            ports |= {control: app.ports.control, audio: app.ports.audio}
            servers[model] = server
        certificate = Certificate.make(folder)
        nginx = await stack.enter_async_context(
            run_nginx(folder / "nginx", certificate, ports, "nginx_two_servers.conf")
        )
        yield Pair(nginx, servers)


async def test_sessions_spread_and_each_is_whole(tmp_path: Path) -> None:
    async with pair_behind_nginx(tmp_path) as pair:
        there = await pair.where()
        assert set(there.values()) == set(MODELS)
        await pair.nginx.reload()
        assert await pair.where() == there


async def test_a_server_that_stopped_is_replaced_for_both_ports_of_its_sessions(
    tmp_path: Path,
) -> None:
    async with pair_behind_nginx(tmp_path) as pair:
        before = await pair.where()
        stopped = pair.servers["second"]
        stopped.app.stop()
        await stopped.task
        assert await pair.where() == dict.fromkeys(NAMES, "scripted")
        name = next(name for name, model in before.items() if model == "second")
        async with pair.nginx.connect(f"/ws/audio?events=all&session={quote(name)}") as audio:
            assert len(await say_all(audio, pcm16(utterances(1.0)))) == 1


async def test_maintenance_takes_sessions_from_one_server_to_the_other(tmp_path: Path) -> None:
    """The steps of docs/deployment.md, as far as nginx does them."""
    async with pair_behind_nginx(tmp_path) as pair:
        site = pair.nginx.folder / "site.conf"
        usual = site.read_text()
        before = await pair.where()
        entries = [line for line in usual.splitlines() if "max_fails=1" in line]
        for entry, remaining in zip(entries, reversed(MODELS), strict=True):
            site.write_text(
                usual.replace(entry, entry.replace(" max_fails=1", " down max_fails=1"))
            )
            await pair.nginx.reload()
            assert await pair.where() == dict.fromkeys(NAMES, remaining)
        site.write_text(usual)
        await pair.nginx.reload()
        assert await pair.where() == before


async def test_a_failure_of_one_port_moves_both(tmp_path: Path) -> None:
    """A session is never parted, also where only its audio port is out of order."""
    ports = {number: free_port() for number in (8771, 8772)}
    async with noting_server() as first, noting_server() as second:
        ports |= {8765: first.control, 8766: 1, 8775: second.control, 8776: second.audio}
        async with run_nginx(
            tmp_path / "nginx", Certificate.make(tmp_path), ports, "nginx_two_servers.conf"
        ) as nginx:
            for name in NAMES:  # one of them finds out
                async with connect(nginx.url(f"/ws/audio?session={quote(name)}"), ssl=nginx.tls):
                    pass
            for name in NAMES:
                async with connect(nginx.url(f"/ws/control?session={quote(name)}"), ssl=nginx.tls):
                    pass
        assert first.handshakes == []
        assert len(second.handshakes) == 2 * len(NAMES)


async def test_a_full_servers_refusal_moves_nobody(tmp_path: Path) -> None:
    """Passed on to the other server, it would part those who are in the session already."""
    ports = {number: free_port() for number in (8771, 8772)}
    async with noting_server() as first, noting_server() as second:
        ports |= {8765: first.control, 8766: first.audio}
        ports |= {8775: second.control, 8776: second.audio}
        async with run_nginx(
            tmp_path / "nginx", Certificate.make(tmp_path), ports, "nginx_two_servers.conf"
        ) as nginx:

            async def answer(name: str) -> int:
                try:
                    socket = await connect(nginx.url(f"/ws/audio?session={name}"), ssl=nginx.tls)
                except InvalidStatus as refused:
                    return refused.response.status_code
                await socket.close()
                return 101

            names = [quote(name) for name in NAMES]
            first.full = True
            answers = [await answer(name) for name in names]
            assert set(answers) == {101, 503}
            assert [await answer(name) for name in names] == answers
            first.full = False
            assert {await answer(name) for name in names} == {101}


async def test_what_names_no_session_is_refused_and_the_page_gets_a_name(tmp_path: Path) -> None:
    async with pair_behind_nginx(tmp_path) as pair:
        for path in ("/ws/control", "/ws/audio", "/ws/audio?session="):
            answer = await pair.nginx.get(path)
            assert answer.status is HTTPStatus.BAD_REQUEST
            assert "?session=" in answer.text
        given = [(await pair.nginx.get("/?role=viewer")).headers["location"] for _ in range(2)]
        assert given[0] != given[1]
        assert given[0].endswith("&role=viewer")
        target = given[0].removeprefix(f"https://localhost:{pair.nginx.https_port}")
        assert (await pair.nginx.get(target)).headers["content-type"].startswith("text/html")
        name = target.partition("session=")[2].partition("&")[0]
        control, audio = await pair.models_of(name)
        assert control == audio


async def test_what_is_closed_to_the_outside_is_so_here_too(tmp_path: Path) -> None:
    async with pair_behind_nginx(tmp_path) as pair:
        assert (await pair.nginx.get("/metrics?session=x")).status is HTTPStatus.NOT_FOUND
        assert (await pair.nginx.get("/readyz")).text == "ready\n"


async def test_the_clients_address_goes_through_both_hops(tmp_path: Path) -> None:
    ports = {number: free_port() for number in (8771, 8772)}
    claims = {"X-Forwarded-For": "203.0.113.9"}
    async with noting_server() as noted:
        ports |= dict.fromkeys((8765, 8775), noted.control)
        ports |= dict.fromkeys((8766, 8776), noted.audio)
        async with (
            run_nginx(
                tmp_path / "nginx", Certificate.make(tmp_path), ports, "nginx_two_servers.conf"
            ) as nginx,
            connect(nginx.url("/ws/audio?session=x"), ssl=nginx.tls, additional_headers=claims),
        ):
            _, headers = noted.handshakes[0]
        assert headers.get_all("X-Forwarded-For") == ["127.0.0.1"]
        assert headers.get_all("X-Forwarded-Proto") == ["https"]
        assert headers["Host"] == f"localhost:{nginx.https_port}"
