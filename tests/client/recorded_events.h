// Keeps what the library tells.
#pragma once

#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "client/events.h"

namespace qstore::client {

// Thread-safe.
class RecordedEvents final : public Events {
 public:
  void Begin(const std::string& action, uint64_t /*total_bytes*/) override {
    const absl::MutexLock lock(&mutex_);
    actions_.push_back(action);
    done_bytes_ = 0;
  }
  void Add(uint64_t bytes) override {
    const absl::MutexLock lock(&mutex_);
    done_bytes_ += bytes;
  }
  void Note(const std::string& sentence) override {
    const absl::MutexLock lock(&mutex_);
    notes_.push_back(sentence);
  }
  void Retry(const RetryNotice& notice) override {
    const absl::MutexLock lock(&mutex_);
    retries_.push_back(notice);
  }

  std::vector<std::string> actions() const { return Copy(&actions_); }
  std::vector<std::string> notes() const { return Copy(&notes_); }
  std::vector<RetryNotice> retries() const { return Copy(&retries_); }
  // Since the last Begin.
  uint64_t done_bytes() const { return Copy(&done_bytes_); }

 private:
  template <typename T>
  T Copy(const T* member) const {
    const absl::MutexLock lock(&mutex_);
    return *member;
  }

  mutable absl::Mutex mutex_;
  std::vector<std::string> actions_;
  std::vector<std::string> notes_;
  std::vector<RetryNotice> retries_;
  uint64_t done_bytes_ = 0;
};

}  // namespace qstore::client
