// Element types of tensors, as named in safetensors headers.
#pragma once

#include <cstdint>
#include <span>
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
  kF8E8M0 = 16,
  kF4 = 17,
  kF6E2M3 = 18,
  kF6E3M2 = 19,
  kF8E4M3Fnuz = 20,
  kF8E5M2Fnuz = 21,
  kC64 = 22,
};

// Takes the spelling of safetensors ("F32", "BF16", "F8_E4M3", ...).
// INVALID_ARGUMENT names the dtype when it is unknown.
absl::StatusOr<Dtype> ParseDtype(std::string_view name);

// From a stored record; DATA_LOSS when no dtype has this number.
absl::StatusOr<Dtype> DtypeFromNumber(uint32_t number);

// The spelling of safetensors.
std::string_view DtypeName(Dtype dtype);

// Size of one element: whole bytes, except F4 (4 bits), F6_E2M3 and F6_E3M2
// (6).
uint32_t DtypeBits(Dtype dtype);

// What a tensor takes. Sub-byte elements follow each other without gaps across
// rows, so only their total has to be whole bytes. INVALID_ARGUMENT, with shape
// and dtype, when it is not, and when the dimensions other than 0 need 2^64
// bytes or more: no product of some of them overflows then either.
absl::StatusOr<uint64_t> TensorBytes(Dtype dtype,
                                     std::span<const uint64_t> shape);

// Whether the codec can quantize tensors of this type (F32, F16, BF16).
bool IsQuantizable(Dtype dtype);

}  // namespace qstore
