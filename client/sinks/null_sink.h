// Throws everything away: for benchmarks, and to verify from end to end that a
// revision can be fetched and decoded.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "client/sinks/sink.h"

namespace qstore::client {

class FileCounts;

// An attempt that breaks begins anew. Publish checks that all bytes came.
class NullSink final : public Sink {
 public:
  NullSink();
  ~NullSink() override;
  NullSink(const NullSink&) = delete;
  NullSink& operator=(const NullSink&) = delete;

  absl::StatusOr<bool> Open(const std::string& identity) override;
  absl::Status Expect(const std::vector<std::string>& paths) override;
  absl::Status Publish() override;
  void Abandon(bool /*keep*/) override {}
  DownloadJournal* journal() override { return nullptr; }

  absl::Status DeclareSize(size_t file_index, uint64_t size_bytes) override;
  absl::Status Write(size_t file_index, uint64_t offset_bytes,
                     ByteView bytes) override;
  absl::Status Copy(size_t from_index, uint64_t from_offset_bytes,
                    size_t to_index, uint64_t to_offset_bytes,
                    uint64_t size_bytes) override;
  bool CanResume(size_t /*file_index*/) const override { return false; }
  absl::Status ReadEarlier(size_t file_index, uint64_t offset_bytes,
                           MutableByteView out) const override;
  absl::Status KeepEarlier(size_t file_index, uint64_t size_bytes) override;

 private:
  std::unique_ptr<FileCounts> counts_;
};

}  // namespace qstore::client
