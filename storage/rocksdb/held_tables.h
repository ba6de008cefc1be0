// Table files that one opening of RocksDB deletes while readers of an earlier
// one may still need them.
#pragma once

#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace qstore::storage {

// Of one directory. Thread-safe.
class HeldTables {
 public:
  // An opening that can read tables: until the matching Leave.
  void Enter();
  // Deletes what was held when only one opening is left.
  void Leave();

  // Whether `path` is held, and so not to be deleted now: when there are
  // several openings. What is held when the process ends goes when the next one
  // opens the database.
  bool Holds(const std::string& path);

 private:
  absl::Mutex mutex_;
  int openings_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<std::string> paths_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace qstore::storage
