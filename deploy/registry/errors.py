"""Everything that can go wrong with a registry.

    RegistryError (a DeployError; exit code 1)
    |-- RegistryBusyError            another process holds the registry's lock
    |-- RegistryDamagedError         files of the registry are missing or do not fit together
    `-- RegistryUsageError           what was asked for cannot be done; exit code 2
        |-- RegistryMissingError     there is no registry in that directory
        |-- RegistryExistsError      there is one already, or something else is
        |-- SigningKeyError          a private key is missing, readable by others or not the one that devices trust
        |-- SerialError              a bundle's serial is not above those that are published
        |-- UnknownBundleError       no such bundle is published
        `-- ChannelError             a channel's content is refused

A bundle that is bad in itself is an edge_models.errors.BundleError.
"""

from __future__ import annotations

from deploy.errors import EXIT_USAGE, DeployError


class RegistryError(DeployError):
    """Base of all errors of the registry."""


class RegistryBusyError(RegistryError):
    """Another process is publishing; try again."""


class RegistryDamagedError(RegistryError):
    """The registry's own files are damaged; restore them from a backup."""


class RegistryUsageError(RegistryError):
    """The request cannot be met as it stands; whoever made it can change it."""

    exit_code = EXIT_USAGE


class RegistryMissingError(RegistryUsageError):
    """No registry in that directory; make one with ``registry init``."""


class RegistryExistsError(RegistryUsageError):
    """The directory is taken; choose another one."""


class SigningKeyError(RegistryUsageError):
    """A private key cannot be used; bring the right key file to this machine, readable by its owner only."""


class SerialError(RegistryUsageError):
    """A serial would go backwards; build the bundle again with a higher one."""


class UnknownBundleError(RegistryUsageError):
    """A bundle is named that is not published; publish it first."""


class ChannelError(RegistryUsageError):
    """A channel would be inconsistent, or was changed by somebody else meanwhile; read it again."""
