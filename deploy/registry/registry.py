"""A registry in a directory: publish bundles, set channels, keep signatures fresh.

    DIR/root.json         trusted root for devices          DIR/public/metadata   TUF metadata, the HTTP server's
    DIR/registry.json     settings                          DIR/public/targets    manifests, channels, blobs/<sha256>
    DIR/keys/{offline,online}/*.pem                         DIR/bundles           published bundles, put together again

Everything is written before timestamp.json, whose replacement publishes all of it at once; killed before that, nothing
has happened. The metadata itself is in ``deploy.registry.metadata``, HTTP in ``deploy.registry.server``.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import shutil
import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Self

from deploy.clock import Clock, SystemClock
from deploy.registry.catalog import Published, check_channel, find_bundle, list_bundle, published
from deploy.registry.errors import (
    RegistryDamagedError,
    RegistryExistsError,
    RegistryMissingError,
    UnknownBundleError,
)
from deploy.registry.files import copy_durable, locked, sync_directory, write_durable
from deploy.registry.metadata import DELEGATED, MetadataStore, SignedFile, State
from deploy.registry.rotation import rotate
from deploy.registry.settings import MAX_SETTINGS_BYTES, OFFLINE_ROLES, ONLINE_ROLES, Layout, Lifetimes, Settings
from edge_models.bundle import Bundle, check_bytes, open_bundle
from edge_models.channel import Channel, channel_target, manifest_target
from edge_models.errors import BundleError, FieldError, IntegrityError
from edge_models.manifest import MANIFEST_NAME, BundleId, FileEntry, Manifest, short

log = logging.getLogger(__name__)

_DAY_S = 86400.0
_WARN_S = 30 * _DAY_S


class Registry:
    """An existing registry.

    Args:
        directory: Where ``create`` made it.
        clock: For expiry dates and for waiting on another publisher.

    Raises:
        RegistryMissingError: There is none.
    """

    def __init__(self, directory: Path, *, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._layout = Layout(directory=directory)
        try:
            with self._layout.settings.open("rb") as stream:
                settings = Settings.from_bytes(stream.read(MAX_SETTINGS_BYTES))
        except OSError as exc:
            raise RegistryMissingError(
                f"{directory}: no registry here ({exc.strerror}); "
                f"make one with `driftline-fleet registry init {directory}`"
            ) from exc
        except FieldError as exc:
            raise RegistryDamagedError(f"{self._layout.settings}: {exc}; restore it from a backup") from exc
        self._metadata = MetadataStore(self._layout, settings.expiry_days, self._clock)

    @classmethod
    def create(cls, directory: Path, *, lifetimes: Lifetimes | None = None, clock: Clock | None = None) -> Self:
        """Make a registry with new keys; ``directory`` must not exist or be empty, and is whole or untouched after.

        Raises:
            RegistryExistsError: The directory is taken.
        """
        if directory.exists() and not (directory.is_dir() and not any(directory.iterdir())):
            raise RegistryExistsError(f"{directory}: exists and is not an empty directory; choose another one")
        directory.parent.mkdir(parents=True, exist_ok=True)
        lifetimes = lifetimes or Lifetimes()
        staging = Path(tempfile.mkdtemp(prefix=f".{directory.name}.", dir=directory.parent))
        try:
            layout = Layout(directory=staging)
            MetadataStore(layout, lifetimes, clock or SystemClock()).create()
            layout.targets.mkdir(parents=True)
            write_durable(layout.settings, Settings(expiry_days=lifetimes).to_bytes())
            staging.chmod(0o755)
            staging.replace(directory)
            sync_directory(directory.parent)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        return cls(directory, clock=clock)

    @property
    def directory(self) -> Path:
        """Where the registry lies."""
        return self._layout.directory

    @property
    def trusted_root(self) -> Path:
        """root.json for devices: version 1, from which they follow every later rotation."""
        return self._layout.trusted_root

    @property
    def public(self) -> Path:
        """The only folder that may be served."""
        return self._layout.public

    def publish(self, bundle_directory: Path) -> BundleId:
        """Check, copy and sign a bundle; publishing the same one again changes nothing.

        Raises:
            BundleError: The bundle is not what its manifest says.
            SerialError: Another bundle of the model has this serial or a higher one.
        """
        bundle = open_bundle(bundle_directory)
        with self._locked():
            state = self._metadata.load()
            is_new = bundle.id not in published(state)
            manifest = FileEntry(size=(bundle.directory / MANIFEST_NAME).stat().st_size, sha256=bundle.id)
            if is_new:
                list_bundle(state, bundle.id, bundle.manifest, manifest.size)
            self._copy(bundle, manifest)
            if is_new:
                self._metadata.commit(state, changed=("bundles",))
        return bundle.id

    def bundles(self, model: str | None = None) -> tuple[Published, ...]:
        """Published bundles, of one model or of all, by model and serial."""
        found = [item for item in published(self._metadata.load()).values() if model in (None, item.model)]
        return tuple(sorted(found, key=lambda item: (item.model, item.serial)))

    def next_serial(self, model: str) -> int:
        """The serial that the next bundle of ``model`` needs at least."""
        return max((item.serial for item in self.bundles(model)), default=0) + 1

    def find(self, prefix: str) -> Published:
        """The published bundle whose id starts with ``prefix``.

        Raises:
            UnknownBundleError: None does, or several.
        """
        return find_bundle(self._metadata.load(), prefix)

    def manifest(self, bundle: BundleId) -> Manifest:
        """The manifest of a published bundle.

        Raises:
            UnknownBundleError: It is not published.
        """
        data = self._read(self._metadata.load(), "bundles", manifest_target(bundle))
        if data is None:
            raise UnknownBundleError(f"bundle {short(bundle)}: not published here; publish it first")
        return Manifest.from_bytes(data)

    def bundle_dir(self, bundle: BundleId) -> Path:
        """A published bundle as a directory to read from; it is put together on first use.

        Raises:
            UnknownBundleError: It is not published.
        """
        manifest = self.manifest(bundle)
        directory = self._layout.materialised(bundle)
        with contextlib.suppress(BundleError):
            return open_bundle(directory, expected_id=bundle).directory
        directory.parent.mkdir(exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{short(bundle)}.", dir=directory.parent))
        try:
            for name, entry in manifest.files.items():
                copy_durable(self._layout.blob(entry.sha256), staging / name, entry)
            shutil.copyfile(self._layout.target(manifest_target(bundle), bundle), staging / MANIFEST_NAME)
            staging.chmod(0o755)
            with self._locked():
                shutil.rmtree(directory, ignore_errors=True)
                staging.replace(directory)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        return open_bundle(directory, expected_id=bundle).directory

    def set_channel(self, channel: Channel) -> None:
        """Publish what the devices of a channel should run.

        Raises:
            UnknownBundleError: It lists a bundle that is not published.
            ChannelError: It lists a bundle of another model or with another serial, or its rev is not above the
                present one (somebody else changed the channel meanwhile).
        """
        self.change_channel(channel.model, channel.channel, lambda _: channel)

    def change_channel(self, model: str, name: str, change: Callable[[Channel | None], Channel]) -> Channel:
        """Replace a channel by ``change(present)``, with nobody else in between.

        Args:
            model: The model slot.
            name: The channel.
            change: Gets the present document, or None, and returns the new one.

        Raises:
            UnknownBundleError: As for ``set_channel``.
            ChannelError: As for ``set_channel``.
        """
        with self._locked():
            state = self._metadata.load()
            present = self._channel(state, model, name)
            channel = change(present)
            if channel == present:
                return channel
            check_channel(channel, present, state)
            data, path = channel.to_bytes(), channel_target(model, name)
            file = SignedFile(size=len(data), sha256=hashlib.sha256(data).hexdigest())
            write_durable(self._layout.target(path, file.sha256), data)
            state.list_file("channels", path, file)
            self._metadata.commit(state, changed=("channels",))
            return channel

    def channel(self, model: str, name: str) -> Channel | None:
        """A channel's present document, or None."""
        return self._channel(self._metadata.load(), model, name)

    def channels(self, model: str | None = None) -> tuple[Channel, ...]:
        """All channels, of one model or of all."""
        state = self._metadata.load()
        names = [path.removesuffix(".json").split("/")[1:] for path in sorted(state.files("channels"))]
        found = [self._channel(state, owner, name) for owner, name in names if model in (None, owner)]
        return tuple(channel for channel in found if channel is not None)

    def expiries(self) -> dict[str, datetime]:
        """When the metadata of each role expires."""
        return self._metadata.load().expiries()

    def renew(self, *, offline: bool = False) -> dict[str, datetime]:
        """Sign everything anew that online keys sign, so that it does not expire.

        Args:
            offline: Also root and targets, whose offline keys must be here for that.

        Returns:
            When the metadata of each role expires now.
        """
        with self._locked():
            state = self._metadata.load()
            changed = (*DELEGATED, "targets") if offline else DELEGATED
            self._metadata.commit(state, changed=tuple(changed), root=offline)
            return state.expiries()

    def rotate(self, role: str) -> dict[str, datetime]:
        """Give an online role a new key, which the offline keys have to say; see ``rotation``."""
        with self._locked():
            return rotate(self._metadata, self._layout, role)

    def keep_fresh(self) -> None:
        """Renew if an online role has less than half of its lifetime left; a server calls this now and then.

        What only offline keys can renew is told of in the log, in its last month.
        """
        state = self._metadata.load()
        left_s = min(state.expiries()[role].timestamp() for role in OFFLINE_ROLES) - self._clock.unix_s()
        if left_s < _WARN_S:
            log.warning(
                "root and targets expire in %d days, after which devices take no updates: bring keys/offline here and "
                "run `driftline-fleet registry renew --offline --registry %s`",
                max(left_s // _DAY_S, 0),
                self.directory,
            )
        if any(self._metadata.due(state, role) for role in ONLINE_ROLES):
            log.info("registry renews signatures directory=%s", self.directory)
            self.renew()

    def _locked(self) -> contextlib.AbstractContextManager[None]:
        return locked(self._layout.lock, self._clock)

    def _copy(self, bundle: Bundle, manifest: FileEntry) -> None:
        for name, entry in bundle.manifest.files.items():
            copy_durable(bundle.path(name), self._layout.blob(entry.sha256), entry)
        target = self._layout.target(manifest_target(bundle.id), bundle.id)
        copy_durable(bundle.directory / MANIFEST_NAME, target, manifest)

    def _channel(self, state: State, model: str, name: str) -> Channel | None:
        data = self._read(state, "channels", channel_target(model, name))
        return None if data is None else Channel.from_bytes(data)

    def _read(self, state: State, role: str, path: str) -> bytes | None:
        signed = state.files(role).get(path)
        if signed is None:
            return None
        file = self._layout.target(path, signed.sha256)
        try:
            with file.open("rb") as stream:
                data = stream.read(signed.size + 1)
            check_bytes(file.name, data, FileEntry(size=signed.size, sha256=signed.sha256))
        except (OSError, IntegrityError) as exc:
            raise RegistryDamagedError(f"{file}: not what was signed ({exc}); restore it from a backup") from exc
        return data
