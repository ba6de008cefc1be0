// A disk that is full, without one: in test programs that link full_disk.cc,
// calls that would make a file grow fail with ENOSPC while a FullDisk exists.
// The libraries that the program uses, RocksDB among them, see the same.
#pragma once

#include <filesystem>

namespace qstore::storage {

class FullDisk {
 public:
  // Only files whose path starts with `path` are affected. One at a time.
  explicit FullDisk(const std::filesystem::path& path);
  ~FullDisk();
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;
};

}  // namespace qstore::storage
