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
// Between two searches for calls to end, the first of which found too few.
constexpr std::chrono::milliseconds kLookPause{50};

}  // namespace

OpenCalls::Call::Call(OpenCalls* calls, std::string address,
                      StallWatch::Call* stall)
    : calls_(calls), address_(std::move(address)), stall_(stall) {
  const absl::MutexLock lock(&calls_->mutex_);
  ++calls_->count_;
}

OpenCalls::Call::~Call() {
  const absl::MutexLock lock(&calls_->mutex_);
  calls_->SetBytes(this, 0);
  --calls_->count_;
}

absl::Status OpenCalls::Call::Hold(uint64_t bytes) {
  const absl::MutexLock lock(&calls_->mutex_);
  if (bytes > bytes_ && !calls_->MakeRoom(bytes - bytes_)) {
    return WithRetryHint(
        WithReason(absl::ResourceExhaustedError(absl::StrCat(
                       calls_->count_, " calls are open and hold ",
                       FormatBytes(calls_->held_bytes_), " of the ",
                       FormatBytes(calls_->limit_bytes_),
                       " for answers (--answer-memory); retry in ",
                       absl::FormatDuration(kOpenCallRetryDelay))),
                   kReasonTooManyCalls),
        kOpenCallRetryDelay);
  }
  calls_->SetBytes(this, bytes);
  return absl::OkStatus();
}

void OpenCalls::Call::AwaitClient() {
  const absl::MutexLock lock(&calls_->mutex_);
  waits_since_ = std::chrono::steady_clock::now();
}

void OpenCalls::SetBytes(Call* call, uint64_t bytes) {
  if (call->bytes_ == 0 && bytes > 0) {
    call->place_ = calls_.insert(calls_.end(), call);
  } else if (call->bytes_ > 0 && bytes == 0) {
    calls_.erase(call->place_);
  }
  held_bytes_ += bytes - call->bytes_;
  call->bytes_ = bytes;
}

bool OpenCalls::MakeRoom(uint64_t bytes) {
  if (bytes > limit_bytes_) return false;
  const auto is_enough = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return held_bytes_ + bytes <= limit_bytes_;
  };
  if (is_enough()) return true;
  const auto now = std::chrono::steady_clock::now();
  if (now < next_look_) return false;
  std::unordered_map<std::string, uint64_t> by_address;
  std::vector<Call*> waiting;
  for (Call* const call : calls_) {
    by_address[call->address_] += call->bytes_;
    if (call->waits_since_.has_value() &&
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
    SetBytes(call, 0);
  }
  if (is_enough()) return true;
  next_look_ = now + kLookPause;
  return false;
}

uint64_t OpenCalls::held_bytes() const {
  const absl::MutexLock lock(&mutex_);
  return held_bytes_;
}

size_t OpenCalls::count() const {
  const absl::MutexLock lock(&mutex_);
  return count_;
}

}  // namespace qstore::server
