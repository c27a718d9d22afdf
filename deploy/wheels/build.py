"""Builds one plain wheel from a checkout, then one more for each platform: the same with a compiled kernel in it.

setuptools builds in a copy, so that nothing of older builds gets in and nothing is left behind. The kernel needs no
Python.h, so one library serves every CPython of a processor (`_kernel.abi3.so`).
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from deploy.errors import DeployError, UsageError
from deploy.wheels.platforms import Platform, is_for
from edge_models.errors import RuntimeMissingError
from edge_models.spiking.compile import compile_kernel

PACKAGES = ("edge_models", "converter", "agent", "deploy")
KERNEL = Path("edge_models", "spiking", "_kernel.abi3.so")
_FILES = ("pyproject.toml", "README.md", "LICENSE")
_NOT_COPIED = shutil.ignore_patterns("__pycache__", "*.so", "*.egg-info")


def build_wheels(root: Path, output: Path, platforms: Iterable[Platform], say: Callable[[str], None]) -> list[Path]:
    """Build the plain wheel and those of the platforms.

    Args:
        root: A checkout.
        output: Folder for the wheels, made if missing; files of the same name are replaced.
        platforms: Which kernels to compile.
        say: Takes one line for each step that is done.

    Returns:
        The wheels, the plain one first.

    Raises:
        UsageError: ``root`` is no checkout.
        DeployError: setuptools or a compiler failed.
    """
    missing = [name for name in (*_FILES, *PACKAGES) if not (root / name).exists()]
    if missing:
        raise UsageError(f"{root} has no {missing[0]}, expected a checkout: run `python3 -m deploy wheels` inside one")
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="driftline-wheels-") as folder:
        work = Path(folder)
        unpacked = _unpacked_wheel(root, work)
        say("built the package")
        wheels = [_packed(unpacked, work / "none", output, ("any",))]
        for platform in platforms:
            kernel = _kernel(work, platform)
            (unpacked / KERNEL).write_bytes(kernel)
            wheels.append(_packed(unpacked, work / platform.name, output, platform.tags))
            say(f"compiled the kernel for {platform.name}: {len(kernel):,} bytes")
    return wheels


def _unpacked_wheel(root: Path, work: Path) -> Path:
    """The contents of a wheel of the checkout, without any kernel that this machine has compiled."""
    source = work / "source"
    for package in PACKAGES:
        shutil.copytree(root / package, source / package, ignore=_NOT_COPIED)
    for name in _FILES:
        shutil.copy2(root / name, source / name)
    _run("-m", "build", "--wheel", "--no-isolation", "--outdir", str(work / "built"), str(source))
    (wheel,) = (work / "built").glob("*.whl")
    _run("-m", "wheel", "unpack", "--dest", str(work / "unpacked"), str(wheel))
    (unpacked,) = (work / "unpacked").iterdir()
    for library in (unpacked / KERNEL).parent.glob("_kernel*"):
        library.unlink()
    return unpacked


def _kernel(work: Path, platform: Platform) -> bytes:
    """The kernel, compiled for a platform; another machine's kernel in a wheel would only show on that machine."""
    compiler = [sys.executable, "-m", "ziglang", "cc", "-target", platform.target, *platform.flags, "-s"]
    path = work / f"_kernel-{platform.name}.so"
    try:
        compile_kernel(path, compiler)
    except RuntimeMissingError as exc:
        raise DeployError(f"kernel for {platform.name}: {exc}") from exc
    library = path.read_bytes()
    if not is_for(library, platform):
        raise DeployError(f"the compiler gave no ELF file for {platform.name}, see {platform.target}")
    return library


def _packed(unpacked: Path, work: Path, output: Path, tags: Sequence[str]) -> Path:
    """Write the wheel with these platform tags; it appears under its name only when it is complete."""
    (metadata,) = unpacked.glob("*.dist-info/WHEEL")
    kept = [line for line in metadata.read_text().splitlines() if line and not line.startswith(("Tag:", "Root-Is"))]
    added = [f"Root-Is-Purelib: {'true' if tags == ('any',) else 'false'}", *(f"Tag: py3-none-{tag}" for tag in tags)]
    metadata.write_text("\n".join((*kept, *added, "")))
    work.mkdir()
    _run("-m", "wheel", "pack", "--dest-dir", str(work), str(unpacked))
    (wheel,) = work.glob("*.whl")
    part = output / f".{wheel.name}.part"
    shutil.copyfile(wheel, part)
    return part.rename(output / wheel.name)


def _run(*arguments: str) -> None:
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = (done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}").splitlines()
        raise DeployError(f"{' '.join(arguments[:3])} failed: {lines[-1]}")
