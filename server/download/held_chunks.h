// What the client of a download has already.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>

#include "absl/status/statusor.h"
#include "qstore/v1/model_store.pb.h"

namespace qstore::server {

inline constexpr size_t kMaxHeldEntries = 65'536;

class HeldChunks {
 public:
  // INVALID_ARGUMENT: more than kMaxHeldEntries. Numbers past what the revision
  // has do no harm.
  static absl::StatusOr<HeldChunks> FromWire(
      const v1::DownloadRequest& request);

  bool Has(uint64_t object_index, uint32_t chunk_index) const;

 private:
  std::map<uint64_t, uint64_t> end_of_range_;  // by first object
  std::map<uint64_t, std::set<uint32_t>> chunks_;
};

}  // namespace qstore::server
