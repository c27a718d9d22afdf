"""Nets and bundles of the benchmark: shipped recipes, on pictures that went through the benchmark's camera.

A trained net is kept by the digest of its recipe; its bundle is made anew in each run, by the converter as it is.
"""

from __future__ import annotations

import dataclasses
import re
import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converter.preparation import Prepared, prepare
from converter.recipe import load_recipe
from edge_models.bundle import Bundle, open_bundle
from tests.benchmarks.conversion.place import CACHE, Place
from tests.benchmarks.conversion.tasks import Task, built
from tests.benchmarks.drifts.camera import Camera, Frames

KNOWN = 52_500  # of Fashion-MNIST; 50,000 teach and choose, and with the test part they are the profile's reference
FASHION = "fashion_mnist_60k.npz"
STRANGER, HEARD = "nicolas", ("george", "jackson", "lucas")
NO_GROUPS = "dataset.test_groups=[]"
YEAR_DAYS = 365.25


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scenes:
    """Pictures without a camera: those that are in no part of the data set (n, 28, 28), and their classes (n,)."""

    x: Frames
    y: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Held:
    """Examples that neither net nor profile knows: x (n, ...) as a build takes them, classes (n,), groups (n,)."""

    x: NDArray[Any]
    y: NDArray[np.int64]
    group: NDArray[np.str_]


class Nets:
    """Makes what is not kept."""

    def __init__(self, place: Place) -> None:
        """Kept in a folder of their own."""
        self._place = dataclasses.replace(place, cache=CACHE.with_name("drift"))

    @cached_property
    def scenes(self) -> Scenes:
        """Clothes that neither net nor profile knows, each picture once."""
        with np.load(self._place.data / FASHION) as arrays:
            x, y = arrays["x"], arrays["y"]
        known = {picture.tobytes() for picture in x[:KNOWN]}
        fresh: dict[bytes, int] = {}
        for row in range(KNOWN, len(x)):
            key = x[row].tobytes()
            if key not in known:
                fresh.setdefault(key, row)
        rows = np.array(list(fresh.values()))
        return Scenes(x=x[rows], y=y[rows].astype(np.int64))

    def image(self) -> tuple[Bundle, Prepared]:
        """The recipe `fashion_mnist` behind the camera."""
        source = self._seen()
        return self._both(Task(name="drift_image", recipe="fashion_mnist", overrides=(f"dataset.source=npz:{source}",)))

    def audio(self) -> tuple[Bundle, Prepared, Held]:
        """Spoken digits of three speakers; held out are a fifth of their takes and a fourth speaker."""
        pattern = rf"dataset.pattern='(?P<label>\d)_(?P<group>(?:{'|'.join(HEARD)})_[123]?)\d\.wav$'"
        bundle, prepared = self._both(Task(name="drift_audio", recipe="fsdd", overrides=(pattern, NO_GROUPS)))
        everything = prepare(load_recipe("fsdd", (), self._place.named), self._place.progress).data
        assert everything.group is not None
        names = np.array(everything.groups)[everything.group]
        is_new = np.array([name.startswith(STRANGER) or name.endswith("_4") for name in names])
        held = Held(x=everything.x[is_new], y=everything.y[is_new].astype(np.int64), group=names[is_new])
        return bundle, prepared, held

    def sensor(self) -> tuple[Bundle, Prepared, Held]:
        """Vibration of bearings; held out is the last quarter of each recording."""
        with np.load(self._place.data / "cwru_1797_DE48.npz") as arrays:
            recordings = {name: arrays[name] for name in arrays.files}
        path = self._folder / "cwru-first.npz"
        ends = {name: len(values) * 3 // 4 for name, values in recordings.items() if values.ndim}
        np.savez(path, **{name: recordings[name][:end] for name, end in ends.items()})
        bundle, prepared = self._both(
            Task(name="drift_sensor", recipe="cwru", overrides=(f"dataset.source=signals:{path}",))
        )
        labels = [re.sub(r"^1797_(Normal|(?:IR|OR_at_6|B)_\d+).*", r"\1", name) for name in ends]
        rests = [recordings[name][end:].reshape(-1, 1) for name, end in ends.items()]
        x = np.concatenate([rest[row : row + 512][None] for rest in rests for row in range(0, len(rest) - 511, 256)])
        y = np.concatenate(
            [
                np.full(len(range(0, len(rest) - 511, 256)), bundle.manifest.labels.index(label))
                for rest, label in zip(rests, labels, strict=True)
            ]
        )
        return bundle, prepared, Held(x=x.astype(np.float32), y=y, group=y.astype(str))

    def pump(self) -> tuple[Bundle, Prepared, Held]:
        """The healthy pump of SKAB; held out are the last eight runs, with their valves."""
        bundle, prepared = self._both(Task(name="drift_pump", recipe="skab"))
        data, test = prepared.data, prepared.parts.test
        assert data.group is not None
        return bundle, prepared, Held(x=data.x[test], y=data.y[test], group=np.array(data.groups)[data.group[test]])

    def weather(self) -> tuple[Bundle, Prepared, Held]:
        """Rain in Nebraska; held out is every fourth year: the change is the season's, not the decade's."""
        with zipfile.ZipFile(self._place.data / "drift_weather_elec2.zip") as archive:
            files = {Path(name).name: name for name in archive.namelist()}
            x = np.loadtxt(archive.open(files["NEweather_data.csv"]), delimiter=",", dtype=np.float32)
            y = np.loadtxt(archive.open(files["NEweather_class.csv"]), delimiter=",").astype(np.int64)
        y -= y.min()
        day = np.arange(len(x))
        is_new = (day / YEAR_DAYS).astype(int) % 4 == 3
        path = self._folder / "weather-known.npz"
        np.savez(path, x=x[~is_new], y=y[~is_new])
        overrides = (f"dataset.source=npz:{path}", "dataset.label_file=null", "dataset.test_from=null")
        bundle, prepared = self._both(Task(name="drift_tabular", recipe="weather", overrides=overrides))
        season = ((day % YEAR_DAYS) // (YEAR_DAYS / 4)).astype(int).astype(str)
        return bundle, prepared, Held(x=x[is_new], y=y[is_new], group=season[is_new])

    @property
    def _folder(self) -> Path:
        path = self._place.cache / "data"
        path.mkdir(parents=True, exist_ok=True)
        return path

    def _both(self, task: Task) -> tuple[Bundle, Prepared]:
        recipe = load_recipe(task.recipe, task.overrides, self._place.named)
        return self._built(task), prepare(recipe, self._place.progress)

    def _built(self, task: Task) -> Bundle:
        directory = built(task, self._place).bundle
        assert directory is not None
        return open_bundle(directory)

    def _seen(self) -> Path:
        path = self._folder / f"fashion-camera-{KNOWN}.npz"
        if not path.exists():
            with np.load(self._place.data / FASHION) as arrays:
                x, y = arrays["x"], arrays["y"]
            np.savez(path, x=Camera().seen(x[:KNOWN], np.random.default_rng(7)), y=y[:KNOWN])
        return path
