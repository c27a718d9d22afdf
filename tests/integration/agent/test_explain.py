"""``driftline-agent explain`` beside the agent whose drift it tells."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.factories.frames import digit_frames, winter_light, write_recording
from tests.integration.agent.brokers import Embedded
from tests.integration.agent.conftest import MakeDevice
from tests.integration.agent.device import ROOT, Onlooker, until

pytestmark = pytest.mark.integration

QUICK = {"window_effective": 100, "commissioning": {"hours": 0, "n_effective": 0, "decorrelation_frames": 256}}


def explain(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "agent", "explain", *map(str, words)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_drift_is_told_and_drawn_while_the_agent_runs(
    embedded: Embedded, onlooker: Onlooker, make_device: MakeDevice, tmp_path: Path
) -> None:
    frames = np.concatenate([digit_frames(600)[0], digit_frames(6000, corruption=winter_light)[0]])
    path = write_recording(tmp_path / "frames.npz", frames)
    device = make_device(embedded.port, source={"type": "replay", "path": str(path), "rate_hz": 300}, drift=QUICK)
    device.start()
    onlooker.wait_for("state")
    calm = explain(device.config)
    request = onlooker.wait_for("model/request", lambda heard: bool(heard.payload)).json["id"]
    until(lambda: request in explain(device.state).stdout, "the request in the story")

    told = explain(device.config)
    document = json.loads(explain("-c", device.config, "--json").stdout)

    assert (calm.returncode, told.returncode) == (0, 0), told.stderr
    assert "no episode of drift yet" in calm.stdout or "what happened" in calm.stdout
    assert f"request {request} is open" in told.stdout
    assert "critical drift" in told.stdout
    assert document["request"] == request
    assert [step["state"] for step in document["steps"]][-1] == "requested"


def test_a_place_without_an_agent_is_one_line_and_code_2(tmp_path: Path) -> None:
    run = explain(tmp_path)

    assert run.returncode == 2
    assert run.stdout == ""
    assert run.stderr.startswith("driftline-agent: error: ")
    assert run.stderr.count("\n") == 1


@pytest.mark.parametrize(("command", "code"), [("explain", 1), ("check -c", 2)])
def test_a_reader_that_has_gone_is_no_traceback(command: str, code: int, tmp_path: Path) -> None:
    (tmp_path / "boot").write_text("1\n")
    (tmp_path / "agent.yaml").write_text(f"id: d\nmodel: m\nstate_dir: {tmp_path}\n")
    reader, writer = os.pipe()
    os.close(reader)

    with os.fdopen(writer, "wb") as gone:
        words = [sys.executable, "-m", "agent", *command.split(), str(tmp_path / "agent.yaml"), "--json"]
        run = subprocess.run(words, cwd=ROOT, stdout=gone, stderr=subprocess.PIPE, text=True, check=False)

    assert (run.returncode, run.stderr) == (code, "")
