"""Which command reaches each failpoint, and what it may leave.

The names are those of base/failpoints/failpoint_table.h.
"""

import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[3]

# The command during which the point is armed, on which store:
#   new      start on an empty directory
#   start    start on a store with two models
#   sweep    start on a store with objects and data that nobody names
#            or an unfinished upload that has expired
#   upload, large, delete, tag, list, download, verify: that call on two models
#   checkpoint: an upload that is remembered on its way
COMMANDS = {
    "engine.opened": "start", "engine.cleared": "start", "open.version": "new",
    "open.next_id": "start", "sweep.checkpoints": "sweep", "sweep.objects": "sweep", "sweep.data": "sweep",
    "table.begin": "upload", "table.put": "upload", "table.finished": "upload",
    "table.ingested": "upload",
    "object.begin": "upload", "object.chunk": "upload", "object.large": "large",
    "object.finish": "upload", "object.claimed": "upload", "object.ingested": "upload",
    "commit.begin": "upload", "commit.records": "upload", "commit.written": "upload",
    "commit.collect": "upload",
    "checkpoint.begin": "checkpoint", "checkpoint.records": "checkpoint",
    "checkpoint.written": "checkpoint",
    "tag.records": "tag", "tag.written": "tag",
    "delete.records": "delete", "delete.written": "delete", "delete.answer": "delete",
    "collect.begin": "delete", "collect.records": "delete", "collect.written": "delete",
    "collect.data": "delete", "range.begin": "delete", "range.mark": "delete",
    "range.marked": "delete",
    "list.models": "list", "read.open": "download", "read.object": "download",
    "read.value": "download",
    "upload.begin": "upload", "upload.file": "upload", "upload.bytes": "upload",
    "upload.end": "upload", "upload.commit": "upload", "upload.answer": "upload",
    "encode.chunk": "upload", "encode.encoded": "upload", "encode.store": "upload",
    "encode.stored": "upload",
    "download.admit": "download", "download.open": "download",
    "download.manifest": "download", "download.value": "download",
    "download.send": "download", "download.end": "download",
    "verify.object": "verify", "verify.chunk": "verify",
}

# The hit that matters, where the start of the daemon makes others.
FIRST_HITS = {"collect.begin": 2}

# Here the revision's records are durable and its client does not know: it may be
# there, whole, without having been acknowledged.
COMMITTED = {"commit.written", "commit.collect", "upload.answer"}

# Here the collector is at work, in a thread of its own: a command that made
# garbage is acknowledged before, after or not at all.
COLLECTOR = {"collect.begin", "collect.records", "collect.written", "collect.data",
             "range.begin", "range.mark", "range.marked"}

# The store that "sweep" starts on, where it is not "objects".
SWEPT_STORES = {"sweep.data": "data", "sweep.checkpoints": "uploads"}

# What the next start must say it swept when the process died here.
SWEPT_AFTER_CRASH = {
    "table.finished": "of unfinished files",
    "table.ingested": r"[1-9]\d* runs of data",
    "object.ingested": r"[1-9]\d* objects",
    "commit.records": r"[1-9]\d* objects",
    "delete.written": r"[1-9]\d* objects",
    "collect.records": r"[1-9]\d* objects",
    "collect.written": r"[1-9]\d* runs of data",
    "collect.data": r"[1-9]\d* runs of data",
}


def names_in_table():
    text = (ROOT / "base" / "failpoints" / "failpoint_table.h").read_text()
    return re.findall(r'^ +"([a-z_.]+)",', text, re.M)


def names_in_sources():
    names = set()
    for layer in ("base", "codec", "storage", "server", "client"):
        for path in (ROOT / layer).rglob("*.cc"):
            names.update(re.findall(r'QSTORE_FAILPOINT(?:_STATUS)?\(\s*"([^"]+)"',
                                    path.read_text()))
    return names
