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
// In a directory that was downloaded: what has been written into it.
inline constexpr std::string_view kDownloadRecordName = ".qstore-download";

// The first part of a path ('/' between parts) that is such a name, or may
// become one (".qstore-…"); empty when none is.
std::string_view ReservedPart(std::string_view path);

}  // namespace qstore
