#include "server/check/scrub_pace.h"

#include <algorithm>

namespace qstore::server {

ScrubPace::Clock::time_point ScrubPace::After(uint64_t bytes, bool yielding,
                                              Clock::time_point now) {
  const double rate = static_cast<double>(bytes_per_second_) /
                      (yielding ? static_cast<double>(kScrubYieldDivisor) : 1);
  const std::chrono::duration<double> taken(static_cast<double>(bytes) / rate);
  next_ =
      std::max(next_, now) + std::chrono::duration_cast<Clock::duration>(taken);
  return next_;
}

}  // namespace qstore::server
