// The files of a download while they are written, by many threads and in any
// order.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "base/bytes.h"
#include "base/file.h"

namespace qstore::client {

// Thread-safe, except that a file's size is declared before it is written to.
class OutputFiles {
 public:
  // `paths` are relative to `root` and have been validated.
  OutputFiles(std::filesystem::path root,
              const std::vector<std::string>& paths);

  // How many bytes will be written to a file. Takes their space on disk at its
  // first write, so that a full disk is found out early.
  void DeclareSize(size_t file_index, uint64_t size_bytes);

  // Each byte of a file is written or kept once; with the last the file is
  // synced and closed.
  absl::Status Write(size_t file_index, uint64_t offset_bytes, ByteView bytes);

  // Reads bytes that an interrupted download wrote. OUT_OF_RANGE, NOT_FOUND:
  // there are none.
  absl::Status ReadEarlier(size_t file_index, uint64_t offset_bytes,
                           MutableByteView out) const;
  // Counts such bytes as written, once they have been checked.
  absl::Status KeepEarlier(size_t file_index, uint64_t size_bytes);

  // Copies bytes written before to another place.
  absl::Status Copy(size_t from_index, uint64_t from_offset_bytes,
                    size_t to_index, uint64_t to_offset_bytes,
                    uint64_t size_bytes);

  // Creates the files of no bytes. INTERNAL when any file lacks bytes.
  absl::Status Finish();

 private:
  struct OutputFile {
    std::filesystem::path path;
    absl::Mutex mutex;
    uint64_t size_bytes ABSL_GUARDED_BY(mutex) = 0;
    uint64_t written_bytes ABSL_GUARDED_BY(mutex) = 0;
    // Open while bytes are missing.
    std::shared_ptr<File> file ABSL_GUARDED_BY(mutex);
  };

  static absl::StatusOr<std::shared_ptr<File>> Opened(OutputFile* output);
  // Ends the file with its last byte.
  static absl::Status Count(OutputFile* output,
                            const std::shared_ptr<File>& file,
                            uint64_t size_bytes);
  static absl::Status Open(OutputFile* output)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(output->mutex);

  const std::filesystem::path root_;
  std::vector<std::unique_ptr<OutputFile>> files_;
};

}  // namespace qstore::client
