// Files that lie where a download would write them: whatever is written is
// compared with what is there.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "client/sinks/sink.h"

namespace qstore::client {

// ABORTED from any function: the file is not there as a regular file, or is not
// what it should be. Changes nothing and follows no link.
class PresentFiles final : public FileWriter {
 public:
  PresentFiles(const std::filesystem::path& root,
               const std::vector<std::string>& paths);

  absl::Status DeclareSize(size_t file_index, uint64_t size_bytes) override;
  absl::Status Write(size_t file_index, uint64_t offset_bytes,
                     ByteView bytes) override;
  absl::Status Copy(size_t from_index, uint64_t from_offset_bytes,
                    size_t to_index, uint64_t to_offset_bytes,
                    uint64_t size_bytes) override;
  bool CanResume(size_t /*file_index*/) const override { return true; }
  absl::Status ReadEarlier(size_t file_index, uint64_t offset_bytes,
                           MutableByteView out) const override;
  absl::Status KeepEarlier(size_t /*file_index*/,
                           uint64_t /*size_bytes*/) override {
    return absl::OkStatus();
  }

 private:
  absl::Status Differs(size_t file_index) const;

  std::vector<std::filesystem::path> files_;
};

}  // namespace qstore::client
