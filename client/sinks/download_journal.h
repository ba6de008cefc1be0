// Which chunks of a download have been written, for another attempt to resume.
//
// In memory or as a text file in the staging directory: a line that says of
// what, then a line for each chunk. It is not trusted: what it lists is read
// back and checked against the server's checksums before it counts.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "model/reserved_names.h"
#include "model/selection.h"
#include "qstore/v1/model_store.pb.h"

namespace qstore::client {

// Whether `directory` holds the journal of a download with this identity, as
// `kJournalName` (model/reserved_names.h).
bool IsJournalOf(const std::filesystem::path& directory,
                 const std::string& identity);

// Thread-safe.
class DownloadJournal {
 public:
  // In memory.
  DownloadJournal() = default;
  // Reads what is in `directory`, or begins there. `identity`: one line, equal
  // for downloads that write the same bytes to the same places. A journal that
  // cannot be written is no harm.
  DownloadJournal(const std::filesystem::path& directory,
                  const std::string& identity);

  // `chunk_count`: of the object.
  void Add(uint64_t object_index, int chunk_index, int chunk_count);
  // The chunk is not what it should be; nor is any other of the object when the
  // object was said to have another number of them.
  void Forget(uint64_t object_index, int chunk_index, int chunk_count);

  // The chunks of an object that are there; none when it has another number of
  // chunks than it had.
  std::set<int> Chunks(uint64_t object_index, int chunk_count) const;
  // Takes from the journal what a request cannot name; names the rest in `held`
  // and returns it.
  model::HeldChunks NameIn(v1::Held* held);

  uint64_t chunk_count() const;

  // Takes the journal out of the directory.
  void Remove();
  // Puts it there again.
  void Restore();

 private:
  struct Object {
    int chunk_count = 0;
    std::set<int> chunks;
    // Forgets the chunks when there were to be another number of them.
    void Expect(int count);
    bool whole() const {
      return static_cast<size_t>(chunk_count) == chunks.size();
    }
  };
  void Read() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::filesystem::path path_;
  const std::string identity_;
  mutable absl::Mutex mutex_;
  std::map<uint64_t, Object> objects_ ABSL_GUARDED_BY(mutex_);
  uint64_t chunk_count_ ABSL_GUARDED_BY(mutex_) = 0;
  std::ofstream file_ ABSL_GUARDED_BY(mutex_);  // not open: in memory
};

}  // namespace qstore::client
