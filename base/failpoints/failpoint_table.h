// The names of all failpoints (base/failpoints/failpoint.h), one line each. The
// build refuses a name that is not here; tests/e2e/faults/test_failpoints.py
// shows that every one of them is reached.
#pragma once

#include <cstddef>
#include <string_view>

namespace qstore::failpoint {

inline constexpr std::string_view kNames[] = {
    // Opening.
    "engine.opened",      // the database is open, its staging is not empty yet
    "engine.cleared",     // the staging directory has been emptied
    "open.version",       // before the format version of a new store is written
    "open.next_id",       // before the next id is looked for
    "sweep.checkpoints",  // before unfinished uploads that expired are deleted
    "sweep.objects",      // before objects without references are collected
    "sweep.data",         // before data without objects is deleted
    // Table files.
    "table.begin",     // before a table file is made
    "table.put",       // before a value is written to a table file
    "table.finished",  // the table files are finished, not yet ingested
    "table.ingested",  // they are part of the database, and nobody knows
    // Objects of an upload.
    "object.begin",     // before an object is added
    "object.chunk",     // a chunk of an object has been written
    "object.large",     // before an object gets a table file of its own
    "object.finish",    // all chunks are there, the object has no name yet
    "object.claimed",   // its content hash is claimed, others wait for it
    "object.ingested",  // its data and records are durable, without references
    // The commit of an upload.
    "commit.begin",    // before the last small objects are ingested
    "commit.records",  // before the revision's records are written
    "commit.written",  // the revision exists, and nobody knows
    "commit.collect",  // before what the upload did not use is collected
    // How far an upload has come, for after a restart.
    "checkpoint.begin",    // before its small objects are ingested
    "checkpoint.records",  // before its record is written
    "checkpoint.written",  // the record is durable
    // Tags and deletion.
    "tag.records",     // before a tag is written
    "tag.written",     // the tag has moved, and nobody knows
    "delete.records",  // before the records of a revision are deleted
    "delete.written",  // they are gone, and nobody knows
    // The collection of garbage.
    "collect.begin",    // before unused objects are looked for
    "collect.records",  // before their records are deleted
    "collect.written",  // the records are gone, the data is not
    "collect.data",     // before the data of a run of objects is deleted
    "range.begin",      // before a range of keys is deleted
    "range.mark",       // before what shares a table file is marked as deleted
    "range.marked",     // the marks are ingested, the file is not rewritten
    // Reading.
    "list.models",  // before models are listed
    "read.open",    // before a revision is opened
    "read.object",  // before the record of an object is read
    "read.value",   // before a value is read
    // An upload in the server.
    "upload.begin",    // the first message has come
    "upload.file",     // a file begins
    "upload.bytes",    // bytes of a file have come
    "upload.end",      // the last message has come
    "encode.chunk",    // before a chunk is encoded
    "encode.encoded",  // a chunk is encoded and checked
    "encode.store",    // before a chunk is handed to the store
    "encode.stored",   // a chunk has been handed to the store
    "upload.commit",   // before everything encoded is waited for
    "upload.answer",   // the revision exists, the answer is not sent
    // A download in the server.
    "download.admit",     // the request has come
    "download.open",      // before the revision is opened
    "download.manifest",  // before a page of the manifest is made
    "download.value",     // before a message with bytes is made
    "download.send",      // before a message is sent
    "download.end",       // before the last message is made
    // Other calls of the server.
    "verify.object",  // before an object is verified
    "verify.chunk",   // before a chunk is decoded and compared
    "delete.answer",  // the revision is deleted, the answer is not sent
};
inline constexpr size_t kCount = sizeof(kNames) / sizeof(kNames[0]);

// The place of `name` in the table; a name that is not there does not compile.
consteval size_t IndexOf(std::string_view name) {
  size_t index = 0;
  while (kNames[index] != name) ++index;
  return index;
}

}  // namespace qstore::failpoint
