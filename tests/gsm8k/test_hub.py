"""A hub that cannot be reached costs seconds, never minutes."""

import socket
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from trace_pipeline.gsm8k import HubUnavailableError
from trace_pipeline.gsm8k import hub as hub_module
from trace_pipeline.gsm8k.hub import fetch_from_hub


@pytest.fixture(autouse=True)
def empty_home(tmp_path, monkeypatch):
    for name in (
        "HF_HUB_OFFLINE",
        "HF_DATASETS_OFFLINE",
        "HF_DATASETS_CACHE",
        "XDG_CACHE_HOME",
        "https_proxy",
        "http_proxy",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("HF_HOME", str(tmp_path))


@pytest.fixture
def silent_endpoint():
    """A server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def refusing_endpoint():
    """A server that answers 503 to everything."""

    class Refuse(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_error(503)

        def log_message(self, *arguments):
            pass

    server = HTTPServer(("127.0.0.1", 0), Refuse)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def other_endpoint():
    """A server that speaks another protocol."""

    def greet(server):
        connection, _ = server.accept()
        with connection:
            connection.recv(1000)
            connection.sendall(b"SSH-2.0-OpenSSH\r\n")

    with socket.create_server(("127.0.0.1", 0)) as server:
        Thread(target=greet, args=(server,), daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_a_silent_hub_is_given_up_within_five_seconds(silent_endpoint, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", silent_endpoint)
    start = time.monotonic()
    with pytest.raises(HubUnavailableError, match=r"(did not answer|cannot be reached)"):
        fetch_from_hub("test")
    assert time.monotonic() - start < 5


def test_a_name_lookup_that_hangs_is_given_up(monkeypatch):
    monkeypatch.setattr(hub_module, "PROBE_SECONDS", 0.2)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: time.sleep(2) or [])
    monkeypatch.setenv("HF_ENDPOINT", "http://nowhere.invalid")
    start = time.monotonic()
    with pytest.raises(HubUnavailableError, match="did not answer within"):
        fetch_from_hub("test")
    assert time.monotonic() - start < 1.5


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:1", "nonsense", "http://", "http://a:b"])
def test_an_unreachable_hub_is_named(endpoint, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    with pytest.raises(HubUnavailableError, match="cannot be reached"):
        fetch_from_hub("test")


def test_what_is_no_web_server_is_quoted(other_endpoint, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", other_endpoint)
    with pytest.raises(HubUnavailableError, match=r"cannot be reached \(SSH-2\.0-OpenSSH\)"):
        fetch_from_hub("test")


def test_a_hub_that_refuses_is_quoted(refusing_endpoint, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", refusing_endpoint)
    with pytest.raises(HubUnavailableError, match="answers 503"):
        fetch_from_hub("test")


@pytest.mark.parametrize("variable", ["HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"])
def test_offline_mode_is_respected_without_asking(variable, monkeypatch):
    monkeypatch.setenv(variable, "1")
    with pytest.raises(HubUnavailableError, match=f"{variable} is set"):
        fetch_from_hub("test")


WORKERS = {
    "loads": """
import json, sys
with open(sys.argv[4], "w") as file:
    json.dump([{"question": sys.argv[1], "answer": sys.argv[3]}], file)
""",
    "fails": "raise SystemExit('no such dataset')",
    "hangs": "import time; time.sleep(60)",
}


@pytest.fixture
def cached(tmp_path):
    """A datasets cache that has the dataset, so that no hub is asked for it."""
    (tmp_path / "datasets" / "openai___gsm8k" / "main").mkdir(parents=True)


@pytest.mark.usefixtures("cached")
def test_a_cached_dataset_is_loaded_without_a_hub(monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setattr(hub_module, "_WORKER", WORKERS["loads"])
    assert fetch_from_hub("test") == [{"question": "openai/gsm8k", "answer": "test"}]


@pytest.mark.parametrize(
    ("variables", "cache"),
    [
        ({}, ".cache/huggingface/datasets"),
        ({"HF_HOME": "~/hub"}, "hub/datasets"),
        ({"XDG_CACHE_HOME": "{home}/caches"}, "caches/huggingface/datasets"),
        ({"HF_HOME": "/nowhere", "HF_DATASETS_CACHE": "{home}/sets"}, "sets"),
    ],
)
def test_the_cache_is_where_the_hubs_client_has_it(variables, cache, tmp_path, monkeypatch):
    (tmp_path / cache / "openai___gsm8k" / "main").mkdir(parents=True)
    monkeypatch.delenv("HF_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    for name, value in variables.items():
        monkeypatch.setenv(name, value.format(home=tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(hub_module, "_WORKER", WORKERS["loads"])
    assert fetch_from_hub("test") == [{"question": "openai/gsm8k", "answer": "test"}]


@pytest.mark.usefixtures("cached")
@pytest.mark.parametrize(
    ("worker", "complaint"), [("fails", "no such dataset"), ("hangs", "did not arrive within")]
)
def test_a_download_that_fails_or_hangs_is_ended(worker, complaint, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(hub_module, "_WORKER", WORKERS[worker])
    monkeypatch.setattr(hub_module, "DOWNLOAD_SECONDS", 1.0)
    with pytest.raises(HubUnavailableError, match=complaint):
        fetch_from_hub("test")
