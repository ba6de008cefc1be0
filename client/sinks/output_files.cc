#include "client/sinks/output_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/text/quote.h"
#include "client/server_faults.h"

namespace qstore::client {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kCopyBytes = 1u << 20;

// Takes the space of a whole file; where the file system cannot, the file only
// gets its length.
absl::Status Preallocate(File* file, uint64_t size_bytes) {
  const int descriptor = open(file->path().c_str(), O_WRONLY | O_CLOEXEC);
  if (descriptor < 0) {
    return ErrnoStatus(errno, absl::StrCat("opening ", file->path().native()));
  }
  const int error =
      fallocate(descriptor, 0, 0, static_cast<off_t>(size_bytes)) == 0 ? 0
                                                                       : errno;
  close(descriptor);
  if (error == 0) return absl::OkStatus();
  if (error == EOPNOTSUPP || error == ENOSYS || error == EINTR) {
    return file->Truncate(size_bytes);
  }
  return ErrnoStatus(error, absl::StrCat("taking ", size_bytes, " bytes for ",
                                         file->path().native()));
}

}  // namespace

OutputFiles::OutputFiles(fs::path root, const std::vector<std::string>& paths)
    : root_(std::move(root)) {
  files_.reserve(paths.size());
  for (const std::string& path : paths) {
    files_.push_back(std::make_unique<OutputFile>());
    files_.back()->path = root_ / path;
  }
}

void OutputFiles::DeclareSize(size_t file_index, uint64_t size_bytes) {
  OutputFile* const output = files_[file_index].get();
  const absl::MutexLock lock(&output->mutex);
  output->size_bytes = size_bytes;
}

absl::Status OutputFiles::Write(size_t file_index, uint64_t offset_bytes,
                                ByteView bytes) {
  OutputFile* output = files_[file_index].get();
  QSTORE_ASSIGN_OR_RETURN(const std::shared_ptr<File> file, Opened(output));
  QSTORE_RETURN_IF_ERROR(file->WriteAt(offset_bytes, bytes));
  return Count(output, file, bytes.size());
}

absl::Status OutputFiles::ReadEarlier(size_t file_index, uint64_t offset_bytes,
                                      MutableByteView out) const {
  QSTORE_ASSIGN_OR_RETURN(const File file,
                          File::OpenForRead(files_[file_index]->path));
  return file.ReadAt(offset_bytes, out);
}

absl::Status OutputFiles::KeepEarlier(size_t file_index, uint64_t size_bytes) {
  OutputFile* output = files_[file_index].get();
  QSTORE_ASSIGN_OR_RETURN(const std::shared_ptr<File> file, Opened(output));
  return Count(output, file, size_bytes);
}

absl::StatusOr<std::shared_ptr<File>> OutputFiles::Opened(OutputFile* output) {
  const absl::MutexLock lock(&output->mutex);
  if (output->file == nullptr) QSTORE_RETURN_IF_ERROR(Open(output));
  return output->file;
}

absl::Status OutputFiles::Count(OutputFile* output,
                                const std::shared_ptr<File>& file,
                                uint64_t size_bytes) {
  {
    const absl::MutexLock lock(&output->mutex);
    output->written_bytes += size_bytes;
    if (output->written_bytes < output->size_bytes) return absl::OkStatus();
    output->file = nullptr;
  }
  // Every other write has ended by now, so this is the last reference.
  absl::Status status = file->Sync();
  if (status.ok()) status = file->Close();
  if (!status.ok()) {
    // What could not be written has left the kernel's memory for good, or will,
    // and the next sync would not say so: nothing of it may be gone on with.
    std::error_code ignored;
    fs::remove(output->path, ignored);
  }
  return status;
}

absl::Status OutputFiles::Copy(size_t from_index, uint64_t from_offset_bytes,
                               size_t to_index, uint64_t to_offset_bytes,
                               uint64_t size_bytes) {
  if (size_bytes == 0) return absl::OkStatus();
  QSTORE_ASSIGN_OR_RETURN(const File source,
                          File::OpenForRead(files_[from_index]->path));
  ByteVector bytes;
  for (uint64_t done = 0; done < size_bytes; done += bytes.size()) {
    bytes.resize(std::min(kCopyBytes, size_bytes - done));
    QSTORE_RETURN_IF_ERROR(source.ReadAt(from_offset_bytes + done, bytes));
    QSTORE_RETURN_IF_ERROR(Write(to_index, to_offset_bytes + done, bytes));
  }
  return absl::OkStatus();
}

absl::Status OutputFiles::Finish() {
  for (const std::unique_ptr<OutputFile>& file : files_) {
    OutputFile* const output = file.get();
    const absl::MutexLock lock(&output->mutex);
    if (output->written_bytes != output->size_bytes) {
      return ContradictionError(absl::StrCat(
          "file ", Quoted(output->path.native()), " has ",
          output->written_bytes, " of its ", output->size_bytes, " bytes"));
    }
    if (output->size_bytes > 0) continue;
    QSTORE_RETURN_IF_ERROR(Open(output));
    QSTORE_RETURN_IF_ERROR(output->file->Sync());
    QSTORE_RETURN_IF_ERROR(output->file->Close());
    output->file = nullptr;
  }
  return absl::OkStatus();
}

absl::Status OutputFiles::Open(OutputFile* output) {
  std::error_code error;
  fs::create_directories(output->path.parent_path(), error);
  if (error) {
    return ErrnoStatus(
        error.value(),
        absl::StrCat("creating ", output->path.parent_path().native()));
  }
  QSTORE_ASSIGN_OR_RETURN(File file, File::OpenForUpdate(output->path));
  // What an interrupted download left may have been rewritten since.
  QSTORE_ASSIGN_OR_RETURN(const uint64_t size_bytes, file.SizeBytes());
  if (size_bytes > output->size_bytes) {
    QSTORE_RETURN_IF_ERROR(file.Truncate(output->size_bytes));
  }
  if (output->size_bytes > 0) {
    QSTORE_RETURN_IF_ERROR(Preallocate(&file, output->size_bytes));
  }
  output->file = std::make_shared<File>(std::move(file));
  return absl::OkStatus();
}

}  // namespace qstore::client
