// Space that uploads leave free, so that deleting, collecting and tagging can
// always write the little that they need.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "storage/disk_space.h"

namespace qstore::server {

// Thread-safe.
class DiskReserve {
 public:
  // `space` null: there is no disk, and nothing is refused. `reserve_bytes`
  // none: a twentieth of the file system, at most kMaxDefaultReserveBytes.
  DiskReserve(std::unique_ptr<storage::DiskSpace> space,
              std::optional<uint64_t> reserve_bytes);

  static constexpr uint64_t kMaxDefaultReserveBytes = 1u << 30;

  // Whether an upload may write `more_bytes`: RESOURCE_EXHAUSTED names what is
  // free and what must stay so. Uploads that ask at once do not see each other:
  // they come below the reserve by a chunk each at most. A disk that cannot be
  // asked refuses nothing: writing to it will tell.
  absl::Status Check(uint64_t more_bytes) const;

 private:
  const std::unique_ptr<storage::DiskSpace> space_;
  const std::optional<uint64_t> reserve_bytes_;
};

}  // namespace qstore::server
