"""Makes of a directory tree what a power cut could have left of it.

powercut.cc, preloaded into the programs that work in the tree, notes what has
been synced. Disk.cut() then rewrites the tree: of each file at least its synced
bytes are there, the rest is there, missing or zero; of each directory the
changes up to its last sync have happened, later ones all, some or none of them.
That is more than most file systems lose: nothing but fsync is relied upon.
"""

import os
import pathlib
import shutil


class File:
    def __init__(self, inode, synced_bytes):
        self.inode, self.synced_bytes = inode, synced_bytes


class Directory:
    def __init__(self):
        self.synced = {}    # name to File or Directory
        self.live = {}      # the same, as running programs see it
        self.pending = []   # (line number, name removed or None, name set or None, node)

    def change(self, line, removed=None, name=None, node=None):
        if removed is not None:
            self.live.pop(removed, None)
        if name is not None:
            self.live[name] = node
        self.pending.append((line, removed, name, node))

    def sync(self, lines):
        kept = []
        for change in self.pending:
            if change[0] < lines:
                _apply(self.synced, change)
            else:
                kept.append(change)
        self.pending = kept

    def after_cut(self, random):
        """The entries that a power cut leaves."""
        entries, count = dict(self.synced), len(self.pending)
        how = random.choice(("none", "all", "first", "some"))
        kept = {"none": [], "all": self.pending,
                "first": self.pending[:random.randint(0, count)],
                "some": [one for one in self.pending if random.random() < 0.5]}[how]
        for change in kept:
            _apply(entries, change)
        return entries


def _apply(entries, change):
    _, removed, name, node = change
    if removed is not None:
        entries.pop(removed, None)
    if name is not None:
        entries[name] = node


class Disk:
    """`root` is the tree; `journal_dir`, beside it, belongs to this class."""

    def __init__(self, root, journal_dir, library):
        self.root, self.journal_dir = pathlib.Path(root), pathlib.Path(journal_dir)
        self.library = pathlib.Path(library)
        if not self.library.exists():
            raise RuntimeError(f"{self.library} is not there: build the target powercut")
        self.root.mkdir(exist_ok=True)
        self._begin()

    def environment(self, lose_syncs=False):
        """What programs that work in the tree need in their environment."""
        settings = {"LD_PRELOAD": str(self.library), "POWERCUT_ROOT": str(self.root),
                    "POWERCUT_JOURNAL": str(self.journal_dir)}
        if lose_syncs:
            settings["POWERCUT_LOSE_SYNCS"] = "1"
        return settings

    def cut(self, random):
        """Call when no program works in the tree any more. Returns how many
        unsynced changes there were."""
        pending = self.replay()
        shutil.rmtree(self.root)
        self.write_state(self.root, random)
        self._begin()
        return pending

    def write_state(self, path, random):
        """After replay(): makes `path` one of the trees that a cut can leave."""
        self._write(self._tree, path, random)

    def _begin(self):
        """All that is there now counts as synced."""
        shutil.rmtree(self.journal_dir, ignore_errors=True)
        (self.journal_dir / "inodes").mkdir(parents=True)
        (self.journal_dir / "journal").touch()
        self._directories, self._files = {}, {}
        self._tree = self._scan(self.root)

    def _scan(self, path):
        directory = Directory()
        self._directories[path.stat().st_ino] = directory
        for entry in os.scandir(path):
            if entry.is_dir(follow_symlinks=False):
                node = self._scan(pathlib.Path(entry.path))
            else:
                inode = entry.inode()
                node = self._files.setdefault(inode, File(inode, entry.stat().st_size))
                kept = self.journal_dir / "inodes" / str(inode)
                if not kept.exists():
                    os.link(entry.path, kept)
            directory.synced[entry.name] = directory.live[entry.name] = node
        return directory

    def replay(self):
        """Reads what was noted; returns the number of unsynced changes."""
        text = (self.journal_dir / "journal").read_text()
        for number, line in enumerate(text.splitlines()):
            kind, *words = line.split(" ")
            if kind in "CMURD" and int(words[0]) not in self._directories:
                raise RuntimeError(f"the journal names an unknown directory: {line}")
            directory = self._directories.get(int(words[0]))
            if kind == "C":
                inode = int(words[1])
                node = self._files.setdefault(inode, File(inode, 0))
                directory.change(number, name=words[2], node=node)
            elif kind == "M":
                node = self._directories[int(words[1])] = Directory()
                directory.change(number, name=words[2], node=node)
            elif kind == "U":
                directory.change(number, removed=words[1])
            elif kind == "R":
                target = self._directories[int(words[2])]
                node = directory.live[words[1]]
                if target is directory:
                    directory.change(number, words[1], words[3], node)
                else:
                    directory.change(number, removed=words[1])
                    target.change(number, name=words[3], node=node)
            elif kind == "D":
                directory.sync(int(words[1]))
            elif kind == "F":
                file = self._files[int(words[0])]
                file.synced_bytes = max(file.synced_bytes, int(words[1]))
            elif kind == "T":
                file = self._files[int(words[0])]
                file.synced_bytes = min(file.synced_bytes, int(words[1]))
        return sum(len(one.pending) for one in self._directories.values())

    def _write(self, directory, path, random):
        path.mkdir()
        for name, node in sorted(directory.after_cut(random).items()):
            if isinstance(node, Directory):
                self._write(node, path / name, random)
            else:
                self._write_file(node, path / name, random)

    def _write_file(self, file, path, random):
        kept = self.journal_dir / "inodes" / str(file.inode)
        shutil.copyfile(kept, path)
        size, synced = kept.stat().st_size, file.synced_bytes
        if size <= synced:
            return
        point = random.choice((synced, size, random.randint(synced, size)))
        os.truncate(path, point)
        if random.random() < 0.3:
            # The size reached the disk, the bytes did not.
            os.truncate(path, size)
