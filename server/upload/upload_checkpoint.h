// Parts of an upload as they are remembered for after a restart.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "model/safetensors.h"
#include "qstore/upload/v1/upload_checkpoint.pb.h"
#include "server/upload/file_ingest.h"

namespace qstore::server {

// Raised when an older server would misread a checkpoint, or an older
// checkpoint would be misread.
inline constexpr uint32_t kCheckpointLayout = 1;

void SaveSegments(const std::vector<PendingSegment>& segments,
                  upload::v1::ReceivedFile* file);
// DATA_LOSS: one names no object of the checkpoint, or they are larger than the
// file.
absl::StatusOr<std::vector<PendingSegment>> RestoreSegments(
    const upload::v1::UploadCheckpoint& checkpoint,
    const upload::v1::ReceivedFile& file);
uint64_t RawBytesOf(const std::vector<PendingSegment>& segments);

void SaveMissingTensor(const TensorEntry& tensor,
                       upload::v1::MissingTensor* missing);
// Its bytes begin at `begin_bytes`. DATA_LOSS: it cannot be one.
absl::StatusOr<TensorEntry> RestoreMissingTensor(
    const upload::v1::MissingTensor& missing, uint64_t begin_bytes);

}  // namespace qstore::server
