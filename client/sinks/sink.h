// Where a download ends. A sink takes the bytes of files, from many threads and
// in any order; directory_sink.h, memory_sink.h and null_sink.h are those that
// there are.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bytes.h"

namespace qstore::client {

class DownloadJournal;

// Takes the bytes of files, which are numbered from 0. Thread-safe, but for
// DeclareSize, which one thread calls before anything is written to the file.
class FileWriter {
 public:
  virtual ~FileWriter() = default;

  // How many bytes the file has; each will be written or kept once.
  virtual absl::Status DeclareSize(size_t file_index, uint64_t size_bytes) = 0;
  virtual absl::Status Write(size_t file_index, uint64_t offset_bytes,
                             ByteView bytes) = 0;
  // Writes to the second place what has been written to the first.
  virtual absl::Status Copy(size_t from_index, uint64_t from_offset_bytes,
                            size_t to_index, uint64_t to_offset_bytes,
                            uint64_t size_bytes) = 0;

  // Whether bytes of the file can be read by a later attempt.
  virtual bool CanResume(size_t file_index) const = 0;
  // Reads bytes that an earlier attempt wrote. Any error: they are not there.
  virtual absl::Status ReadEarlier(size_t file_index, uint64_t offset_bytes,
                                   MutableByteView out) const = 0;
  // Counts such bytes as written, once they have been checked.
  virtual absl::Status KeepEarlier(size_t file_index, uint64_t size_bytes) = 0;
};

// What a download writes.
struct DownloadOrigin {
  std::string model;
  std::string revision;
  bool whole = false;  // every file of the revision
};

// Of one download after another. A download calls Open, then for each attempt
// Expect and what FileWriter has, and at its end either Publish or Abandon;
// these by one thread at a time, while nothing writes.
class Sink : public FileWriter {
 public:
  // Before Open.
  virtual void SetOrigin(const DownloadOrigin& /*origin*/) {}

  // Before Open: what lies already where the files would be written, to compare
  // with; null: nothing does.
  virtual bool HasFiles() const { return false; }
  virtual std::unique_ptr<FileWriter> PresentFilesAt(
      const std::vector<std::string>& /*paths*/) const {
    return nullptr;
  }
  // In place of Open, when all of them are what they should be.
  virtual void KeepPresent(const std::vector<std::string>& /*paths*/) {}

  // Begins a download. `identity`: one line, equal for downloads that write the
  // same bytes to the same places. True: the sink holds what an earlier one
  // with this identity left, and its journal says what; anything else that was
  // left is gone. ALREADY_EXISTS: another process is writing the very same;
  // wait and look at what it has written.
  virtual absl::StatusOr<bool> Open(const std::string& identity) = 0;

  // The files, as relative paths that have been validated (model/names.h), for
  // the numbers above. Nothing counts as written yet, but bytes of an earlier
  // attempt stay where they are. Fails, before anything is written, when one of
  // them cannot be had here.
  virtual absl::Status Expect(const std::vector<std::string>& paths) = 0;

  // Makes all files appear, now that they are whole; INTERNAL when one is not.
  // ALREADY_EXISTS: somebody else's have come to their place meanwhile, perhaps
  // the same.
  virtual absl::Status Publish() = 0;

  // Ends a download that failed; `keep`: another may go on with what is there.
  virtual void Abandon(bool keep) = 0;

  // What a person should know of what Publish or KeepPresent did, once.
  virtual std::vector<std::string> TakeNotes() { return {}; }

  // Which chunks the sink holds, from Open to Publish or Abandon; null when it
  // cannot read what was written, so that every attempt begins anew.
  virtual DownloadJournal* journal() = 0;
};

}  // namespace qstore::client
