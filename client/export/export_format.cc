#include "client/export/export_format.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/error_reason.h"
#include "base/text/quote.h"
#include "client/export/int_quantized.h"
#include "client/export/pack_quantized.h"

namespace qstore::client {
namespace {

struct NamedFormat {
  const char* name;
  const ExportFormat* (*get)();
};

constexpr NamedFormat kFormats[] = {
    {"compressed-tensors", &IntQuantizedFormat},
    {"pack-quantized", &PackQuantizedFormat},
};

}  // namespace

uint64_t ExportedPart::size_bytes() const {
  uint64_t bytes = DtypeBits(dtype) / 8;
  for (const uint64_t extent : shape) bytes *= extent;
  return bytes;
}

bool IsOneOfExperts(const std::string& name) {
  const size_t experts = name.find("experts.");
  return experts != std::string::npos &&
         experts + sizeof("experts.") - 1 < name.size() &&
         absl::ascii_isdigit(static_cast<unsigned char>(
             name[experts + sizeof("experts.") - 1]));
}

std::vector<std::string> ExportFormatNames() {
  std::vector<std::string> names;
  for (const NamedFormat& format : kFormats) names.emplace_back(format.name);
  return names;
}

absl::StatusOr<const ExportFormat*> FindExportFormat(const std::string& name) {
  for (const NamedFormat& format : kFormats) {
    if (name == format.name) return format.get();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("there is no format ", Quoted(name), ": use ",
                   absl::StrJoin(ExportFormatNames(), ", ")));
}

absl::Status NotExportableError(const std::string& sentence) {
  return WithReason(absl::FailedPreconditionError(sentence),
                    kReasonInt8NotExportable);
}

absl::StatusOr<std::vector<uint64_t>> ScaleShape(const ExportTensor& tensor) {
  switch (tensor.strategy) {
    case codec::ScaleStrategy::kTensor:
      return std::vector<uint64_t>{1};
    case codec::ScaleStrategy::kChannel:
      return std::vector<uint64_t>{tensor.shape[0], 1};
    case codec::ScaleStrategy::kGroup:
      break;
  }
  if (tensor.group_size == 0 || tensor.shape[1] % tensor.group_size != 0) {
    return NotExportableError(absl::StrCat(
        "tensor ", Quoted(tensor.name), " has groups of ", tensor.group_size,
        " columns, which do not divide its ", tensor.shape[1],
        ": compressed-tensors cannot hold it; download the original"));
  }
  return std::vector<uint64_t>{tensor.shape[0],
                               tensor.shape[1] / tensor.group_size};
}

}  // namespace qstore::client
