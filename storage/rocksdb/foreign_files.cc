#include "storage/rocksdb/foreign_files.h"

#include <algorithm>
#include <string>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "base/text/glob.h"
#include "base/text/quote.h"

namespace qstore::storage {
namespace {

namespace fs = std::filesystem;

// What RocksDB and this store write before there is a CURRENT, and what file
// systems put into their roots.
constexpr const char* kKnownNames[] = {
    "LOCK",    "LOG",     "LOG.old.*",    "IDENTITY",   "OPTIONS-*",
    "*.dbtmp", "*.log",   "*.sst",        "*.ldb",      "MANIFEST-*",
    "staging", "archive", "scrub-state*", "lost+found", ".snapshot"};

bool IsKnown(const std::string& name) {
  return std::any_of(
      std::begin(kKnownNames), std::end(kKnownNames),
      [&](const char* pattern) { return GlobMatch(pattern, name); });
}

}  // namespace

absl::Status CheckNoForeignFiles(const fs::path& directory) {
  std::error_code error;
  if (fs::exists(directory / "CURRENT", error)) return absl::OkStatus();
  for (fs::directory_iterator entries(directory, error);
       !error && entries != fs::directory_iterator();
       entries.increment(error)) {
    const std::string name = entries->path().filename().native();
    if (IsKnown(name)) continue;
    return absl::FailedPreconditionError(absl::StrCat(
        Quoted(directory.native()), " is not empty (it holds ", Quoted(name),
        ") and is no store: name an empty directory, or one that does not "
        "exist yet"));
  }
  // Opening it says what is wrong with it.
  return absl::OkStatus();
}

}  // namespace qstore::storage
