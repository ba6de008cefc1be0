#include "client/sinks/present_files.h"

#include <sys/stat.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status.h"
#include "base/text/quote.h"

namespace qstore::client {
namespace {

constexpr uint64_t kComparedBytes = 1u << 20;

}  // namespace

PresentFiles::PresentFiles(const std::filesystem::path& root,
                           const std::vector<std::string>& paths) {
  files_.reserve(paths.size());
  for (const std::string& path : paths) files_.push_back(root / path);
}

absl::Status PresentFiles::Differs(size_t file_index) const {
  return absl::AbortedError(absl::StrCat(Quoted(files_[file_index].native()),
                                         " is not what the revision has"));
}

absl::Status PresentFiles::DeclareSize(size_t file_index, uint64_t size_bytes) {
  struct stat status = {};
  if (lstat(files_[file_index].c_str(), &status) != 0 ||
      !S_ISREG(status.st_mode) ||
      static_cast<uint64_t>(status.st_size) != size_bytes) {
    return Differs(file_index);
  }
  return absl::OkStatus();
}

absl::Status PresentFiles::Write(size_t file_index, uint64_t offset_bytes,
                                 ByteView bytes) {
  ByteVector present(bytes.size());
  if (!ReadEarlier(file_index, offset_bytes, present).ok() ||
      !std::equal(bytes.begin(), bytes.end(), present.begin())) {
    return Differs(file_index);
  }
  return absl::OkStatus();
}

absl::Status PresentFiles::Copy(size_t from_index, uint64_t from_offset_bytes,
                                size_t to_index, uint64_t to_offset_bytes,
                                uint64_t size_bytes) {
  ByteVector bytes;
  for (uint64_t done = 0; done < size_bytes; done += bytes.size()) {
    bytes.resize(std::min(kComparedBytes, size_bytes - done));
    QSTORE_RETURN_IF_ERROR(
        ReadEarlier(from_index, from_offset_bytes + done, bytes));
    QSTORE_RETURN_IF_ERROR(Write(to_index, to_offset_bytes + done, bytes));
  }
  return absl::OkStatus();
}

absl::Status PresentFiles::ReadEarlier(size_t file_index, uint64_t offset_bytes,
                                       MutableByteView out) const {
  // DeclareSize has seen that it is a file.
  const absl::StatusOr<File> file = File::OpenForRead(files_[file_index]);
  if (!file.ok() || !file->ReadAt(offset_bytes, out).ok()) {
    return Differs(file_index);
  }
  return absl::OkStatus();
}

}  // namespace qstore::client
