"""Downloads that are cut, killed and gone on with: the real child, the real server, a slow wire between them."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from edge_models.bundle import Bundle
from tests.integration.updates.proxy import Proxy
from tests.integration.updates.site import Child, Event, Server, Site, stream_of

pytestmark = pytest.mark.integration

MODEL_BYTES = 300_000
SLOW_BYTES_S = 300_000.0


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path, model_bytes=MODEL_BYTES)
    yield site
    site.close()


@pytest.fixture
def proxy(site: Site) -> Iterator[Proxy]:
    proxy = Proxy(site.server.port, rate_bytes_s=SLOW_BYTES_S)
    site.url = proxy.url
    yield proxy
    proxy.close()


def fetching(site: Site, bundle: Bundle) -> Child:
    return Child(site.job("fetch", bundle=bundle.id))


def until(child: Child, reached: Callable[[Event], bool]) -> Event:
    return next(event for event in child.events() if reached(event))


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7])
def test_download_killed_on_the_way_is_finished_by_the_next_process(site: Site, proxy: Proxy, share: float) -> None:
    bundle = site.publish()
    model = f"/targets/blobs/{bundle.manifest.files['model.tflite'].sha256}"
    child = fetching(site, bundle)
    until(child, lambda event: event["event"] == "progress" and event["bytes"] > share * MODEL_BYTES)
    child.kill()
    part = site.state / "blobs" / f"{bundle.manifest.files['model.tflite'].sha256}.part"
    held = part.stat().st_size
    assert 0 < held < MODEL_BYTES
    proxy.rate_bytes_s = None

    events = fetching(site, bundle).finish()

    assert events[-1]["event"] == "done"
    assert proxy.asked(model) == [None, f"bytes={held}-"]
    assert events[-1]["downloaded"] == MODEL_BYTES + 1000 - held
    assert site.is_installed(bundle)
    assert not part.exists()


def test_download_killed_again_and_again_never_starts_again(site: Site, proxy: Proxy) -> None:
    bundle = site.publish()
    model = f"/targets/blobs/{bundle.manifest.files['model.tflite'].sha256}"
    part = site.state / "blobs" / f"{bundle.manifest.files['model.tflite'].sha256}.part"
    held = [0]
    for _ in range(3):
        child = fetching(site, bundle)
        until(child, lambda event: event["event"] == "progress" and event["bytes"] > held[-1] + 30_000)
        child.kill()
        held.append(part.stat().st_size)
    proxy.rate_bytes_s = None

    fetching(site, bundle).finish()

    assert held == sorted(set(held))
    assert proxy.asked(model) == [None, *(f"bytes={size}-" for size in held[1:])]
    assert site.is_installed(bundle)


def test_child_killed_before_it_downloads_leaves_nothing_that_hinders(site: Site, proxy: Proxy) -> None:
    bundle = site.publish()
    child = fetching(site, bundle)
    until(child, lambda event: event["event"] == "manifest")
    child.kill()

    assert fetching(site, bundle).finish()[-1]["event"] == "done"
    assert site.is_installed(bundle)


def test_server_that_goes_down_in_the_middle_and_comes_back_is_gone_on_with(site: Site, proxy: Proxy) -> None:
    bundle = site.publish()
    model = f"/targets/blobs/{bundle.manifest.files['model.tflite'].sha256}"
    child = fetching(site, bundle)
    until(child, lambda event: event["event"] == "progress" and event["bytes"] > 0.3 * MODEL_BYTES)

    site.server.stop()
    proxy.cut()
    site.server = Server(site.registry.public, port=site.server.port)
    proxy.rate_bytes_s = None
    events = child.finish()

    assert events[-1]["event"] == "done", events
    assert [re.sub(r"\d+", "N", span or "") for span in proxy.asked(model)] == ["", "bytes=N-"]
    assert site.is_installed(bundle)


def test_server_that_stays_down_is_an_error_and_what_arrived_is_kept(site: Site, proxy: Proxy) -> None:
    bundle = site.publish()
    child = Child(site.job("fetch", bundle=bundle.id, timeout_s=3))
    until(child, lambda event: event["event"] == "progress" and event["bytes"] > 0.3 * MODEL_BYTES)
    port = site.server.port
    site.server.stop()
    proxy.cut()

    last = child.finish()[-1]

    site.server = Server(site.registry.public, port=port)
    assert (last["event"], last["code"], last["transient"]) == ("error", "network", True)
    proxy.rate_bytes_s = None
    done = fetching(site, bundle).finish()[-1]
    assert done["downloaded"] < 0.75 * MODEL_BYTES


def test_ctrl_c_ends_the_child_without_a_traceback(site: Site, proxy: Proxy, capfd: pytest.CaptureFixture[str]) -> None:
    child = fetching(site, site.publish())
    until(child, lambda event: event["event"] == "progress")

    assert child.kill(signal.SIGINT) == 130
    assert capfd.readouterr().err == ""


def test_child_ends_with_the_process_that_started_it(site: Site, proxy: Proxy) -> None:
    job = json.dumps(site.job("fetch", bundle=site.publish().id))
    proxy.rate_bytes_s = 20_000.0
    script = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-m', 'agent.update_client'], stdin=subprocess.PIPE, text=True)\n"
        "print(child.pid, flush=True)\n"
        "child.stdin.write(sys.argv[1] + chr(10)), child.stdin.flush(), child.wait()\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, job], stdout=subprocess.PIPE, text=True) as parent:
        lines = stream_of(parent.stdout)
        pid = int(lines.readline())
        assert json.loads(lines.readline())["event"] == "manifest"
        assert psutil.pid_exists(pid)
        parent.kill()

        lines.read()  # ends when nobody holds the pipe any more, and that is the child

    deadline_s = time.monotonic() + 10.0  # the kernel closes files a moment before it ends a process
    while _lives(pid):
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def test_part_of_a_blob_that_changed_in_the_registry_is_not_glued(site: Site, proxy: Proxy) -> None:
    # The story: half of a damaged blob is here when the operator mends the registry.
    bundle = site.publish()
    blob = site.blob(bundle)
    good = blob.read_bytes()
    blob.chmod(0o644)
    blob.write_bytes(bytes(len(good)))
    child = fetching(site, bundle)
    until(child, lambda event: event["event"] == "progress" and event["bytes"] > 0.3 * MODEL_BYTES)
    child.kill()
    blob.write_bytes(good)
    proxy.rate_bytes_s = None

    assert fetching(site, bundle).finish()[-1]["event"] == "done"
    assert site.is_installed(bundle)


def test_second_bundle_downloads_only_what_is_new(site: Site) -> None:
    first, second = site.publish(), site.publish()
    site.fetch(first)

    done = site.fetch(second)

    assert done["reused"] == second.manifest.files["probe.npz"].size
    assert site.is_installed(second)


def test_device_that_lost_its_bundles_but_not_its_metadata_fetches_again(site: Site) -> None:
    bundle = site.publish()
    site.fetch(bundle)
    shutil.rmtree(site.state / "bundles")

    assert site.fetch(bundle)["event"] == "done"


def _lives(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
