"""Fetching, from a real HTTP server that answers as the hub does."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch

from nuke_reage.core.errors import ModelError
from nuke_reage.models.descriptor import HubFile
from nuke_reage.models.formula import formula_state_dict
from nuke_reage.models.hub import download
from nuke_reage.models.registry import Registry
from nuke_reage.models.torch_state import to_tensors

PATH = "/someone/ages/resolve/main/best.pth"


@dataclass
class Hub:
    """What the server serves and what it was asked."""

    content: bytes = b""
    status: int = 200
    url: str = ""
    stall_after_bytes: int | None = None
    released: threading.Event = field(default_factory=threading.Event)
    ranges: list[str] = field(default_factory=list)
    authorisations: list[str | None] = field(default_factory=list)


@pytest.fixture
def hub() -> Iterator[Hub]:
    state = Hub()

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            self.answer(body=True)

        def answer(self, *, body: bool) -> None:
            state.authorisations.append(self.headers.get("Authorization"))
            if state.status != 200 or self.path != PATH:
                self.send_response(404 if state.status == 200 else state.status)
                self.send_header("X-Error-Code", "EntryNotFound" if state.status == 200 else "GatedRepo")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            start = 0
            wanted = self.headers.get("Range")
            if body:
                state.ranges.append(wanted or "all")
            if wanted:
                start = int(wanted.removeprefix("bytes=").split("-")[0])
            self.send_response(206 if wanted else 200)
            self.send_header("ETag", f'"{hashlib.sha256(state.content).hexdigest()}"')
            self.send_header("X-Repo-Commit", "c" * 40)
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Content-Length", str(len(state.content) - start))
            if wanted:
                self.send_header("Content-Range", f"bytes {start}-{len(state.content) - 1}/{len(state.content)}")
            self.end_headers()
            if body:
                with contextlib.suppress(OSError):
                    self.wfile.write(state.content[start:][: state.stall_after_bytes])
                    if state.stall_after_bytes is not None:
                        state.released.wait()
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    yield state
    state.released.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def registry(make_model, tmp_path: Path) -> Registry:
    """One model that can be fetched and is not there yet."""
    make_model("far", folder=tmp_path / "bundled", width=2)
    path = tmp_path / "bundled" / "far.json"
    source = {"repository": "someone/ages", "file": "best.pth", "revision": "main", "sha256": ""}
    path.write_text(json.dumps({**json.loads(path.read_text()), "hub": source, "sha256": ""}))
    (tmp_path / "bundled" / "far.safetensors").unlink()
    return Registry(tmp_path / "bundled", [tmp_path / "user"])


def checkpoint(tmp_path: Path, change: float = 0.0) -> bytes:
    state = formula_state_dict(2)
    state["final_conv.bias"] += change
    torch.save(to_tensors(state), tmp_path / "published.pth")
    return (tmp_path / "published.pth").read_bytes()


def test_fetch_installs_reports_progress_and_sends_no_token(
    hub: Hub, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("HF_TOKEN", "hf_notthis")
    hub.content = checkpoint(tmp_path)
    seen: list[tuple[int, int]] = []
    installed = registry.fetch(
        "far", accept_licence=True, endpoint=hub.url, progress=lambda done, total: seen.append((done, total))
    )
    assert installed.hub.sha256 == hashlib.sha256(hub.content).hexdigest()
    assert registry.verify("far").installed
    assert seen[-1] == (len(hub.content), len(hub.content))
    assert set(hub.authorisations) == {None}
    assert not list((tmp_path / "user").rglob("*.pth")), "the download is not kept beside what was made of it"
    assert capfd.readouterr() == ("", "")

    asked = len(hub.ranges)
    registry.fetch("far", accept_licence=True, endpoint=hub.url)
    assert len(hub.ranges) == asked, "what is there and whole is not fetched again"


def test_a_damaged_model_is_fetched_again(hub: Hub, registry: Registry, tmp_path: Path):
    hub.content = checkpoint(tmp_path)
    weights = registry.fetch("far", accept_licence=True, endpoint=hub.url).weights_path
    weights.write_bytes(weights.read_bytes()[:-5])
    registry.fetch("far", accept_licence=True, endpoint=hub.url)
    registry.verify("far")


def test_a_file_that_changed_at_its_source_is_refused(hub: Hub, registry: Registry, tmp_path: Path):
    hub.content = checkpoint(tmp_path)
    registry.fetch("far", accept_licence=True, endpoint=hub.url).weights_path.unlink()
    hub.content = checkpoint(tmp_path, change=0.5)
    with pytest.raises(ModelError, match="first fetched") as caught:
        registry.fetch("far", accept_licence=True, endpoint=hub.url)
    assert caught.value.slug == "checksum" and not registry.get("far").installed


def test_the_licence_has_to_be_accepted(hub: Hub, registry: Registry, tmp_path: Path):
    hub.content = checkpoint(tmp_path)
    with pytest.raises(ModelError) as caught:
        registry.fetch("far", endpoint=hub.url)
    assert caught.value.slug == "licence-not-accepted" and "--accept-licence" in caught.value.hint
    assert hub.ranges == []


def test_a_checkpoint_with_code_is_refused(hub: Hub, registry: Registry, tmp_path: Path):
    torch.save(torch.nn.Linear(2, 2), tmp_path / "code.pth")
    hub.content = (tmp_path / "code.pth").read_bytes()
    with pytest.raises(ModelError) as caught:
        registry.fetch("far", accept_licence=True, endpoint=hub.url)
    assert caught.value.slug == "unsafe-weights" and not registry.get("far").installed


def test_a_connection_that_breaks_keeps_what_came(hub: Hub, tmp_path: Path):
    hub.content = os.urandom(3_000_000)
    hub.stall_after_bytes = 2_000_000
    hub.released.set()
    with pytest.raises(ModelError) as caught:
        download(HubFile("someone/ages", "best.pth"), tmp_path, endpoint=hub.url)
    assert caught.value.slug == "offline" and "kept" in caught.value.hint
    hub.stall_after_bytes = None
    assert download(HubFile("someone/ages", "best.pth"), tmp_path, endpoint=hub.url).read_bytes() == hub.content
    assert hub.ranges == ["all", "bytes=2000000-"]


def test_bytes_that_do_not_match_the_hubs_sum_are_thrown_away(hub: Hub, tmp_path: Path):
    hub.content = os.urandom(5000)
    (tmp_path / f"{hashlib.sha256(hub.content).hexdigest()}.part").write_bytes(bytes(2000))
    with pytest.raises(ModelError) as caught:
        download(HubFile("someone/ages", "best.pth"), tmp_path, endpoint=hub.url)
    assert caught.value.slug == "checksum" and list(tmp_path.iterdir()) == []


def test_missing_and_gated_files(hub: Hub, tmp_path: Path):
    hub.content = b"x"
    with pytest.raises(ModelError) as caught:
        download(HubFile("someone/ages", "other.pth"), tmp_path / "in", endpoint=hub.url)
    assert caught.value.slug == "not-on-hub" and "other.pth" in caught.value.message
    hub.status = 403
    with pytest.raises(ModelError) as caught:
        download(HubFile("someone/ages", "best.pth"), tmp_path / "in", endpoint=hub.url)
    assert caught.value.slug == "hub-refused" and "403" in caught.value.message


def test_models_without_a_hub_say_how_to_import(registry: Registry, make_model):
    make_model("own")
    (registry.user_dirs[0] / "own.safetensors").unlink()
    with pytest.raises(ModelError, match="not on a hub") as caught:
        registry.fetch("own")
    assert "reage models import" in caught.value.hint


SCRIPT = """
import sys
from pathlib import Path
from nuke_reage.core.errors import ModelError
from nuke_reage.models.descriptor import HubFile
from nuke_reage.models.hub import download
try:
    print(download(HubFile("someone/ages", "best.pth"), Path(sys.argv[1])).stat().st_size)
except ModelError as error:
    print(error.code, error.hint)
"""


def start_download(folder: Path, **environment: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SCRIPT, str(folder)]
    return subprocess.Popen(command, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True)


def run_download(folder: Path, **environment: str) -> str:
    with start_download(folder, **environment) as process:
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return said.strip()


def test_offline_says_how_to_copy_the_file_by_hand(tmp_path: Path):
    """HF_ENDPOINT as a studio would set it, with nobody there; and the network forbidden."""
    for environment in ({"HF_ENDPOINT": "http://127.0.0.1:1"}, {"HF_HUB_OFFLINE": "1"}):
        said = run_download(tmp_path / "in", **environment)
        assert said.startswith("model.offline") and "reage models import best.pth" in said


def test_a_download_that_was_killed_goes_on_where_it_stopped(hub: Hub, tmp_path: Path):
    folder = tmp_path / "in"
    hub.content = os.urandom(25_000_000)
    hub.stall_after_bytes = 12_000_000
    with start_download(folder, HF_ENDPOINT=hub.url) as process:
        deadline = time.monotonic() + 30
        while sum(file.stat().st_size for file in folder.rglob("*.part")) < 10_000_000:
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.02)
        process.kill()
    hub.released.set()
    hub.stall_after_bytes = None
    assert run_download(folder, HF_ENDPOINT=hub.url) == "25000000"
    assert (folder / "best.pth").read_bytes() == hub.content
    first, second = hub.ranges
    assert first == "all" and int(second.removeprefix("bytes=").rstrip("-").split("-")[0]) >= 10_000_000
