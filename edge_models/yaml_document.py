r"""YAML as people write it in configurations and recipes, read so that a slip does not become another value.

PyYAML alone reads ``1e-3`` as a text (YAML 1.1 wants ``1.0e-3``) and silently takes the last of two equal keys.

>>> parse_yaml("rate: 1e-3")
{'rate': 0.001}
>>> parse_yaml("rate: 1\nrate: 2")
Traceback (most recent call last):
edge_models.errors.FieldError: rate: found the key again in line 2, expected it once
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any

from edge_models.errors import FieldError

if TYPE_CHECKING:
    import yaml

_FLOAT = re.compile(r"[-+]?[0-9][0-9_]*(\.[0-9_]*)?[eE][-+]?[0-9]+$")  # YAML 1.2.2, section 10.2.1.4


def parse_yaml(text: bytes | str) -> object:
    """The value of one YAML document; plain values only, no objects.

    Raises:
        FieldError: Not UTF-8, not YAML, nested too deep, or a key is there twice.
    """
    import yaml

    try:
        return yaml.load(text, Loader=_loader())  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, ValueError, RecursionError) as exc:  # ValueError: not UTF-8, or no such day
        raise FieldError("", f"what is not YAML ({' '.join(str(exc).split())})", "one YAML document") from exc


@functools.cache
def _loader() -> type[yaml.SafeLoader]:
    import yaml

    class Loader(yaml.SafeLoader):
        """SafeLoader without its two traps."""

        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - as PyYAML calls it
            seen = set()
            for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
                if (key.tag, key.value) in seen:
                    raise FieldError(key.value, f"the key again in line {key.start_mark.line + 1}", "it once")
                seen.add((key.tag, key.value))
            return super().construct_mapping(node, deep=deep)

    Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+0123456789"))
    return Loader
