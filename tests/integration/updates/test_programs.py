"""The two programs as users start them: the registry's server and the update client."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.registry import Registry
from deploy.registry.server import listen
from edge_models.channel import Channel
from tests.integration.updates.site import Child, stream_of
from tests.unit.registry.bundles import make_bundle

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_registry_serves_until_it_is_told_to_stop(tmp_path: Path, stop: signal.Signals) -> None:
    registry = Registry.create(tmp_path / "registry")
    bundle = make_bundle(tmp_path / "bundle")
    registry.publish(bundle.directory)
    registry.set_channel(Channel(model="digits", channel="stable", rev=1, bundle=bundle.id, listed={bundle.id: 1}))
    command = [sys.executable, "-m", "deploy", "registry", "serve", "--registry", str(registry.directory)]
    with subprocess.Popen(
        [*command, "--port", "0", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as server:
        url = json.loads(stream_of(server.stdout).readline())["url"]
        job: dict[str, object] = {
            "op": "check",
            "state_dir": str(tmp_path / "state"),
            "metadata_url": f"{url}/metadata",
            "targets_url": f"{url}/targets",
            "root": str(registry.trusted_root),
            "model": "digits",
            "channel": "stable",
        }
        [event] = Child(job).finish()
        server.send_signal(stop)
        _, errors = server.communicate(timeout=20)

    assert event["bundle"] == bundle.id
    assert server.returncode == 0
    assert "Traceback" not in errors


def test_port_that_is_taken_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    registry = Registry.create(tmp_path / "registry")

    with listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        command = [sys.executable, "-m", "deploy", "registry", "serve", "--registry", str(registry.directory)]
        done = subprocess.run([*command, "--port", str(port)], capture_output=True, text=True, check=False, timeout=20)

    assert done.returncode == 2
    assert done.stderr.startswith(f"driftline-fleet: error: cannot listen on 127.0.0.1:{port}")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("given", ["", "no json\n", "{}\n"])
def test_update_client_without_a_job_says_so_and_exits_with_2(given: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "agent.update_client"],
        input=given,
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )

    [event] = map(json.loads, done.stdout.splitlines())
    assert (event["event"], event["code"], done.returncode) == ("error", "job", 2)
    assert done.stderr == ""
