#include "model/reserved_names.h"

#include <algorithm>

namespace qstore {

std::string_view ReservedPart(std::string_view path) {
  while (!path.empty()) {
    const size_t slash = path.find('/');
    const std::string_view part = path.substr(0, slash);
    if (part == kJournalName ||
        part.find(kStagingMarker) != std::string_view::npos) {
      return part;
    }
    path.remove_prefix(std::min(path.size(), part.size() + 1));
  }
  return {};
}

}  // namespace qstore
