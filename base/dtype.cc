#include "base/dtype.h"

#include <array>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/quote.h"
#include "base/status.h"

namespace qstore {
namespace {

struct DtypeFacts {
  Dtype dtype;
  std::string_view name;
  uint32_t bytes;
};

constexpr std::array kDtypes = {
    DtypeFacts{Dtype::kBool, "BOOL", 1},
    DtypeFacts{Dtype::kU8, "U8", 1},
    DtypeFacts{Dtype::kI8, "I8", 1},
    DtypeFacts{Dtype::kF8E4M3, "F8_E4M3", 1},
    DtypeFacts{Dtype::kF8E5M2, "F8_E5M2", 1},
    DtypeFacts{Dtype::kI16, "I16", 2},
    DtypeFacts{Dtype::kU16, "U16", 2},
    DtypeFacts{Dtype::kF16, "F16", 2},
    DtypeFacts{Dtype::kBF16, "BF16", 2},
    DtypeFacts{Dtype::kI32, "I32", 4},
    DtypeFacts{Dtype::kU32, "U32", 4},
    DtypeFacts{Dtype::kF32, "F32", 4},
    DtypeFacts{Dtype::kF64, "F64", 8},
    DtypeFacts{Dtype::kI64, "I64", 8},
    DtypeFacts{Dtype::kU64, "U64", 8},
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

uint32_t DtypeBytes(Dtype dtype) { return FactsOf(dtype).bytes; }

bool IsQuantizable(Dtype dtype) {
  return dtype == Dtype::kF32 || dtype == Dtype::kF16 || dtype == Dtype::kBF16;
}

}  // namespace qstore
