#include "model/reserved_names.h"

#include <algorithm>

namespace qstore {
namespace {

// Of all names but those of staging directories, which lie beside what they are
// for and begin with its name.
constexpr std::string_view kReservedPrefix = ".qstore-";
static_assert(kJournalName.starts_with(kReservedPrefix));

bool IsOwn(std::string_view name) {
  return name == kJournalName ||
         name.find(kStagingMarker) != std::string_view::npos;
}

template <typename Predicate>
std::string_view FirstPart(std::string_view path, const Predicate& is_wanted) {
  while (!path.empty()) {
    const std::string_view part = path.substr(0, path.find('/'));
    if (is_wanted(part)) return part;
    path.remove_prefix(std::min(path.size(), part.size() + 1));
  }
  return {};
}

}  // namespace

std::string_view OwnPart(std::string_view path) {
  return FirstPart(path, IsOwn);
}

std::string_view ReservedPart(std::string_view path) {
  return FirstPart(path, [](std::string_view name) {
    return IsOwn(name) || name.starts_with(kReservedPrefix);
  });
}

}  // namespace qstore
