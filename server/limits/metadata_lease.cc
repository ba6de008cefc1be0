#include "server/limits/metadata_lease.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/error_reason.h"
#include "base/text/byte_format.h"
#include "server/calls/status_mapping.h"

namespace qstore::server {
namespace {

constexpr absl::Duration kMetadataRetryDelay = absl::Seconds(2);

// A segment in the revision and in its manifest, and its object there; names
// and shapes of usual sizes are in it.
constexpr uint64_t kManifestBytesPerSegment = 1024;
// A chunk of an object in the manifest, which has at least this many bytes but
// for the last.
constexpr uint64_t kManifestBytesPerChunk = 1536;
constexpr uint64_t kMinChunkRawBytes = 4u << 20;

// What of a name (bytes) and a shape (dimensions) is in kUploadBytesPerTensor.
constexpr uint64_t kUsualNameBytes = 256;
constexpr uint64_t kUsualRank = 8;
// Of a name or shape: in the header, in the segment, and twice in records.
constexpr uint64_t kCopiesOfTensor = 4;

}  // namespace

uint64_t UploadBytesOf(const TensorEntry& tensor) {
  const uint64_t name_bytes =
      std::max<uint64_t>(tensor.name.size(), kUsualNameBytes) - kUsualNameBytes;
  const uint64_t rank =
      std::max<uint64_t>(tensor.shape.size(), kUsualRank) - kUsualRank;
  return kUploadBytesPerTensor +
         kCopiesOfTensor * (name_bytes + rank * sizeof(uint64_t));
}

absl::StatusOr<ByteBudget::Lease> LeaseMetadata(ByteBudget* budget,
                                                uint64_t bytes) {
  std::optional<ByteBudget::Lease> lease = budget->TryAcquire(bytes);
  if (lease.has_value()) return *std::move(lease);
  const std::string sentence = absl::StrCat(
      "the model's list of tensors takes ", FormatBytes(bytes), " of memory; ");
  if (bytes > budget->limit_bytes()) {
    return WithReason(absl::ResourceExhaustedError(absl::StrCat(
                          sentence, "the server gives all lists together ",
                          FormatBytes(budget->limit_bytes()),
                          ": raise its --metadata-memory or --memory-limit")),
                      kReasonTensorListTooLarge);
  }
  return WithRetryHint(
      WithReason(
          absl::ResourceExhaustedError(absl::StrCat(
              sentence, "other calls hold ", FormatBytes(budget->held_bytes()),
              " of the ", FormatBytes(budget->limit_bytes()),
              " for all of them; retry in ",
              absl::FormatDuration(kMetadataRetryDelay))),
          kReasonMemoryBusy),
      kMetadataRetryDelay);
}

absl::StatusOr<ByteBudget::Lease> LeaseMetadata(
    ByteBudget* budget, const storage::RevisionReader& reader) {
  uint64_t bytes = 0;
  for (const storage::StoredFile& file : reader.revision().files) {
    bytes += kManifestBytesPerSegment + 2 * file.path.size();
    for (const storage::StoredSegment& segment : file.segments) {
      bytes += kManifestBytesPerSegment + 2 * segment.tensor_name.size() +
               segment.raw_bytes / kMinChunkRawBytes * kManifestBytesPerChunk;
    }
  }
  return LeaseMetadata(budget, bytes);
}

}  // namespace qstore::server
