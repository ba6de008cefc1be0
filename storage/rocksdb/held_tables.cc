#include "storage/rocksdb/held_tables.h"

#include <filesystem>
#include <system_error>
#include <utility>

namespace qstore::storage {

void HeldTables::Enter() {
  const absl::MutexLock lock(&mutex_);
  ++openings_;
}

void HeldTables::Leave() {
  std::vector<std::string> paths;
  {
    const absl::MutexLock lock(&mutex_);
    if (--openings_ == 1) paths = std::exchange(paths_, {});
  }
  for (const std::string& path : paths) {
    std::error_code ignored;
    std::filesystem::remove(path, ignored);
  }
}

bool HeldTables::Holds(const std::string& path) {
  const absl::MutexLock lock(&mutex_);
  if (openings_ > 1) paths_.push_back(path);
  return openings_ > 1;
}

}  // namespace qstore::storage
