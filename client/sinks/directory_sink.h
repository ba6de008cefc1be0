// A directory on disk: either all files are in it, checked and synced, or it is
// as it was (staging.h says how).
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "client/sinks/sink.h"

namespace qstore::client {

class OutputFiles;
class Staging;

// What an interrupted download left is gone on with, also by another process;
// and what one left that the disk refused to take.
class DirectorySink final : public Sink {
 public:
  explicit DirectorySink(std::filesystem::path directory);
  ~DirectorySink() override;
  DirectorySink(const DirectorySink&) = delete;
  DirectorySink& operator=(const DirectorySink&) = delete;

  void SetOrigin(const DownloadOrigin& origin) override { origin_ = origin; }
  bool HasFiles() const override;
  std::unique_ptr<FileWriter> PresentFilesAt(
      const std::vector<std::string>& paths) const override;
  void KeepPresent(const std::vector<std::string>& paths) override;
  std::vector<std::string> TakeNotes() override;
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
  // Of a call on the disk: whether that is why the download fails.
  absl::Status Noted(absl::Status status);

  const std::filesystem::path directory_;
  std::atomic<bool> disk_refused_ = false;
  DownloadOrigin origin_;
  std::vector<std::string> notes_;
  std::unique_ptr<Staging> staging_;
  std::unique_ptr<DownloadJournal> journal_;
  std::unique_ptr<OutputFiles> output_;
};

}  // namespace qstore::client
