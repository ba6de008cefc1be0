// Files in memory, the caller's or the sink's own.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "client/sinks/sink.h"

namespace qstore::client {

class FileCounts;

// An attempt that breaks is resumed. After a download that failed the memory
// holds anything.
class MemorySink final : public Sink {
 public:
  // Gives memory for a file: exactly `size_bytes`, any alignment, that nobody
  // else touches until the download has ended. An error ends the download.
  // Called by one thread at a time, once a file in most cases; again when an
  // attempt begins anew, and may then give the same memory.
  using Allocate = std::function<absl::StatusOr<MutableByteView>(
      const std::string& path, uint64_t size_bytes)>;

  // The sink's own memory, which lives until the next Open or its end.
  MemorySink();
  // The caller's.
  explicit MemorySink(Allocate allocate);
  ~MemorySink() override;
  MemorySink(const MemorySink&) = delete;
  MemorySink& operator=(const MemorySink&) = delete;

  struct File {
    std::string path;
    MutableByteView bytes;
  };
  // After a download that succeeded, in the order of the revision.
  const std::vector<File>& files() const { return files_; }
  // Null when there is no such file.
  const File* Find(const std::string& path) const;

  absl::StatusOr<bool> Open(const std::string& identity) override;
  absl::Status Expect(const std::vector<std::string>& paths) override;
  absl::Status Publish() override;
  void Abandon(bool keep) override;
  DownloadJournal* journal() override;

  absl::Status DeclareSize(size_t file_index, uint64_t size_bytes) override;
  absl::Status Write(size_t file_index, uint64_t offset_bytes,
                     ByteView bytes) override;
  absl::Status Copy(size_t from_index, uint64_t from_offset_bytes,
                    size_t to_index, uint64_t to_offset_bytes,
                    uint64_t size_bytes) override;
  bool CanResume(size_t /*file_index*/) const override { return true; }
  absl::Status ReadEarlier(size_t file_index, uint64_t offset_bytes,
                           MutableByteView out) const override;
  absl::Status KeepEarlier(size_t file_index, uint64_t size_bytes) override;

 private:
  void Clear();

  const Allocate allocate_;  // empty: own memory
  std::vector<File> files_;
  std::vector<std::unique_ptr<uint8_t[]>> owned_;  // by file
  std::unique_ptr<FileCounts> counts_;
  std::unique_ptr<DownloadJournal> journal_;
};

}  // namespace qstore::client
