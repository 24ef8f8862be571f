"""A session of the stand-in for Nuke, with the real worker behind it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

FAKES = Path(__file__).resolve().parents[1] / "fakes"
if str(FAKES) not in sys.path:
    sys.path.insert(0, str(FAKES))

import nuke  # noqa: E402

from nuke_reage.nuke_host import callbacks  # noqa: E402
from nuke_reage.nuke_host import session as host  # noqa: E402


class Session:
    """What an artist and the event loop do."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.app = nuke.fake_app
        self.nuke = nuke

    def reage(self, plate: Any) -> Any:
        node = nuke.createNode("ReAge")
        node.setInput(0, plate)
        node["device"].setValue("cpu")
        node["target_age"].setValue(75)
        return node

    def read(self, pattern: str, first: int, last: int) -> Any:
        return nuke.nodes.Read(file=Path(pattern).as_posix(), first=first, last=last)

    def press(self, node: Any, button: str) -> str:
        """Press a button and wait until all is done; returns the status line."""
        node[f"do_{button}"].execute()
        self.wait()
        return str(node["status"].value())

    def wait(self) -> None:
        session = host.host_session()
        self.app.pump(lambda: not session._tasks and self.app.calls.empty())

    @property
    def worker(self) -> int | None:
        return host.host_session().pid


@pytest.fixture(scope="session")
def small_plate(shots, tmp_path_factory) -> str:
    """Three frames, 320 x 240, half float, ACEScg; only to be read."""
    pictures = {1001 + i: shots.film((320, 240), side=420.0, centre=(218 + 3 * i, 150)) for i in range(3)}
    return shots.write(tmp_path_factory.mktemp("small") / "plate.%04d.exr", pictures)


@pytest.fixture(scope="session", autouse=True)
def _end_of_the_worker() -> Iterator[None]:
    yield
    host.host_session().close()
    host.host_session.cache_clear()


@pytest.fixture
def gui(tmp_path, monkeypatch) -> Iterator[Session]:
    yield from _session(tmp_path, monkeypatch, gui=True)


@pytest.fixture
def terminal(tmp_path, monkeypatch) -> Iterator[Session]:
    yield from _session(tmp_path, monkeypatch, gui=False)


def _session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, gui: bool) -> Iterator[Session]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home cache"))
    monkeypatch.setenv("REAGE_PYTHON", sys.executable)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    nuke.fake_app.reset(gui=gui)
    callbacks.install()
    yield Session(tmp_path)
    host.host_session().cancel_all()
    if gui:
        Session(tmp_path).wait()
