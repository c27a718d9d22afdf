"""The registry: signed bundles and channels in a directory, and the HTTP server in front of it.

Registry.create(directory)              keys, settings and first metadata
registry = Registry(directory)
registry.publish(bundle_directory)      a new bundle, signed by the publisher's key
registry.set_channel(channel)           what devices should run, signed by the channel key
"""

from __future__ import annotations

from deploy.registry.catalog import Published
from deploy.registry.errors import RegistryError
from deploy.registry.registry import Registry
from deploy.registry.settings import Lifetimes

__all__ = ["Lifetimes", "Published", "Registry", "RegistryError"]
