"""The commands of a person on the device: what is asked, what is printed, and the exit code."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import pytest

from agent.__main__ import main
from agent.core.records import Crashes, Decision, UpdateRecord
from agent.local.arguments import COMMANDS, seconds
from agent.local.messages import Answer, Request, StatusReport, WhyReport
from agent.local.text import status_text, why_text
from edge_models.fields import canonical_json
from edge_models.wire.results import Outcome, remedy
from edge_models.wire.telemetry import DriftState, State
from edge_models.wire.topics import CommandVerb
from edge_models.wire.update import LastResult, ModelState, ModelVersion, UpdateError, UpdatePhase
from tests.unit.agent.whole_core import Device
from tests.unit.agent.world import bundle, running
from tests.unit.agent_local.served import serving

STATE = State(
    ts=None, up=7500.0, boot=3, seq=0, bundle=bundle("a"), artifact="tflite-int8", runtime="ai-edge-litert 2.3.0",
    n=1200, rate_hz=20.0, p50_us=800.0, p95_us=1200.0, cpu_temperature_c=48.3, throttled=True, clock_synced=False,
    stages={"infer_p50_us": 700.0, "infer_p95_us": 1000.0}, source="no camera", outbox_messages=3, outbox_bytes=900,
    disk_written_mb=1.5,
)  # fmt: skip
MODEL = ModelState(
    ts=None, up=1.0, phase=UpdatePhase.REJECTED, held=True,
    installed=ModelVersion(bundle=bundle("a"), version="1.0", artifact="tflite-int8", serial=1),
    error=UpdateError.of("too_slow", "p95 3.2 times that of the active model"),
)  # fmt: skip
STATUS = StatusReport(id="pi-1", agent="1.2", pid=7, broker="hub:1883", state=STATE, update=MODEL, hold_left_s=5400.0)
DECISION = Decision(
    phase=UpdatePhase.REJECTED, bundle=bundle("b"), code="too_slow", message="p95 is 3.2 times the active one's",
    evidence={"p95_us": 3840.0, "active_p95_us": 1200.0},
)  # fmt: skip


def asked(tmp_path: Path, answer: Answer, *words: str) -> tuple[int, list[Request]]:
    path = tmp_path / "agent.sock"
    with serving(path, answer) as script:
        code = main([*words, "--socket", str(path)])
    return code, script.asked


def test_status_says_what_a_person_looks_for() -> None:
    text = status_text(STATUS)

    for words in (
        "up 2 h 5 min", "1.0 (aaaaaaaaaaaa): tflite-int8, ai-edge-litert 2.3.0", "1200 answered, 20.0 in a second",
        "p50 800 us p95 1.2 ms", "infer 700 us / 1 ms (p50 / p95)", "no camera", "HELD for 1 h 30 min more", "too_slow",
        "NOT connected to hub:1883, 3 messages wait", "48.3 C", "1.5 MB written", "THROTTLED", "clock NOT synchronised",
    ):  # fmt: skip
        assert words in text
    assert max(len(line) for line in text.splitlines()) < 160


def test_why_has_evidence_and_remedy_of_the_last_decision() -> None:
    ended = LastResult(bundle=bundle("b"), outcome=UpdatePhase.REJECTED, result=Outcome.REJECTED, attempt=2)
    earlier = replace(DECISION, bundle=bundle("c"), phase=UpdatePhase.COMMITTED, code="ok", message="")
    record = UpdateRecord(phase=UpdatePhase.REJECTED, decisions=(earlier, DECISION), last_result=ended)

    text = why_text(WhyReport(id="pi-1", active=running("a"), update=record, error=MODEL.error, drift=DriftState.OK))

    for words in (
        "rejected: p95 is 3.2 times the active one's (too_slow)", "bbbbbbbbbbbb", "3840  p95_us", "v-a",
        "what to do: " + remedy("too_slow"), "bbbbbbbbbbbb rejected, attempt 2",
        "before that: cccccccccccc: committed: ok",
    ):  # fmt: skip
        assert words in text
    assert "no alarm was ever raised" in text


def test_why_tells_what_keeps_updates_from_going_on_now() -> None:
    failing = UpdateError.of("expired", "the timestamp is of last year")

    text = why_text(WhyReport(update=UpdateRecord(decisions=(DECISION,)), error=failing))

    assert "expired: the timestamp is of last year" in text
    assert "what to do: " + remedy("expired") in text


def test_status_tells_the_next_look_at_the_channel() -> None:
    free = replace(STATUS, update=replace(MODEL, held=False), hold_left_s=None, next_look_s=90.0)

    assert "next look at the channel in 1 min 30 s" in status_text(free)


def test_why_tells_of_a_model_that_dies_again_and_again() -> None:
    record = UpdateRecord(crashes=Crashes(bundle=bundle("a"), deaths=4))

    assert "died 4 times in a row" in why_text(WhyReport(update=record))


def test_why_tells_the_episode_of_drift_and_what_to_do() -> None:
    device = Device(running("a"))
    device.drift()
    episode = device.core.episode.history.record

    text = why_text(
        WhyReport(update=device.core.machine.record, drift=device.core.episode.policy.state, episode=episode)
    )

    assert "an alarm: something may have changed" in text
    assert "what to do: " in text.partition("drift:")[2]


@pytest.mark.parametrize(
    ("words", "request_"),
    [
        (("status",), Request(do="status")),
        (("why",), Request(do="why")),
        (("rollback",), Request(do="command", verb=CommandVerb.ROLLBACK)),
        (("hold",), Request(do="command", verb=CommandVerb.HOLD, args={"on": True})),
        (("hold", "--for", "2h"), Request(do="command", verb=CommandVerb.HOLD, args={"on": True, "for_s": 7200.0})),
        (("hold", "--off"), Request(do="command", verb=CommandVerb.HOLD, args={"on": False})),
        (("wipe-samples",), Request(do="command", verb=CommandVerb.SAMPLES, args={"do": "wipe"})),
    ],
)
def test_each_command_asks_for_what_it_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], request_: Request
) -> None:
    code, requests = asked(tmp_path, Answer(ok=True), *words)

    assert (code, requests) == (0, [request_])
    assert capsys.readouterr().out.strip()


def test_refusal_is_told_with_its_remedy_and_code_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _ = asked(tmp_path, Answer(ok=False, code="no_samples", message="off in agent.yaml"), "wipe-samples")

    assert code == 1
    assert capsys.readouterr().out.splitlines() == ["not done: off in agent.yaml", remedy("no_samples")]


def test_json_is_the_document_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked(tmp_path, Answer(ok=True, status=STATUS), "status", "--json")
    asked(tmp_path, Answer(ok=False, code="no_samples", message="off"), "wipe-samples", "--json")

    status, refusal = capsys.readouterr().out.splitlines()
    assert json.loads(status)["state"]["n"] == 1200
    assert json.loads(refusal) == {
        "ok": False, "code": "no_samples", "message": "off", "remedy": remedy("no_samples")
    }  # fmt: skip


def test_no_agent_is_code_3_in_words_and_in_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(tmp_path / "agent.sock")

    assert main(["rollback", "--socket", path]) == 3
    assert main(["status", "--socket", path, "--json"]) == 3
    words, document = capsys.readouterr().out.splitlines()
    assert words.startswith("no agent runs")
    assert json.loads(document)["code"] == "not_running"


def test_why_without_an_agent_reads_the_disk_and_leaves_it_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = tmp_path / "state"
    state.mkdir()
    (state / "update.json").write_bytes(canonical_json(UpdateRecord(decisions=(DECISION,))))
    config = tmp_path / "agent.yaml"
    config.write_text('{"id": "pi-1", "model": "digits", "state_dir": "state"}')
    before = sorted(path.name for path in state.iterdir())

    assert main(["why", "-c", str(config)]) == 3
    assert "p95 is 3.2 times" in capsys.readouterr().out
    (state / "update.json").write_bytes(b"{")
    assert main(["why", "-c", str(config)]) == 2
    assert "puts a damaged record aside" in capsys.readouterr().err
    assert sorted(path.name for path in state.iterdir()) == before


def test_selftest_without_a_model_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "agent.yaml"
    config.write_text('{"id": "pi-1", "model": "digits", "state_dir": "state"}')

    assert main(["selftest", "-c", str(config)]) == 1
    assert "no model is installed" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["", "2x", "-1h", "0", "h", "1m2h", "9" * 30, "²h"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="expected a time"):
        seconds(text)


@pytest.mark.parametrize("name", COMMANDS)
def test_bad_arguments_are_one_line_and_code_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    monkeypatch.chdir(tmp_path)

    assert main([name]) == 2
    assert main([name, "-c", "gone.yaml"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 2
