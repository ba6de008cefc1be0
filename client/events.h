// What the library tells while it works, for whoever shows or records it.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"

namespace qstore::client {

// Something failed that may go away by itself.
struct RetryNotice {
  absl::Status error;
  double wait_seconds = 0;  // until it is tried again
  double left_seconds = 0;  // until trying again ends
};

// Override what is of interest: each function does nothing by itself.
//
// Functions are called by any thread, also by several at once, and hold the
// work up until they return. They must not call the session that calls them.
class Events {
 public:
  virtual ~Events() = default;

  // A piece of work begins: "downloading org/model:latest". `total_bytes` 0:
  // not known. Begins anew what has begun already, as after a broken
  // connection.
  virtual void Begin(const std::string& /*action*/, uint64_t /*total_bytes*/) {}
  // That much more of it has been done.
  virtual void Add(uint64_t /*bytes*/) {}
  // That much of it has been done in all, of that total.
  virtual void Set(uint64_t /*done_bytes*/, uint64_t /*total_bytes*/) {}
  // The same where not the bytes are known, but so many parts of all of it.
  virtual void SetParts(uint64_t /*done_bytes*/, uint64_t /*done_parts*/,
                        uint64_t /*total_parts*/) {}
  virtual void End() {}

  // What a person should know although nothing failed: one sentence.
  virtual void Note(const std::string& /*sentence*/) {}
  virtual void Retry(const RetryNotice& /*notice*/) {}
};

}  // namespace qstore::client
