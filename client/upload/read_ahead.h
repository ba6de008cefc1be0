// Reads the files of an upload in a thread of its own, a bounded distance ahead
// of the network.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "client/upload/directory_walk.h"

namespace qstore::client {

inline constexpr uint64_t kUploadBlockBytes = 1u << 20;
inline constexpr size_t kMaxBlocksAhead = 16;

// FAILED_PRECONDITION: somebody has written to the file, or put another one in
// its place, since the walk found it.
absl::Status CheckUnchanged(const SourceFile& file);

class ReadAhead {
 public:
  struct Block {
    size_t file_index = 0;
    std::string bytes;
    uint64_t xxh3 = 0;
  };

  // Where to begin: a file, and an offset in it.
  struct Start {
    size_t file_index = 0;
    uint64_t offset_bytes = 0;
  };

  // `files` must outlive this.
  explicit ReadAhead(const std::vector<SourceFile>& files)
      : ReadAhead(files, Start()) {}
  ReadAhead(const std::vector<SourceFile>& files, const Start& start);
  // Stops reading.
  ~ReadAhead();
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;

  // The next block, in the order of the files; nullopt after the last. Empty
  // files have no blocks. Fails when a file cannot be read or is not what
  // the walk found, before and after it is read (CheckUnchanged).
  absl::StatusOr<std::optional<Block>> Next();

 private:
  void Run();
  absl::Status ReadFile(size_t file_index, uint64_t offset_bytes);
  // False when nobody wants more.
  bool Push(Block block);

  const std::vector<SourceFile>& files_;
  const Start start_;
  bool HasNext() const ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return !blocks_.empty() || finished_;
  }
  bool HasRoom() const ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return blocks_.size() < kMaxBlocksAhead || stopping_;
  }

  absl::Mutex mutex_;
  std::deque<Block> blocks_ ABSL_GUARDED_BY(mutex_);
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;

  std::thread thread_;
};

}  // namespace qstore::client
