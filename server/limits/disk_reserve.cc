#include "server/limits/disk_reserve.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error_reason.h"
#include "base/text/byte_format.h"

namespace qstore::server {

DiskReserve::DiskReserve(std::unique_ptr<storage::DiskSpace> space,
                         std::optional<uint64_t> reserve_bytes,
                         std::function<void(absl::Duration)> collect)
    : space_(std::move(space)),
      reserve_bytes_(reserve_bytes),
      collect_(std::move(collect)) {}

absl::Status DiskReserve::Check(uint64_t more_bytes) const {
  absl::Status status = CheckNow(more_bytes);
  if (status.ok() || !collect_) return status;
  collect_(kMaxCollection);
  return CheckNow(more_bytes);
}

absl::Status DiskReserve::CheckNow(uint64_t more_bytes) const {
  if (space_ == nullptr) return absl::OkStatus();
  const auto reading = space_->Read();
  if (!reading.ok()) return absl::OkStatus();
  const uint64_t reserve_bytes = reserve_bytes_.value_or(
      std::min(kMaxDefaultReserveBytes, reading->total_bytes / 20));
  if (reading->free_bytes >= reserve_bytes &&
      reading->free_bytes - reserve_bytes >= more_bytes) {
    return absl::OkStatus();
  }
  // Without a hint when to retry: somebody has to delete something first.
  return WithReason(
      absl::ResourceExhaustedError(absl::StrCat(
          "the server's disk has ", FormatBytes(reading->free_bytes),
          " free, and uploads leave ", FormatBytes(reserve_bytes),
          " of it; delete models or make room, then try again")),
      kReasonDiskFull);
}

}  // namespace qstore::server
