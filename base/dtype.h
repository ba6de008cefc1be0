// Element types of tensors, as named in safetensors headers.
#pragma once

#include <cstdint>
#include <string_view>

#include "absl/status/statusor.h"

namespace qstore {

// DO NOT CHANGE THESE VALUES: they are stored in object records.
enum class Dtype : uint8_t {
  kBool = 1,
  kU8 = 2,
  kI8 = 3,
  kF8E4M3 = 4,
  kF8E5M2 = 5,
  kI16 = 6,
  kU16 = 7,
  kF16 = 8,
  kBF16 = 9,
  kI32 = 10,
  kU32 = 11,
  kF32 = 12,
  kF64 = 13,
  kI64 = 14,
  kU64 = 15,
};

// Takes the spelling of safetensors ("F32", "BF16", "F8_E4M3", ...).
// INVALID_ARGUMENT names the dtype when it is unknown.
absl::StatusOr<Dtype> ParseDtype(std::string_view name);

// From a stored record; DATA_LOSS when no dtype has this number.
absl::StatusOr<Dtype> DtypeFromNumber(uint32_t number);

// The spelling of safetensors.
std::string_view DtypeName(Dtype dtype);

// Size of one element; every dtype above has a whole number of bytes.
uint32_t DtypeBytes(Dtype dtype);

// Whether the codec can quantize tensors of this type (F32, F16, BF16).
bool IsQuantizable(Dtype dtype);

}  // namespace qstore
