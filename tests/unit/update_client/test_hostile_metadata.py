"""Metadata that is damaged in any way ends a look with a word of ours, never with a traceback."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from deploy.registry import Registry
from edge_models.wire.results import REMEDIES
from tests.unit.update_client.fakes import Fault
from tests.unit.update_client.memory import memory_directory
from tests.unit.update_client.run_site import Site, built_registry

FILES = ("timestamp.json", "3.snapshot.json", "1.targets.json", "2.channels.json", "2.root.json")
Damage = Callable[[random.Random, bytes], bytes]


def flipped(rng: random.Random, data: bytes) -> bytes:
    found = bytearray(data or b"{}")
    for _ in range(rng.randint(1, 4)):
        found[rng.randrange(len(found))] ^= 1 << rng.randrange(8)
    return bytes(found)


def cut(rng: random.Random, data: bytes) -> bytes:
    return data[: rng.randrange(len(data) or 1)]


def repeated(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(len(data) or 1)
    return data[:at] + data[at:] * 2


def deep(rng: random.Random, _: bytes) -> bytes:
    return rng.choice([b"[", b'{"signed":', b'{"a":']) * 7000


def odd(rng: random.Random, data: bytes) -> bytes:
    values = [b"null", b"-1", b"1e999", b"NaN", b'"\\ud800"', b"9" * 5000, b"[]", b"{}", b"true"]
    at = data.find(b":", rng.randrange(len(data) or 1))
    return data[: at + 1] + rng.choice(values) + data[data.find(b",", at) :] if at >= 0 else rng.choice(values)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    registry, bundle = built_registry(tmp_path_factory.mktemp("built"))
    with memory_directory(tmp_path_factory.mktemp("state")) as directory:
        yield Site(directory, Registry(registry), bundle)


@settings(max_examples=150, deadline=None)
@given(
    name=st.sampled_from(FILES),
    damage=st.sampled_from([flipped, cut, repeated, deep, odd]),
    seed=st.integers(0, 1 << 32),
    knows_it=st.booleans(),
)
def test_damaged_metadata_is_refused_in_our_words(
    site: Site,
    name: str,
    damage: Damage,
    seed: int,
    knows_it: bool,
) -> None:
    shutil.rmtree(site.directory / "state", ignore_errors=True)
    site.transport.faults.clear()
    if knows_it:
        assert site.run("check")[-1]["event"] == "channel"
    path = f"/metadata/{name}"
    file = site.registry.public / "metadata" / name
    content = damage(random.Random(seed), file.read_bytes() if file.is_file() else b'{"signed":{"version":2}}')
    site.transport.fail(path, Fault(content=content, times=1000))

    last = site.run("check", timeout_s=1)[-1]

    event(str(last.get("code", "channel")))
    assert last["event"] in ("channel", "error")
    assert last["event"] == "channel" or last["code"] in REMEDIES
