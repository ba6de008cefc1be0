// RocksDB's words and ours.
#pragma once

#include <rocksdb/slice.h>
#include <rocksdb/status.h>

#include <filesystem>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace qstore::storage {

inline rocksdb::Slice ToSlice(std::string_view text) {
  return {text.data(), text.size()};
}
inline std::string_view ToView(const rocksdb::Slice& slice) {
  return {slice.data(), slice.size()};
}

// The one place where RocksDB's statuses become ours: "<what>: <text>".
absl::Status ToStatus(const rocksdb::Status& status, const std::string& what);

// The same for opening, where a foreign lock or format is the caller's matter.
absl::Status ToOpenStatus(const rocksdb::Status& status,
                          const std::filesystem::path& path);

}  // namespace qstore::storage
