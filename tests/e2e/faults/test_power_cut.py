"""Power cuts: what was not synced is lost. A few; tests/torture has the many."""

import os
import random
import subprocess
import sys

import harness

sys.path.insert(0, str(harness.ROOT / "tests" / "powercut"))

from cut_disk import Disk  # noqa: E402
from power_cut_rounds import Rounds  # noqa: E402

LIBRARY = harness.BIN_DIR / "libpowercut.so"


class PreloadedLibrary(harness.EndToEndTest):
    """Does the library lose what it may, and keep what it must?"""

    def outcomes(self, program, cuts=200):
        """Runs `program` in an empty tree; the set of trees that cuts leave."""
        disk = Disk(self.path / "disk", self.path / "journal", LIBRARY)
        subprocess.run(
            ["/usr/bin/python3", "-c", "import os\n" + self.WRITE + program],
            cwd=disk.root, check=True, env={**os.environ, **disk.environment()})
        disk.replay()
        found = set()
        for seed in range(cuts):
            state = self.path / f"state-{seed}"
            disk.write_state(state, random.Random(seed))
            found.add(tuple(sorted(
                (str(path.relative_to(state)),
                 path.read_bytes() if path.is_file() else None)
                for path in state.rglob("*"))))
        return found

    WRITE = """
def write(name, content, sync=False, flags=os.O_CREAT | os.O_WRONLY):
    fd = os.open(name, flags)
    os.write(fd, content)
    if sync: os.fsync(fd)
    os.close(fd)
def sync_directory(name='.'):
    os.fsync(os.open(name, os.O_RDONLY))
"""

    def test_nothing_is_durable_without_sync(self):
        found = self.outcomes("write('a', b'xy')")
        self.assertLessEqual({(), (("a", b""),), (("a", b"xy"),)}, found)

    def test_a_synced_file_needs_its_directory(self):
        found = self.outcomes("write('a', b'xy', sync=True)")
        self.assertEqual(found, {(), (("a", b"xy"),)})

    def test_what_is_synced_stays(self):
        found = self.outcomes("write('a', b'xy', sync=True); sync_directory()")
        self.assertEqual(found, {(("a", b"xy"),)})

    def test_appended_bytes_go(self):
        found = self.outcomes("""
write('a', b'xy', sync=True); sync_directory()
write('a', b'z', flags=os.O_WRONLY | os.O_APPEND)""")
        self.assertEqual(found, {(("a", b"xy"),), (("a", b"xyz"),), (("a", b"xy\0"),)})

    def test_renames_and_removals_are_undone(self):
        found = self.outcomes("""
write('a', b'1', sync=True); write('b', b'2', sync=True); write('c', b'3', sync=True)
sync_directory()
os.rename('a', 'b'); os.unlink('c')""")
        both = (("a", b"1"), ("b", b"2"), ("c", b"3"))
        self.assertEqual(found, {both, both[:2], (("b", b"1"), ("c", b"3")), (("b", b"1"),)})

    def test_directories_are_entries_too(self):
        found = self.outcomes("""
os.mkdir('d'); write('d/a', b'1', sync=True); sync_directory('d')""")
        self.assertEqual(found, {(), (("d", None), ("d/a", b"1"))})


class PowerCut(harness.EndToEndTest):

    def test_what_was_acknowledged_survives(self):
        rounds = Rounds(harness.BIN_DIR, self.path, seed=1)
        for _ in range(6):
            if not rounds.run_round():
                break
        rounds.finish()
        self.assertEqual(rounds.problems, [])
        self.assertEqual(rounds.cuts, 6)
        self.assertGreater(rounds.calls, 20)
        self.assertGreater(rounds.pending, 20, "nothing was there to be lost")

    def test_it_would_be_noticed(self):
        """With syncs that are promised and not kept, something must be lost."""
        for seed in range(10):
            directory = self.path / str(seed)
            directory.mkdir()
            rounds = Rounds(harness.BIN_DIR, directory, seed, lose_syncs=True)
            while rounds.cuts < 3 and not rounds.problems and rounds.run_round():
                pass
            if rounds.problems:
                if rounds.daemon.process.poll() is None:
                    rounds.daemon.kill()
                return
        self.fail("lost syncs went unnoticed")


