// Which calls may run now: limits by kind, and none when the server drains.
#pragma once

#include <array>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <utility>

#include "absl/status/statusor.h"

namespace qstore::server {

enum class CallKind { kShort = 0, kUpload = 1, kDownload = 2, kVerify = 3 };
inline constexpr int kCallKindCount = 4;

// Thread-safe; outlives its permits.
class CallAdmission {
 public:
  struct Limits {
    size_t uploads = 8;
    size_t downloads = 64;
    size_t verifies = 2;
  };

  // A running call.
  class Permit {
   public:
    Permit() = default;
    Permit(Permit&& other) noexcept
        : admission_(std::exchange(other.admission_, nullptr)),
          kind_(other.kind_) {}
    Permit& operator=(Permit&& other) noexcept;
    ~Permit() { Release(); }

   private:
    friend class CallAdmission;
    Permit(CallAdmission* admission, CallKind kind)
        : admission_(admission), kind_(kind) {}
    void Release();
    CallAdmission* admission_ = nullptr;
    CallKind kind_ = CallKind::kShort;
  };

  explicit CallAdmission(const Limits& limits);

  // RESOURCE_EXHAUSTED with a retry hint past the limit of `kind`, UNAVAILABLE
  // once draining.
  absl::StatusOr<Permit> Enter(CallKind kind);

  void StopAdmitting();

  size_t running_calls() const;

  // Whether no call was running before `deadline`.
  bool WaitUntilIdle(std::chrono::steady_clock::time_point deadline);

 private:
  void Leave(CallKind kind);

  const std::array<size_t, kCallKindCount> limits_;
  mutable std::mutex mutex_;
  std::condition_variable idle_;
  std::array<size_t, kCallKindCount> running_{};  // guarded by mutex_
  size_t running_total_ = 0;                      // guarded by mutex_
  bool draining_ = false;                         // guarded by mutex_
};

}  // namespace qstore::server
