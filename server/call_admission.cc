#include "server/call_admission.h"

#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "server/status_mapping.h"

namespace qstore::server {
namespace {

constexpr std::array<const char*, kCallKindCount> kPluralNames = {
    "calls", "uploads", "downloads", "verifications"};

constexpr absl::Duration kRetryDelay = absl::Seconds(2);

}  // namespace

CallAdmission::Permit& CallAdmission::Permit::operator=(
    Permit&& other) noexcept {
  if (this != &other) {
    Release();
    admission_ = std::exchange(other.admission_, nullptr);
    kind_ = other.kind_;
  }
  return *this;
}

void CallAdmission::Permit::Release() {
  if (CallAdmission* admission = std::exchange(admission_, nullptr)) {
    admission->Leave(kind_);
  }
}

CallAdmission::CallAdmission(const Limits& limits)
    : limits_{std::numeric_limits<size_t>::max(), limits.uploads,
              limits.downloads, limits.verifies} {}

absl::StatusOr<CallAdmission::Permit> CallAdmission::Enter(CallKind kind) {
  const auto index = static_cast<size_t>(kind);
  const std::lock_guard lock(mutex_);
  if (draining_) {
    return WithRetryHint(
        absl::UnavailableError("the server is shutting down; retry"),
        kRetryDelay);
  }
  if (running_[index] >= limits_[index]) {
    return WithRetryHint(
        absl::ResourceExhaustedError(absl::StrCat(
            running_[index], " ", kPluralNames[index],
            " are running, as many as the server allows at once; retry in ",
            absl::FormatDuration(kRetryDelay))),
        kRetryDelay);
  }
  ++running_[index];
  ++running_total_;
  return Permit(this, kind);
}

void CallAdmission::StopAdmitting() {
  const std::lock_guard lock(mutex_);
  draining_ = true;
}

size_t CallAdmission::running_calls() const {
  const std::lock_guard lock(mutex_);
  return running_total_;
}

bool CallAdmission::WaitUntilIdle(
    std::chrono::steady_clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  return idle_.wait_until(lock, deadline, [&] { return running_total_ == 0; });
}

void CallAdmission::Leave(CallKind kind) {
  // Notified under the lock: whoever waits may destroy this afterwards.
  const std::lock_guard lock(mutex_);
  --running_[static_cast<size_t>(kind)];
  --running_total_;
  if (running_total_ == 0) idle_.notify_all();
}

}  // namespace qstore::server
