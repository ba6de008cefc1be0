// Reads the files of an upload in a thread of its own, a bounded distance ahead
// of the network.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/upload/directory_walk.h"

namespace qstore::client {

inline constexpr uint64_t kUploadBlockBytes = 1u << 20;
inline constexpr size_t kMaxBlocksAhead = 16;

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
  // files have no blocks. Fails when a file cannot be read or its size is not
  // what the walk found.
  absl::StatusOr<std::optional<Block>> Next();

 private:
  void Run();
  absl::Status ReadFile(size_t file_index, uint64_t offset_bytes);
  // False when nobody wants more.
  bool Push(Block block);

  const std::vector<SourceFile>& files_;
  const Start start_;
  std::mutex mutex_;
  std::condition_variable changed_;
  // State below is guarded by mutex_.
  std::deque<Block> blocks_;
  absl::Status status_;
  bool finished_ = false;
  bool stopping_ = false;

  std::thread thread_;
};

}  // namespace qstore::client
