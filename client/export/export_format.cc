#include "client/export/export_format.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/quote.h"
#include "client/export/compressed_tensors.h"

namespace qstore::client {
namespace {

struct NamedFormat {
  const char* name;
  const ExportFormat* (*get)();
};

constexpr NamedFormat kFormats[] = {
    {"compressed-tensors", &CompressedTensorsFormat},
};

}  // namespace

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

}  // namespace qstore::client
