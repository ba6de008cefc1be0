// Keys of every record (docs/format.md, "Keys and records"). Numbers in keys
// are big-endian, so that keys sort by number.
//
// Values of layers:  object id u64 | chunk u32 | subgroup u8 | value u16
// Manifest:
//   f                               format version of the store
//   n                               an id above every id ever used
//   o/ID                            Object
//   h/SHA256                        id of the object with this content hash
//   x/ID/MODEL\0REVISION            reference: the revision uses the object
//   r/MODEL\0REVISION               Revision
//   l/MODEL\0REVISION               commit number of the revision
//   t/MODEL\0TAG                    revision that the tag names
//   u/ID                            UnfinishedUpload
// ID: 8 bytes; SHA256: 32 bytes; MODEL, TAG, REVISION: as text.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/hash.h"

namespace qstore::storage {

inline constexpr size_t kDataKeyBytes = 15;

struct DataKey {
  uint64_t object_id = 0;
  uint32_t chunk_index = 0;
  uint8_t subgroup = 0;
  uint16_t value_index = 0;  // in its blob

  std::string Encode() const;
  // Nothing when `key` does not have kDataKeyBytes bytes.
  static std::optional<DataKey> Decode(std::string_view key);
};

// The least data key of an object, or more exactly a bound below it and above
// every key of lesser objects.
std::string DataKeyBound(uint64_t object_id);

// The first 8 bytes of `key` as an id; nothing when there are fewer.
std::optional<uint64_t> LeadingId(std::string_view key);

std::string FormatVersionKey();
std::string NextIdKey();

std::string ObjectKey(uint64_t object_id);
std::string HashKey(const Sha256Digest& content_hash);
std::string ReferenceKey(uint64_t object_id, std::string_view model,
                         std::string_view revision);
std::string RevisionKey(std::string_view model, std::string_view revision);
std::string ListingKey(std::string_view model, std::string_view revision);
std::string TagKey(std::string_view model, std::string_view tag);
std::string UnfinishedKey(uint64_t checkpoint_id);

// Prefixes for scans. The ones with a model end in the separator.
std::string ObjectPrefix();
std::string ReferencePrefix();
std::string ReferencePrefix(uint64_t object_id);
std::string ListingPrefix();
std::string ListingPrefix(std::string_view model);
std::string TagPrefix();
std::string TagPrefix(std::string_view model);
std::string UnfinishedPrefix();

// The least string greater than every string that starts with `prefix`, which
// is not empty and does not end in 0xff.
std::string PrefixEnd(std::string prefix);

// Splits "MODEL\0REST"; nothing when there is no separator.
struct ModelAndRest {
  std::string model;
  std::string rest;
};
std::optional<ModelAndRest> SplitAtModel(std::string_view text);

}  // namespace qstore::storage
