#include "model/reserved_names.h"

#include <algorithm>

namespace qstore {
namespace {

// Of all names but those of staging directories, which lie beside what they are
// for and begin with its name.
constexpr std::string_view kReservedPrefix = ".qstore-";
static_assert(kJournalName.starts_with(kReservedPrefix));
static_assert(kDownloadRecordName.starts_with(kReservedPrefix));

}  // namespace

std::string_view ReservedPart(std::string_view path) {
  while (!path.empty()) {
    const size_t slash = path.find('/');
    const std::string_view part = path.substr(0, slash);
    if (part.starts_with(kReservedPrefix) ||
        part.find(kStagingMarker) != std::string_view::npos) {
      return part;
    }
    path.remove_prefix(std::min(path.size(), part.size() + 1));
  }
  return {};
}

}  // namespace qstore
