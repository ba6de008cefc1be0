// How much room is left where the store lies.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>

#include "absl/status/statusor.h"

namespace qstore::storage {

// Thread-safe.
class DiskSpace {
 public:
  struct Reading {
    uint64_t total_bytes = 0;  // of the file system
    uint64_t free_bytes = 0;   // what this process may still write
  };
  virtual ~DiskSpace() = default;
  virtual absl::StatusOr<Reading> Read() const = 0;
};

// Of the file system that holds `directory`, by statvfs(3).
std::unique_ptr<DiskSpace> NewDiskSpace(std::filesystem::path directory);

}  // namespace qstore::storage
