// Names that qstore-client gives to its own files beside and in the directories
// that it writes. No model may have files of such names: they would be taken
// for what an interrupted download has left.
#pragma once

#include <string_view>

namespace qstore {

// In a staging directory: which of its chunks have been written.
inline constexpr std::string_view kJournalName = ".qstore-journal";
// In the names of staging directories.
inline constexpr std::string_view kStagingMarker = ".qstore-partial-";

// The first part of a path ('/' between parts) that is one of these names;
// empty when none is.
std::string_view OwnPart(std::string_view path);

// The same for all names that are kept, also for what is to come (".qstore-…"):
// no new revision may have them.
std::string_view ReservedPart(std::string_view path);

}  // namespace qstore
