// What the scrub has checked and found: for those who ask, and for the next run
// of the daemon.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "qstore/scrub/v1/scrub_state.pb.h"
#include "qstore/v1/admin.pb.h"

namespace qstore::server {

// Past this much damage only its amount is kept.
inline constexpr int kMaxListedDamage = 1000;

// Thread-safe. Times are seconds since 1970.
class ScrubLedger {
 public:
  // Goes on with what Save wrote to `path`; empty: remembers nothing.
  explicit ScrubLedger(std::filesystem::path path);

  v1::ScrubStatus Status() const;
  // Objects up to this one have been checked by the pass that is under way.
  uint64_t position() const;

  void BeginPass(int64_t now);
  void CountBytes(uint64_t bytes);
  void FinishObject(uint64_t object_id);
  // Whether this damage was not known yet: then it is for the log. One that is
  // past the list counts as new each time.
  bool NoteDamage(const std::string& model, const std::string& revision,
                  const std::string& problem, int64_t now);
  // Forgets damage that this pass did not find again.
  void EndPass(int64_t now);

  // Durably, in place of what was there.
  absl::Status Save() const;

 private:
  const std::filesystem::path path_;
  mutable absl::Mutex mutex_;
  v1::ScrubStatus status_ ABSL_GUARDED_BY(mutex_);
  uint64_t position_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace qstore::server
