#include "client/upload/read_ahead.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error_reason.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/status.h"
#include "base/text/quote.h"
#include "client/upload/file_stamp.h"

namespace qstore::client {
namespace {

absl::Status Changed(const SourceFile& file, const std::string& how) {
  return absl::FailedPreconditionError(
      absl::StrCat("file ", Quoted(file.location.native()), " ", how,
                   " while it was being uploaded: wait until nothing writes "
                   "to it, then upload again"));
}

absl::Status CheckSize(const File& opened, const SourceFile& file) {
  QSTORE_ASSIGN_OR_RETURN(const uint64_t size_bytes, opened.SizeBytes());
  if (size_bytes == file.size_bytes) return CheckUnchanged(file);
  return Changed(file, absl::StrCat("went from ", file.size_bytes, " to ",
                                    size_bytes, " bytes"));
}

}  // namespace

absl::Status CheckUnchanged(const SourceFile& file) {
  QSTORE_ASSIGN_OR_RETURN(const FileStamp stamp, StampOf(file.location));
  const FileStamp found = {.size_bytes = file.size_bytes,
                           .modified_nanoseconds = file.modified_nanoseconds};
  if (stamp == found) return absl::OkStatus();
  return Changed(file, "was written to");
}

ReadAhead::ReadAhead(const std::vector<SourceFile>& files, const Start& start)
    : files_(files), start_(start), thread_([this] { Run(); }) {}

ReadAhead::~ReadAhead() {
  {
    const absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  thread_.join();
}

absl::StatusOr<std::optional<ReadAhead::Block>> ReadAhead::Next() {
  const absl::MutexLock lock(&mutex_,
                             absl::Condition(this, &ReadAhead::HasNext));
  if (blocks_.empty()) {
    if (!status_.ok()) return status_;
    return std::optional<Block>();
  }
  std::optional<Block> block = std::move(blocks_.front());
  blocks_.pop_front();
  return block;
}

void ReadAhead::Run() {
  absl::Status status;
  for (size_t i = start_.file_index; i < files_.size() && status.ok(); ++i) {
    status = ReadFile(i, i == start_.file_index ? start_.offset_bytes : 0);
  }
  const absl::MutexLock lock(&mutex_);
  status_ = std::move(status);
  finished_ = true;
}

absl::Status ReadAhead::ReadFile(size_t file_index, uint64_t offset_bytes) {
  const SourceFile& file = files_[file_index];
  QSTORE_ASSIGN_OR_RETURN(const File opened, File::OpenForRead(file.location));
  QSTORE_RETURN_IF_ERROR(CheckSize(opened, file));
  for (uint64_t offset = offset_bytes; offset < file.size_bytes;
       offset += kUploadBlockBytes) {
    Block block;
    block.file_index = file_index;
    block.bytes.resize(std::min(kUploadBlockBytes, file.size_bytes - offset));
    const absl::Status read = opened.ReadAt(
        offset,
        {reinterpret_cast<uint8_t*>(block.bytes.data()), block.bytes.size()});
    if (ReasonOf(read) == kReasonOutOfRange) return Changed(file, "shrank");
    QSTORE_RETURN_IF_ERROR(read);
    block.xxh3 = Xxh3(AsBytes(block.bytes));
    if (!Push(std::move(block))) return absl::CancelledError("stopped");
  }
  return CheckSize(opened, file);
}

bool ReadAhead::Push(Block block) {
  const absl::MutexLock lock(&mutex_,
                             absl::Condition(this, &ReadAhead::HasRoom));
  if (stopping_) return false;
  blocks_.push_back(std::move(block));
  return true;
}

}  // namespace qstore::client
