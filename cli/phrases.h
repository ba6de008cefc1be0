// Pieces of what the reports say.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace qstore::cli {

// "1 file", "2 files"
std::string Count(uint64_t count, const char* noun);

// The first digits of a revision; enough to name it again. Safe to print,
// whatever the server says that it is.
std::string ShortRevision(const std::string& revision);

// "latest, prod", safe to print.
std::string JoinNames(const std::vector<std::string>& names);

// "2026-11-24 09:00:00 UTC"
std::string FormatTime(int64_t unix_seconds);

// "30522x384", "scalar"
std::string FormatShape(const std::vector<uint64_t>& shape);

}  // namespace qstore::cli
