"""How an update can end, and for every code of an error the one sentence that says what to do about it.

Device and fleet read the same table: the device puts the remedy into what it sends, so that an older console can show
what a newer device means. A test walks the source of the agent and finds each code that it uses here.

    >>> remedy("no_space")
    'Free space under state_dir, or lower mqtt.outbox_bytes; the next look at the channel tries again.'
    >>> remedy("a_code_of_a_newer_device")
    ''
"""

from __future__ import annotations

from enum import StrEnum


class Outcome(StrEnum):
    """What an update has changed on the device, for people and rollouts."""

    SUCCESSFUL = "successful"  # the target runs, and has proved itself
    ALREADY_INSTALLED = "already_installed"  # it ran before it was asked for
    REJECTED = "rejected"  # the target is bad, or not for this device; nothing was changed
    FAILED_NO_CHANGE = "failed_no_change"  # something else stood in the way; nothing was changed
    FAILED_ROLLED_BACK = "failed_rolled_back"  # the target ran, failed, and the last good model runs again
    FAILED_NOTHING_TO_ROLL_BACK_TO = "failed_nothing_to_roll_back_to"  # it failed, and there was none before it
    ROLLED_BACK_BY_OPERATOR = "rolled_back_by_operator"  # somebody wanted the model before
    SUPERSEDED = "superseded"  # it made room for a newer target
    WITHDRAWN = "withdrawn"  # the running model is wanted after all


_AGAIN = "the next look at the channel tries again."
_REBUILD = "publish one that is mended"
REMEDIES: dict[str, str] = {
    # Looking at the channel, and downloading.
    "network": f"Look at the line to update.url and at the registry; {_AGAIN}",
    "deadline": "Nothing if it is rare: what is here is kept and the next try goes on; else raise download_timeout_s.",
    "timeout": f"Look at the line and at download_timeout_s; what is here is kept and {_AGAIN}",
    "interrupted": f"Look in the log for what ended the child, such as a lack of memory; {_AGAIN}",
    "restarts": f"Look for power cuts and in the log for what ended the agent; what is here is kept and {_AGAIN}",
    "http": "Look at update.url, and whether the registry serves that file.",
    "signature": "Look at update.root and for somebody in between; provision the device again after a change of keys.",
    "rollback": "Look for a registry restored from an old copy, or for an attack; publish with higher versions.",
    "expired": "Run driftline-fleet registry renew, and look at the clocks of device and registry.",
    "not_published": "Publish the bundle, or set the channel to one that is published.",
    "not_listed": "List the bundle in the signed channel, or take the hint back.",
    "deadline_passed": "Set desired again with a later deadline, or none.",
    "clock_unknown": "Give the device a time server, or set desired without a deadline.",
    "no_registry": "Add an update section to agent.yaml.",
    "budget": "Wait until the daily budget is there again, or raise update.max_bytes_per_day.",
    "content": f"Look for a proxy that changes files, and at the registry's disk; else {_REBUILD}.",
    "unfit": "Publish a bundle of this model with an artifact for the runtimes that the device's meta names.",
    "too_large": "Raise update.max_bundle_bytes, or publish a smaller bundle.",
    "no_space": "Free space under state_dir, or lower mqtt.outbox_bytes; the next look at the channel tries again.",
    "storage": f"Look at the disk under state_dir (full, read-only, worn out); {_AGAIN}",
    "job": "Look in the device's log: a child could not be started or said nothing of use.",
    # Before it may run.
    "serial": "Publish the channel again: it lists another serial than the bundle's manifest has.",
    "verifying_timeout": "Look at the disk's speed, or raise update.self_test_timeout_s.",
    "self_test_timeout": "Raise update.self_test_timeout_s, or publish a smaller model.",
    "self_test": f"Look at runtime and processor: the golden outputs differ; else {_REBUILD}.",
    "candidate_died": "Look in the device's log for the reason, such as memory or a runtime that aborts.",
    # Beside the active model.
    "not_finite": f"The model gives NaN or infinity on live input; {_REBUILD}.",
    "constant": f"The model answers every input alike; {_REBUILD}.",
    "drifts": "Its own profile does not fit the live input: train on samples of this site.",
    "labels": "It is worse on labelled input than the model that runs: train on samples of this site.",
    "too_slow": "Publish a smaller model or a faster artifact, or raise max_slowdown.",
    "memory": "Publish a smaller model, or raise update.shadow.max_memory_mb.",
    "disagrees": "Look at its labels and preprocessing, or name the request that it answers; or lower min_agreement.",
    "no_traffic": "Give the source frames, or set update.shadow.without_traffic to proceed.",
    # As the active model.
    "not_ready": "Look in the device's log why the model does not load.",
    "worker_died": "Look in the device's log for the reason, such as memory or a runtime that aborts.",
    "golden": f"The running model no longer gives its golden outputs: look at memory and runtime; else {_REBUILD}.",
    "confidence": "It is far less sure on live input than on its profile: train on samples of this site.",
    "crash_loop": f"Look in the device's log why its process dies; then {_REBUILD}, or cmd/install to try it again.",
    "damaged": "Look at the disk: the bundle's files are no longer what was signed; it is fetched again.",
    "lost": "Look at the disk: the bundle's files are gone; it is fetched again.",
    "attempts": "Look in the device's log for what restarted it in the middle of the update.",
    "loop": "Report it with the device's log: an update went round in circles and was stopped.",
    "operator": "Nothing: somebody asked for it; the next revision of the channel, or cmd/install, brings it back.",
    # Replies to commands.
    "bad_args": "Correct the arguments as the message says.",
    "nothing_to_roll_back_to": "Install another bundle first; the one before it is then kept.",
    "no_request": "Nothing: there is no open request.",
    "no_drift": "Wait until drift is confirmed.",
    "unknown_drift": "Use a name under which a drift was kept.",
    "no_adaptation": "Add an adaptation section to agent.yaml.",
    "no_samples": "Set samples.enabled in agent.yaml.",
    "no_budget": "Wait a day, or raise samples.budget_per_day.",
}


def remedy(code: str) -> str:
    """What to do about an error; empty for a code that is not known here."""
    return REMEDIES.get(code, "")
