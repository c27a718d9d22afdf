"""Leaving out a part of the standard library must not leave a trace."""

from __future__ import annotations

import subprocess
import sys

from agent.lean_import import without

PROBE = """
import sys
import agent.supervisor, agent.runner, agent.__main__
names = ("inspect", "ast", "email", "http.client", "urllib.request", "importlib.metadata", "yaml")
print(*sorted(name for name in names if name in sys.modules))
import urllib.request, inspect, dataclasses
print(urllib.request.urlopen.__name__, inspect.signature(dataclasses.replace))

@dataclasses.dataclass
class WithoutDocstring:
    x: int = 0

print(WithoutDocstring())
"""


def test_supervisor_does_without_http_email_yaml_and_inspect_and_others_still_get_them() -> None:
    run = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True)

    assert run.stdout.splitlines() == ["", "urlopen (obj, /, **changes)", "WithoutDocstring(x=0)"]


def test_module_that_is_loaded_already_is_left_alone() -> None:
    with without("json", unless="no_such_module"):
        assert hasattr(sys.modules["json"], "loads")


def test_module_that_is_needed_is_left_alone() -> None:
    with without("this_module_is_nowhere", unless="json"):
        assert "this_module_is_nowhere" not in sys.modules
