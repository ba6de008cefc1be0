// Space that uploads leave free, so that deleting, collecting and tagging can
// always write the little that they need.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "storage/disk_space.h"

namespace qstore::server {

// Thread-safe.
class DiskReserve {
 public:
  // `space` null: there is no disk, and nothing is refused. `reserve_bytes`
  // none: a twentieth of the file system, at most kMaxDefaultReserveBytes.
  // `collect` waits until what nobody uses has been deleted, for so long at
  // most; empty: that is nothing to wait for.
  DiskReserve(std::unique_ptr<storage::DiskSpace> space,
              std::optional<uint64_t> reserve_bytes,
              std::function<void(absl::Duration)> collect = {});

  static constexpr uint64_t kMaxDefaultReserveBytes = 1u << 30;
  static constexpr absl::Duration kMaxCollection = absl::Seconds(5);

  // Whether an upload may write `more_bytes`: RESOURCE_EXHAUSTED names what is
  // free and what must stay so. Uploads that ask at once do not see each other:
  // they come below the reserve by a chunk each at most. A disk that cannot be
  // asked refuses nothing: writing to it will tell. Before it refuses it waits
  // for the collector, for kMaxCollection at most: what was deleted a moment
  // ago makes room as its user expects.
  absl::Status Check(uint64_t more_bytes) const;

 private:
  absl::Status CheckNow(uint64_t more_bytes) const;

  const std::unique_ptr<storage::DiskSpace> space_;
  const std::optional<uint64_t> reserve_bytes_;
  const std::function<void(absl::Duration)> collect_;
};

}  // namespace qstore::server
