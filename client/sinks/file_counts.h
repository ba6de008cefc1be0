// Counts what is written to files that are nowhere on a disk.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace qstore::client {

// Add is thread-safe; the others are called while nothing adds.
class FileCounts {
 public:
  void Expect(const std::vector<std::string>& paths);
  void DeclareSize(size_t file_index, uint64_t size_bytes);
  void Add(size_t file_index, uint64_t size_bytes);

  size_t file_count() const { return files_.size(); }
  const std::string& path(size_t file_index) const {
    return files_[file_index].path;
  }
  // INTERNAL when a file lacks bytes or has too many.
  absl::Status CheckComplete() const;

 private:
  struct File {
    std::string path;
    uint64_t size_bytes = 0;
    std::atomic<uint64_t> written_bytes = 0;
  };
  std::vector<File> files_;
};

}  // namespace qstore::client
