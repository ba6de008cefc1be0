#include "model/dtype.h"

#include <array>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status.h"
#include "base/text/quote.h"

namespace qstore {
namespace {

struct DtypeFacts {
  Dtype dtype;
  std::string_view name;
  uint32_t bits;
};

constexpr std::array kDtypes = {
    DtypeFacts{Dtype::kBool, "BOOL", 8},
    DtypeFacts{Dtype::kU8, "U8", 8},
    DtypeFacts{Dtype::kI8, "I8", 8},
    DtypeFacts{Dtype::kF8E4M3, "F8_E4M3", 8},
    DtypeFacts{Dtype::kF8E5M2, "F8_E5M2", 8},
    DtypeFacts{Dtype::kI16, "I16", 16},
    DtypeFacts{Dtype::kU16, "U16", 16},
    DtypeFacts{Dtype::kF16, "F16", 16},
    DtypeFacts{Dtype::kBF16, "BF16", 16},
    DtypeFacts{Dtype::kI32, "I32", 32},
    DtypeFacts{Dtype::kU32, "U32", 32},
    DtypeFacts{Dtype::kF32, "F32", 32},
    DtypeFacts{Dtype::kF64, "F64", 64},
    DtypeFacts{Dtype::kI64, "I64", 64},
    DtypeFacts{Dtype::kU64, "U64", 64},
    DtypeFacts{Dtype::kF8E8M0, "F8_E8M0", 8},
    DtypeFacts{Dtype::kF4, "F4", 4},
    DtypeFacts{Dtype::kF6E2M3, "F6_E2M3", 6},
    DtypeFacts{Dtype::kF6E3M2, "F6_E3M2", 6},
    DtypeFacts{Dtype::kF8E4M3Fnuz, "F8_E4M3FNUZ", 8},
    DtypeFacts{Dtype::kF8E5M2Fnuz, "F8_E5M2FNUZ", 8},
    DtypeFacts{Dtype::kC64, "C64", 64},
};

// The table is in the order of the stored values, which start at 1.
constexpr bool TableIsOrdered() {
  for (size_t i = 0; i < kDtypes.size(); ++i) {
    if (static_cast<size_t>(kDtypes[i].dtype) != i + 1) return false;
  }
  return true;
}
static_assert(TableIsOrdered());

const DtypeFacts& FactsOf(Dtype dtype) {
  return kDtypes.at(static_cast<size_t>(dtype) - 1);
}

}  // namespace

absl::StatusOr<Dtype> ParseDtype(std::string_view name) {
  for (const DtypeFacts& facts : kDtypes) {
    if (facts.name == name) return facts.dtype;
  }
  return MakeStatus(absl::StatusCode::kInvalidArgument,
                    absl::StrCat("unknown dtype ", Quoted(name)));
}

absl::StatusOr<Dtype> DtypeFromNumber(uint32_t number) {
  if (number == 0 || number > kDtypes.size()) {
    return absl::DataLossError(absl::StrCat("no dtype has number ", number));
  }
  return kDtypes[number - 1].dtype;
}

std::string_view DtypeName(Dtype dtype) { return FactsOf(dtype).name; }

uint32_t DtypeBits(Dtype dtype) { return FactsOf(dtype).bits; }

absl::StatusOr<uint64_t> TensorBytes(Dtype dtype,
                                     std::span<const uint64_t> shape) {
  uint64_t count = 1;
  bool empty = false;
  bool fits = true;
  for (const uint64_t extent : shape) {
    if (extent == 0) {
      empty = true;
    } else if (__builtin_mul_overflow(count, extent, &count)) {
      fits = false;
    }
  }
  // Whole bytes and what is left of the bits, so that nothing wraps: eight
  // elements take as many bytes as one takes bits.
  const uint64_t bits = DtypeBits(dtype);
  const uint64_t rest_bits = count % 8 * bits;
  uint64_t bytes = 0;
  fits = fits && !__builtin_mul_overflow(count / 8, bits, &bytes) &&
         !__builtin_add_overflow(bytes, rest_bits / 8, &bytes);
  const auto text = [&] {
    return absl::StrCat("shape [", absl::StrJoin(shape, ", "), "] of ",
                        AbslView(DtypeName(dtype)));
  };
  if (!fits) {
    return absl::InvalidArgumentError(
        absl::StrCat(text(), " needs more than 2^64 bytes"));
  }
  if (empty) return 0;
  if (rest_bits % 8 != 0) {
    return absl::InvalidArgumentError(absl::StrCat(text(), " needs ", bytes,
                                                   " bytes and ", rest_bits % 8,
                                                   " bits, not whole bytes"));
  }
  return bytes;
}

bool IsQuantizable(Dtype dtype) {
  return dtype == Dtype::kF32 || dtype == Dtype::kF16 || dtype == Dtype::kBF16;
}

}  // namespace qstore
