// Manifest records as bytes: every value is sealed with a checksum over its key
// and payload, so that a damaged or misplaced record is noticed whatever the
// engine does.
//
//   payload | XXH3-64 of key and payload, u64 little-endian
//
// The format version record alone is not sealed, so that it can be read
// whatever the version.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "model/object.h"
#include "qstore/storage/v2/manifest.pb.h"
#include "storage/revisions/revision.h"

namespace qstore::storage {

// What sealing adds to a payload.
inline constexpr size_t kSealBytes = sizeof(uint64_t);

std::string SealRecord(std::string_view key, std::string_view payload);

// The payload, a view into `sealed`. DATA_LOSS names the key.
absl::StatusOr<std::string_view> UnsealRecord(std::string_view key,
                                              ByteView sealed);

// Unseal, parse, and check every rule of storage/records/validate_records.h.
// The record must also be the one that belongs under its key. DATA_LOSS
// otherwise.
absl::StatusOr<model::Object> ParseObjectRecord(uint64_t object_id,
                                                ByteView sealed);
absl::StatusOr<StoredRevision> ParseRevisionRecord(std::string_view model,
                                                   std::string_view revision,
                                                   ByteView sealed);

// Unseal and parse. DATA_LOSS also when ids do not ascend from 1.
absl::StatusOr<v2::UnfinishedUpload> ParseUnfinishedRecord(
    uint64_t checkpoint_id, ByteView sealed);

// A sealed u64, little-endian.
std::string SealNumber(std::string_view key, uint64_t number);
absl::StatusOr<uint64_t> UnsealNumber(std::string_view key, ByteView sealed);

}  // namespace qstore::storage
