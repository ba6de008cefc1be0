#include "client/sinks/null_sink.h"

#include "client/sinks/file_counts.h"

namespace qstore::client {

NullSink::NullSink() : counts_(std::make_unique<FileCounts>()) {}
NullSink::~NullSink() = default;

absl::StatusOr<bool> NullSink::Open(const std::string& /*identity*/) {
  return false;
}

absl::Status NullSink::Expect(const std::vector<std::string>& paths) {
  counts_->Expect(paths);
  return absl::OkStatus();
}

absl::Status NullSink::Publish() { return counts_->CheckComplete(); }

absl::Status NullSink::DeclareSize(size_t file_index, uint64_t size_bytes) {
  counts_->DeclareSize(file_index, size_bytes);
  return absl::OkStatus();
}

absl::Status NullSink::Write(size_t file_index, uint64_t /*offset_bytes*/,
                             ByteView bytes) {
  counts_->Add(file_index, bytes.size());
  return absl::OkStatus();
}

absl::Status NullSink::Copy(size_t /*from_index*/,
                            uint64_t /*from_offset_bytes*/, size_t to_index,
                            uint64_t /*to_offset_bytes*/, uint64_t size_bytes) {
  counts_->Add(to_index, size_bytes);
  return absl::OkStatus();
}

absl::Status NullSink::ReadEarlier(size_t /*file_index*/,
                                   uint64_t /*offset_bytes*/,
                                   MutableByteView /*out*/) const {
  return absl::NotFoundError("nothing is kept");
}

absl::Status NullSink::KeepEarlier(size_t file_index, uint64_t size_bytes) {
  counts_->Add(file_index, size_bytes);
  return absl::OkStatus();
}

}  // namespace qstore::client
