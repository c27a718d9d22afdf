import numpy as np

from deploy.demo.streams import Stream
from deploy.demo.watch import Watch, accuracy, delivered_sources
from edge_models.manifest import BundleId
from edge_models.wire import (
    DriftReport,
    DriftState,
    ModelState,
    ModelVersion,
    Prediction,
    SampleMessage,
    SampleReason,
    UpdatePhase,
    encode_message,
)

OLD, NEW = BundleId("a" * 64), BundleId("b" * 64)
DRIFT_AT = 10


def watch() -> Watch:
    stream = Stream(
        x=np.zeros((40, 2, 2), np.uint8),
        y=np.arange(40) % 10,
        source=np.arange(40) + 100,
        drift_at=DRIFT_AT,
        drift="winter light",
    )
    return Watch({"pi-1": stream})


def predict(one: Watch, bundle: BundleId, position: int, label: int) -> None:
    message = Prediction(
        id=f"1-{position}", ts=None, up=0.0, bundle=bundle, position=position, label=label, confidence=1.0
    )
    one.record("driftline/pi-1/prediction", encode_message(message))


def drift(one: Watch, state: DriftState, position: int) -> None:
    one.record("driftline/pi-1/drift", encode_message(DriftReport(ts=None, up=0.0, state=state, position=position)))


def test_accuracy_is_counted_apart_before_in_and_after_the_drift() -> None:
    one = watch()
    for at in range(20):
        predict(one, OLD, at, at % 10 if at < DRIFT_AT else 99)
    for at in range(20, 40):
        predict(one, NEW, at, at % 10 if at % 2 else 99)

    shares, frames = accuracy(one.devices["pi-1"], old=OLD, new=NEW, taught={121})

    assert (shares.before, shares.drifted) == (1.0, 0.0)
    assert shares.after == 9 / 19
    assert frames == {"before": 10, "drifted": 10, "after": 19}


def test_a_delivered_picture_does_not_count_as_after() -> None:
    one = watch()
    sample = SampleMessage(
        id="1-25", ts=None, up=0.0, bundle=OLD, position=25, why=SampleReason.DRIFT, dtype="uint8", shape=(1,), x="AA=="
    )

    one.record("driftline/pi-1/sample", encode_message(sample))

    assert delivered_sources(one) == {125}


def test_alarms_count_as_early_only_before_the_drift() -> None:
    one = watch()
    for state, at in [
        (DriftState.SUSPECT, 4),
        (DriftState.OK, 8),
        (DriftState.SUSPECT, 15),
        (DriftState.REQUESTED, 30),
    ]:
        drift(one, state, at)

    assert one.devices["pi-1"].alarms_before_drift == 1
    assert one.devices["pi-1"].detected_at == 15


def test_a_repeated_retained_report_is_not_another_alarm() -> None:
    one = watch()
    drift(one, DriftState.SUSPECT, 4)
    drift(one, DriftState.SUSPECT, 4)

    assert one.devices["pi-1"].alarms_before_drift == 1


def test_only_a_proved_bundle_counts_as_committed() -> None:
    one = watch()
    for phase, committed in [(UpdatePhase.PROVISIONAL, False), (UpdatePhase.COMMITTED, True)]:
        state = ModelState(ts=None, up=0.0, phase=phase, installed=ModelVersion(bundle=NEW))
        one.record("driftline/pi-1/model/state", encode_message(state))
        assert one.devices["pi-1"].has_committed(NEW) is committed


def test_wrong_messages_are_counted_and_dropped() -> None:
    one = watch()

    one.record("driftline/pi-1/prediction", b"{")
    one.record("driftline/stranger/prediction", b"{}")
    one.record("elsewhere", b"{}")

    assert one.refused == 3
    assert one.devices["pi-1"].frame == -1
