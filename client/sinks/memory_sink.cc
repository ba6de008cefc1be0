#include "client/sinks/memory_sink.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/text/quote.h"
#include "client/sinks/download_journal.h"
#include "client/sinks/file_counts.h"

namespace qstore::client {
namespace {

bool IsInside(MutableByteView file, uint64_t offset_bytes,
              uint64_t size_bytes) {
  return offset_bytes <= file.size() &&
         size_bytes <= file.size() - offset_bytes;
}

absl::Status Outside(const MemorySink::File& file, uint64_t offset_bytes,
                     uint64_t size_bytes) {
  return absl::OutOfRangeError(absl::StrCat(
      "file ", Quoted(file.path), " has ", file.bytes.size(), " bytes, not ",
      size_bytes, " from byte ", offset_bytes, " on"));
}

}  // namespace

MemorySink::MemorySink() : MemorySink(Allocate()) {}
MemorySink::MemorySink(Allocate allocate)
    : allocate_(std::move(allocate)), counts_(std::make_unique<FileCounts>()) {}
MemorySink::~MemorySink() = default;

const MemorySink::File* MemorySink::Find(const std::string& path) const {
  const auto found =
      std::find_if(files_.begin(), files_.end(),
                   [&](const File& file) { return file.path == path; });
  return found == files_.end() ? nullptr : &*found;
}

absl::StatusOr<bool> MemorySink::Open(const std::string& /*identity*/) {
  Clear();
  journal_ = std::make_unique<DownloadJournal>();
  return false;
}

absl::Status MemorySink::Expect(const std::vector<std::string>& paths) {
  counts_->Expect(paths);
  const bool same = std::equal(
      paths.begin(), paths.end(), files_.begin(), files_.end(),
      [](const std::string& path, const File& f) { return path == f.path; });
  if (same) return absl::OkStatus();
  files_.assign(paths.size(), File());
  for (size_t i = 0; i < paths.size(); ++i) files_[i].path = paths[i];
  owned_.clear();
  owned_.resize(paths.size());
  return absl::OkStatus();
}

absl::Status MemorySink::Publish() {
  QSTORE_RETURN_IF_ERROR(counts_->CheckComplete());
  journal_ = nullptr;
  return absl::OkStatus();
}

void MemorySink::Abandon(bool /*keep*/) {
  Clear();
  journal_ = nullptr;
}

DownloadJournal* MemorySink::journal() { return journal_.get(); }

absl::Status MemorySink::DeclareSize(size_t file_index, uint64_t size_bytes) {
  File& file = files_[file_index];
  counts_->DeclareSize(file_index, size_bytes);
  if (file.bytes.size() == size_bytes) return absl::OkStatus();
  file.bytes = {};
  if (allocate_ != nullptr) {
    QSTORE_ASSIGN_OR_RETURN(const MutableByteView given,
                            allocate_(file.path, size_bytes));
    if (given.size() != size_bytes) {
      return absl::InvalidArgumentError(
          absl::StrCat("file ", Quoted(file.path), " has ", size_bytes,
                       " bytes, but memory for ", given.size(), " was given"));
    }
    file.bytes = given;
    return absl::OkStatus();
  }
  // A size that a server made up must not end the process.
  owned_[file_index].reset(new (std::nothrow) uint8_t[size_bytes]);
  if (owned_[file_index] == nullptr) {
    return absl::ResourceExhaustedError(
        absl::StrCat("there is no memory for the ", size_bytes,
                     " bytes of file ", Quoted(file.path)));
  }
  file.bytes = {owned_[file_index].get(), size_bytes};
  return absl::OkStatus();
}

absl::Status MemorySink::Write(size_t file_index, uint64_t offset_bytes,
                               ByteView bytes) {
  const File& file = files_[file_index];
  if (!IsInside(file.bytes, offset_bytes, bytes.size())) {
    return Outside(file, offset_bytes, bytes.size());
  }
  if (!bytes.empty()) {
    std::memcpy(file.bytes.data() + offset_bytes, bytes.data(), bytes.size());
  }
  counts_->Add(file_index, bytes.size());
  return absl::OkStatus();
}

absl::Status MemorySink::Copy(size_t from_index, uint64_t from_offset_bytes,
                              size_t to_index, uint64_t to_offset_bytes,
                              uint64_t size_bytes) {
  const File& from = files_[from_index];
  if (!IsInside(from.bytes, from_offset_bytes, size_bytes)) {
    return Outside(from, from_offset_bytes, size_bytes);
  }
  return Write(to_index, to_offset_bytes,
               from.bytes.subspan(from_offset_bytes, size_bytes));
}

absl::Status MemorySink::ReadEarlier(size_t file_index, uint64_t offset_bytes,
                                     MutableByteView out) const {
  const File& file = files_[file_index];
  if (!IsInside(file.bytes, offset_bytes, out.size())) {
    return Outside(file, offset_bytes, out.size());
  }
  if (!out.empty()) {
    std::memcpy(out.data(), file.bytes.data() + offset_bytes, out.size());
  }
  return absl::OkStatus();
}

absl::Status MemorySink::KeepEarlier(size_t file_index, uint64_t size_bytes) {
  counts_->Add(file_index, size_bytes);
  return absl::OkStatus();
}

void MemorySink::Clear() {
  files_.clear();
  owned_.clear();
}

}  // namespace qstore::client
