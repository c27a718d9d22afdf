"""The one file that knows River: its detectors and statistics without the modules that nobody here asked for.

``import river.drift`` runs a package that imports every detector, one of which wants scipy.stats (and with it pandas
where that is installed): 107 to 167 MB for a detector that needs 5. ``import river.stats`` costs 11 MB more than numpy
for the same reason. So both packages are put into ``sys.modules`` as lazy ones that read from River's own
``__init__.py`` where each public name comes from, and import that module only when the name is asked for. They answer
to every public name, so code that imports them in the ordinary way does not notice.

This leans on River's layout, not on its API: tests/integration/agent_worker holds it against the installed River, and
where it does not fit (``PackageLayoutError``) the ordinary import takes over, at its ordinary cost.
"""

from __future__ import annotations

import ast
import functools
import importlib
import importlib.util
import sys
import types
from pathlib import Path
from typing import Any, Protocol, cast

from agent.worker.errors import DetectorError, PackageLayoutError

DRIFT = "river.drift"
BINARY = "river.drift.binary"
STATS = "river.stats"


class ChangeDetector(Protocol):
    """What a detector of River offers here: one number at a time, and whether the last one was a change."""

    @property
    def drift_detected(self) -> bool:
        """Whether the last update found a change."""

    def update(self, x: float) -> object:
        """Take one value (a bool for binary detectors)."""


class Statistic(Protocol):
    """A running statistic of River over one number at a time."""

    def update(self, x: float) -> object:
        """Take one value."""

    def get(self) -> float | None:
        """The value so far; River gives 0 or None before the first update."""


class _LazyPackage(types.ModuleType):
    """A package that imports the module behind a public name when the name is asked for."""

    def __init__(self, name: str, file: str, path: list[str], origins: dict[str, str | None]) -> None:
        super().__init__(name)
        self.__file__ = file
        self.__path__ = path
        self.__package__ = name
        self.__all__ = list(origins)
        self._origins = origins

    def __getattr__(self, name: str) -> object:
        origins: dict[str, str | None] = self.__dict__["_origins"]
        if name not in origins:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        module = origins[name]
        if module is None:
            value: object = importlib.import_module(f"{self.__name__}.{name}")
        else:
            value = getattr(importlib.import_module(f"{self.__name__}.{module}"), name)
        setattr(self, name, value)
        return value


@functools.cache
def is_installed() -> bool:
    """Whether River is here and can be loaded; it has no wheels for 32-bit systems."""
    try:
        return hasattr(_package(STATS), "Mean")
    except ImportError:
        return False


def statistic(name: str, **parameters: object) -> Statistic:
    """A fresh River statistic, such as ``statistic("Mean")``; ``name`` is one of River's own.

    Examples:
        >>> mean = statistic("Mean")
        >>> for value in (1.0, 2.0, 6.0):
        ...     _ = mean.update(value)
        >>> mean.get()
        3.0
    """
    return cast("Statistic", _load(STATS, name)(**parameters))


def detector_names() -> tuple[str, ...]:
    """Names of the detectors in the installed River, in the spelling that a configuration may use."""
    return tuple(sorted(_spelled(name) for name in _classes()))


def canonical_name(name: str) -> str:
    """The spelling of ``detector_names`` for any usual one, such as ``adwin`` for ``ADWIN``.

    Raises:
        DetectorError: River has no such detector.
    """
    return _spelled(_find(name)[1])


def is_binary(name: str) -> bool:
    """Whether the detector takes errors (true or false) and so needs labels.

    Raises:
        DetectorError: River has no such detector.
    """
    return _find(name)[0] == BINARY


def detector(name: str, **parameters: object) -> ChangeDetector:
    """A fresh River detector.

    Args:
        name: As ``adwin``, ``page_hinkley`` or ``PageHinkley``.
        parameters: Its constructor's parameters.

    Raises:
        DetectorError: River has no such detector, or it refuses the parameters.

    Examples:
        >>> adwin = detector("adwin", delta=0.002)
        >>> for position, value in enumerate([0.0] * 200 + [1.0] * 100):
        ...     _ = adwin.update(value)
        ...     if adwin.drift_detected:
        ...         print(position)
        223
    """
    package, spelling = _find(name)
    try:
        return cast("ChangeDetector", _load(package, spelling)(**parameters))
    except (TypeError, ValueError) as exc:
        raise DetectorError(
            f"drift detector {name}: found parameters {', '.join(parameters) or 'none'}, expected those of River's "
            f"{spelling} ({exc})"
        ) from exc


def _find(name: str) -> tuple[str, str]:
    for spelling, package in _classes().items():
        if _key(spelling) == _key(name):
            return package, spelling
    raise DetectorError(f"drift detector: found {name!r}, expected one of {', '.join(detector_names())}")


def _key(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def _spelled(name: str) -> str:
    parts = ["_" + char if char.isupper() and i and not name[i - 1].isupper() else char for i, char in enumerate(name)]
    return "".join(parts).lower().replace("__", "_")


def _classes() -> dict[str, str]:
    """Package of each detector class; helpers of River that are no detectors of a change are left out.

    Raises:
        DetectorError: River is not installed.
    """
    if not is_installed():
        raise DetectorError(
            "drift detectors of River: found no River that can be loaded, expected one; install the extra agent "
            "(64-bit systems only), or name e_bank, class_prior or error_rate"
        )
    found: dict[str, str] = {}
    for package in (DRIFT, BINARY):
        names = getattr(_package(package), "__all__", [])
        found |= {name: package for name in names if name[:1].isupper() and name not in _NOT_DETECTORS}
    return found


_NOT_DETECTORS = {"DriftRetrainingClassifier", "DummyDriftDetector", "NoDrift", "PeriodicTrigger"}


def _load(package: str, name: str) -> Any:  # noqa: ANN401 - a class of River, which has no common type
    try:
        return getattr(_package(package), name)
    except (ImportError, AttributeError) as exc:
        _forget(package)
        module = importlib.import_module(package)
        if not hasattr(module, name):
            raise DetectorError(
                f"River has no {package}.{name} ({exc}); install the version that the extra names"
            ) from exc
        return getattr(module, name)


def _package(name: str) -> types.ModuleType:
    """The package as it is if somebody imported it, else a lazy one, else the ordinary import."""
    if name in sys.modules:
        return sys.modules[name]
    try:
        return _install_lazy(name)
    except PackageLayoutError:
        return importlib.import_module(name)


def _install_lazy(name: str) -> types.ModuleType:
    parent, _, leaf = name.rpartition(".")
    for needed in (parent, STATS):  # detectors import river.stats by themselves, and would load all of it
        if needed not in ("river", name):
            _package(needed)
    spec = importlib.util.find_spec(name)  # does not run the package itself, only what is above it
    if spec is None or spec.origin is None or not spec.submodule_search_locations:
        raise PackageLayoutError(f"{name} is not a package with an __init__.py")
    package = _LazyPackage(name, spec.origin, list(spec.submodule_search_locations), _origins(Path(spec.origin)))
    package.__spec__ = spec
    sys.modules[name] = package
    setattr(sys.modules[parent], leaf, package)
    return package


def _origins(init: Path) -> dict[str, str | None]:
    """Public names of a package and the module each comes from (None: the name is a module), read from its source."""
    try:
        tree = ast.parse(init.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError) as exc:
        raise PackageLayoutError(f"{init}: {exc}") from exc
    origins: dict[str, str | None] = {}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.level == 1:
            origins |= {alias.asname or alias.name: node.module for alias in node.names}
    if not origins:
        raise PackageLayoutError(f"{init} imports nothing from its own modules")
    return origins


def _forget(package: str) -> None:
    if isinstance(sys.modules.get(package), _LazyPackage):
        del sys.modules[package]
