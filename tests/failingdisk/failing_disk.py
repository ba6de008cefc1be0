"""Lets system calls of a program fail, by the library libfailingdisk.so.

    disk = FailingDisk(bin_dir, path_of_control_file, [path_prefix, ...])
    start_a_program(environment=disk.environment())
    disk.fail(["write"], errno.ENOSPC, skip=3, count=1)     # and again, at any time
    disk.heal()

Also while the program runs, which reads the control file as it goes: a file that
both map. plan.h says what the fields are.
"""

import mmap
import os
import pathlib
import struct

CLASSES = ("write", "sync", "sync_range", "rename", "link", "unlink", "truncate", "allocate",
           "create", "open", "mkdir", "read", "close", "stat", "list", "lock")
# What changes the disk; when it has become read-only, or full, all of these fail.
CHANGES = ("write", "sync", "rename", "link", "unlink", "truncate", "allocate", "create",
           "mkdir")
EFFECTS = {"nothing": 0, "done": 1, "short": 2, "lost": 3}
FOR_EVER = 1 << 62

_MATCHED, _FAILED, _CALLS = 48, 56, 64
_FIRST_FAILURE = _CALLS + 8 * len(CLASSES)
_SIZE = _FIRST_FAILURE + 512


class FailingDisk:
    """Fails nothing and counts nothing before it is told to."""

    def __init__(self, bin_dir, control_path, prefixes):
        self.library = pathlib.Path(bin_dir) / "libfailingdisk.so"
        if not self.library.exists():
            raise RuntimeError(f"{self.library} is not there: build the target failingdisk")
        self.control_path = pathlib.Path(control_path)
        self.prefixes = [str(prefix) for prefix in prefixes]
        self.lost_path.unlink(missing_ok=True)
        with open(self.control_path, "w+b") as file:
            file.truncate(_SIZE)
            self._control = mmap.mmap(file.fileno(), _SIZE)

    @property
    def lost_path(self):
        return self.control_path.with_name(self.control_path.name + ".lost")

    def environment(self):
        """What the program needs in its environment."""
        return {"LD_PRELOAD": str(self.library),
                "FAILING_DISK_PREFIX": ":".join(self.prefixes),
                "FAILING_DISK_CONTROL": str(self.control_path)}

    def count(self):
        """Counts calls from now on, and lets none fail."""
        self.fail(CLASSES, 0, 0, 0)

    def fail(self, classes, error, skip=0, count=FOR_EVER, effect="nothing"):
        """From now on `skip` calls of the classes succeed, then `count` fail."""
        self._control[:8] = bytes(8)  # nothing is counted while this changes
        mask = sum(1 << CLASSES.index(name) for name in classes)
        self._control[_MATCHED:] = bytes(_SIZE - _MATCHED)
        self._control[8:48] = struct.pack("<5Q", mask, skip, count, error, EFFECTS[effect])
        self._control[:8] = struct.pack("<Q", 1)

    def heal(self):
        """Nothing fails any more; what was counted stays."""
        self._control[24:32] = bytes(8)

    def _number(self, offset):
        return struct.unpack_from("<Q", self._control, offset)[0]

    def failed(self):
        """How many calls failed since `fail`."""
        return self._number(_FAILED)

    def calls(self):
        """Calls by class since `count` or `fail`."""
        return {name: self._number(_CALLS + 8 * i) for i, name in enumerate(CLASSES)}

    def first_failure(self):
        """Class and path of the first call that failed."""
        return self._control[_FIRST_FAILURE:].split(b"\0")[0].decode(errors="replace")

    def lose(self, directory):
        """After the program has ended: makes files hold zeros where a sync failed with
        the effect "lost", or end there. Returns how many did."""
        if not self.lost_path.exists():
            return 0
        ranges = {}
        for line in self.lost_path.read_text().splitlines():
            inode, begin, end, _ = line.split(" ", 3)
            ranges.setdefault(int(inode), []).append((int(begin), int(end)))
        self.lost_path.unlink()
        count = 0
        for path in pathlib.Path(directory).rglob("*"):
            if not path.is_file() or path.is_symlink():
                continue
            attributes = path.stat()
            for begin, end in ranges.pop(attributes.st_ino, ()):
                _lose_range(path, begin, min(end, attributes.st_size), attributes.st_size)
                count += begin < end
        return count


def _lose_range(path, begin, end, size):
    if begin >= end:
        return
    if end == size:
        os.truncate(path, begin)
        return
    with open(path, "r+b") as file:
        file.seek(begin)
        file.write(bytes(end - begin))
