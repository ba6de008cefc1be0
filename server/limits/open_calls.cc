#include "server/limits/open_calls.h"

#include <algorithm>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/error_reason.h"
#include "base/text/byte_format.h"
#include "server/calls/status_mapping.h"

namespace qstore::server {
namespace {

constexpr absl::Duration kOpenCallRetryDelay = absl::Seconds(2);
// What every client may take for an answer.
constexpr std::chrono::seconds kPatience{1};

}  // namespace

OpenCalls::Call::Call(OpenCalls* calls, std::string address,
                      StallWatch::Call* stall)
    : calls_(calls), address_(std::move(address)), stall_(stall) {
  const absl::MutexLock lock(&calls_->mutex_);
  place_ = calls_->calls_.insert(calls_->calls_.end(), this);
}

OpenCalls::Call::~Call() {
  const absl::MutexLock lock(&calls_->mutex_);
  calls_->held_bytes_ -= bytes_;
  calls_->calls_.erase(place_);
}

absl::Status OpenCalls::Call::Hold(uint64_t bytes) {
  const absl::MutexLock lock(&calls_->mutex_);
  if (bytes > bytes_ && !calls_->MakeRoom(bytes - bytes_)) {
    return WithRetryHint(
        WithReason(absl::ResourceExhaustedError(absl::StrCat(
                       calls_->calls_.size(), " calls are open and hold ",
                       FormatBytes(calls_->held_bytes_), " of the ",
                       FormatBytes(calls_->limit_bytes_),
                       " for answers (--answer-memory); retry in ",
                       absl::FormatDuration(kOpenCallRetryDelay))),
                   kReasonTooManyCalls),
        kOpenCallRetryDelay);
  }
  calls_->held_bytes_ += bytes - bytes_;
  bytes_ = bytes;
  return absl::OkStatus();
}

void OpenCalls::Call::AwaitClient() {
  const absl::MutexLock lock(&calls_->mutex_);
  waits_since_ = std::chrono::steady_clock::now();
}

bool OpenCalls::MakeRoom(uint64_t bytes) {
  if (bytes > limit_bytes_) return false;
  const auto is_enough = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return held_bytes_ + bytes <= limit_bytes_;
  };
  if (is_enough()) return true;
  const auto now = std::chrono::steady_clock::now();
  std::unordered_map<std::string, uint64_t> by_address;
  std::vector<Call*> waiting;
  for (Call* const call : calls_) {
    by_address[call->address_] += call->bytes_;
    if (call->bytes_ > 0 && call->waits_since_.has_value() &&
        now - *call->waits_since_ >= kPatience) {
      waiting.push_back(call);
    }
  }
  std::stable_sort(waiting.begin(), waiting.end(),
                   [&](const Call* a, const Call* b) {
                     const uint64_t a_bytes = by_address[a->address_];
                     const uint64_t b_bytes = by_address[b->address_];
                     if (a_bytes != b_bytes) return a_bytes > b_bytes;
                     return *a->waits_since_ < *b->waits_since_;
                   });
  for (Call* const call : waiting) {
    if (is_enough()) break;
    // It is as good as gone, and what it has with it.
    call->stall_->Expire();
    held_bytes_ -= std::exchange(call->bytes_, 0);
  }
  return is_enough();
}

uint64_t OpenCalls::held_bytes() const {
  const absl::MutexLock lock(&mutex_);
  return held_bytes_;
}

size_t OpenCalls::count() const {
  const absl::MutexLock lock(&mutex_);
  return calls_.size();
}

}  // namespace qstore::server
