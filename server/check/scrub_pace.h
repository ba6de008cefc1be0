// How fast the scrub may read.
#pragma once

#include <chrono>
#include <cstdint>

namespace qstore::server {

// While other calls run, the scrub reads at this part of its rate.
inline constexpr uint64_t kScrubYieldDivisor = 4;

// One thread at a time.
class ScrubPace {
 public:
  using Clock = std::chrono::steady_clock;

  explicit ScrubPace(uint64_t bytes_per_second)
      : bytes_per_second_(bytes_per_second) {}

  // `bytes` have been read; when to go on. Time that was not used is not saved
  // up, so that a pause is not followed by a burst.
  Clock::time_point After(uint64_t bytes, bool yielding, Clock::time_point now);

 private:
  const uint64_t bytes_per_second_;
  Clock::time_point next_;
};

}  // namespace qstore::server
