#include "client/sinks/file_counts.h"

#include "absl/strings/str_cat.h"
#include "base/text/quote.h"
#include "client/server_faults.h"

namespace qstore::client {

void FileCounts::Expect(const std::vector<std::string>& paths) {
  files_ = std::vector<File>(paths.size());
  for (size_t i = 0; i < paths.size(); ++i) files_[i].path = paths[i];
}

void FileCounts::DeclareSize(size_t file_index, uint64_t size_bytes) {
  files_[file_index].size_bytes = size_bytes;
}

void FileCounts::Add(size_t file_index, uint64_t size_bytes) {
  files_[file_index].written_bytes += size_bytes;
}

absl::Status FileCounts::CheckComplete() const {
  for (const File& file : files_) {
    if (file.written_bytes == file.size_bytes) continue;
    return ContradictionError(absl::StrCat(
        "file ", Quoted(file.path), " has ", file.written_bytes.load(),
        " of its ", file.size_bytes, " bytes"));
  }
  return absl::OkStatus();
}

}  // namespace qstore::client
