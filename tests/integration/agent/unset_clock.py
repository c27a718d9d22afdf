"""A clock that was never set, for a whole process and its children: a library that is loaded before all others."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* While the file is there it is the first of January 1970, at the right time of day. */
static time_t seen(time_t now) {
    const char *file = getenv("UNSET_CLOCK");
    return file && access(file, F_OK) == 0 ? now % 86400 : now;
}

int clock_gettime(clockid_t id, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int failed = real(id, now);
    if (!failed && id == CLOCK_REALTIME) now->tv_sec = seen(now->tv_sec);
    return failed;
}

time_t time(time_t *out) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out) *out = now.tv_sec;
    return now.tv_sec;
}

int gettimeofday(struct timeval *restrict out, void *restrict zone) {
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    out->tv_sec = now.tv_sec;
    out->tv_usec = now.tv_nsec / 1000;
    return 0;
}
"""


def compiler() -> str | None:
    """A C compiler, where there is one."""
    return shutil.which("cc")


def unset_clock(directory: Path) -> tuple[Path, dict[str, str]]:
    """A file whose removal sets the clock, and the environment of whom it is to concern."""
    source, library, file = directory / "clock.c", directory / "clock.so", directory / "clock-is-unset"
    source.write_text(SOURCE)
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl"], check=True)
    file.touch()
    return file, {"LD_PRELOAD": str(library), "UNSET_CLOCK": str(file)}
