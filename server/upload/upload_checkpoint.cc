#include "server/upload/upload_checkpoint.h"

#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/text/quote.h"
#include "model/dtype.h"

namespace qstore::server {

void SaveSegments(const std::vector<PendingSegment>& segments,
                  upload::v1::ReceivedFile* file) {
  for (const PendingSegment& segment : segments) {
    upload::v1::Segment* saved = file->add_segments();
    saved->set_object_position(segment.object_position);
    saved->set_tensor_name(segment.tensor_name);
    saved->set_raw_bytes(segment.raw_bytes);
  }
}

absl::StatusOr<std::vector<PendingSegment>> RestoreSegments(
    const upload::v1::UploadCheckpoint& checkpoint,
    const upload::v1::ReceivedFile& file) {
  std::vector<PendingSegment> segments;
  segments.reserve(file.segments_size());
  uint64_t left_bytes = file.size_bytes();
  for (const upload::v1::Segment& saved : file.segments()) {
    if (saved.object_position() >=
            static_cast<uint64_t>(checkpoint.content_hashes_size()) ||
        saved.raw_bytes() > left_bytes) {
      return absl::DataLossError(
          absl::StrCat("file ", Quoted(file.path()),
                       ": a segment does not fit file or objects"));
    }
    left_bytes -= saved.raw_bytes();
    segments.push_back(
        {saved.object_position(), saved.tensor_name(), saved.raw_bytes()});
  }
  return segments;
}

uint64_t RawBytesOf(const std::vector<PendingSegment>& segments) {
  uint64_t bytes = 0;
  for (const PendingSegment& segment : segments) bytes += segment.raw_bytes;
  return bytes;
}

void SaveMissingTensor(const TensorEntry& tensor,
                       upload::v1::MissingTensor* missing) {
  missing->set_name(tensor.name);
  missing->set_dtype(static_cast<uint32_t>(tensor.dtype));
  missing->mutable_shape()->Add(tensor.shape.begin(), tensor.shape.end());
  missing->set_raw_bytes(tensor.size_bytes());
}

absl::StatusOr<TensorEntry> RestoreMissingTensor(
    const upload::v1::MissingTensor& missing, uint64_t begin_bytes) {
  TensorEntry tensor;
  tensor.name = missing.name();
  QSTORE_ASSIGN_OR_RETURN(tensor.dtype, DtypeFromNumber(missing.dtype()));
  tensor.shape.assign(missing.shape().begin(), missing.shape().end());
  QSTORE_ASSIGN_OR_RETURN(const uint64_t raw_bytes,
                          TensorBytes(tensor.dtype, tensor.shape));
  if (raw_bytes != missing.raw_bytes() ||
      raw_bytes > std::numeric_limits<uint64_t>::max() - begin_bytes) {
    return absl::DataLossError(absl::StrCat("tensor ", Quoted(tensor.name),
                                            " has another size than it says"));
  }
  tensor.begin_bytes = begin_bytes;
  tensor.end_bytes = begin_bytes + raw_bytes;
  return tensor;
}

}  // namespace qstore::server
