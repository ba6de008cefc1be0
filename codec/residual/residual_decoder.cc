#include "codec/residual/residual_decoder.h"

#include <algorithm>
#include <array>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "codec/chunk_runs.h"
#include "codec/kernels/kernels.h"
#include "codec/pairs/code_differences.h"
#include "codec/plain/plain_codec.h"
#include "codec/residual/plain_residual.h"
#include "codec/residual/rank_reader.h"
#include "codec/residual/residual_format.h"
#include "codec/residual/sparse_subgroups.h"
#include "codec/zstd_coder.h"

namespace qstore::codec {
namespace {

// The blobs of a residual by subgroup; absent ones are empty.
using BlobsBySubgroup = std::array<ByteView, kLastSubgroup + 1>;

bool IsKnownSubgroup(uint8_t subgroup) {
  return subgroup <= kLastRankSubgroup ||
         (subgroup >= kExtraBitsSubgroup && subgroup <= kLastSubgroup);
}

bool BelongsTo(ResidualMode mode, size_t subgroup) {
  switch (subgroup) {
    case kHeadSubgroup:
      return true;
    case kPlainSubgroup:
      return mode == ResidualMode::kPlain;
    case kCodeDifferencesSubgroup:
      return mode == ResidualMode::kDifferences;
    default:
      return mode != ResidualMode::kPlain;
  }
}

absl::StatusOr<BlobsBySubgroup> SortBlobs(std::span<const BlobView> residual) {
  BlobsBySubgroup blobs = {};
  int previous = -1;
  for (const BlobView& blob : residual) {
    if (blob.subgroup <= previous) {
      return absl::DataLossError(absl::StrCat(
          "residual subgroup ", blob.subgroup, " comes after ", previous));
    }
    previous = blob.subgroup;
    if (!IsKnownSubgroup(blob.subgroup)) {
      return absl::DataLossError(
          absl::StrCat("residual subgroup ", blob.subgroup, " is unknown"));
    }
    if (blob.bytes.empty()) {
      return absl::DataLossError(
          absl::StrCat("residual subgroup ", blob.subgroup, " is empty"));
    }
    blobs[blob.subgroup] = blob.bytes;
  }
  return blobs;
}

absl::Status CheckMode(ResidualMode mode, const BlobsBySubgroup& blobs) {
  for (size_t subgroup = 1; subgroup < blobs.size(); ++subgroup) {
    if (!blobs[subgroup].empty() && !BelongsTo(mode, subgroup)) {
      return absl::DataLossError(absl::StrCat("residual subgroup ", subgroup,
                                              " does not belong to mode ",
                                              static_cast<int>(mode)));
    }
  }
  return absl::OkStatus();
}

}  // namespace

struct ResidualDecoder::Workspace {
  ZstdDecoder zstd;
  RankReader ranks;
  PlainCodec plain;
  CodeDifferenceDecoder differences;
  ByteVector scratch;
  ByteVector code_zeros;  // elements of the chunk's format
  std::vector<uint32_t> positions;

  absl::Status AddStreams(const ResidualHead& head,
                          const BlobsBySubgroup& blobs);
  absl::Status DecodeRanks(const ChunkShape& shape, const ResidualHead& head,
                           std::span<const int8_t> codes,
                           std::span<const float> scales,
                           MutableByteView weights);
  absl::Status DecodeInterval(const ChunkShape& shape, const ResidualHead& head,
                              const BlobsBySubgroup& blobs,
                              std::span<int8_t> codes, std::span<float> scales,
                              MutableByteView weights);
};

absl::Status ResidualDecoder::Workspace::AddStreams(
    const ResidualHead& head, const BlobsBySubgroup& blobs) {
  ranks.Start(BestKernels());
  for (uint32_t width = 1; width <= kMaxWidth; ++width) {
    const ByteView blob = blobs[kFirstRankSubgroup + width - 1];
    if (!blob.empty()) {
      QSTORE_RETURN_IF_ERROR(ranks.AddRanks(width, blob));
    }
  }
  QSTORE_RETURN_IF_ERROR(
      ranks.AddExtraBits(head.extra_bit_count, blobs[kExtraBitsSubgroup]));
  // A block may have kBlockWeights code-0 weights too many before it is found
  // out.
  const uint32_t weight_bytes = FloatBytes(head.format);
  const size_t code_zero_bytes = size_t{head.code_zero_count} * weight_bytes;
  code_zeros.resize(code_zero_bytes + kBlockWeights * weight_bytes +
                    kVectorSlackBytes);
  std::fill(code_zeros.begin() + static_cast<ptrdiff_t>(code_zero_bytes),
            code_zeros.end(), 0);
  if (head.code_zero_count == 0) {
    if (!blobs[kCodeZeroSubgroup].empty()) {
      return absl::DataLossError(
          "there is a code-zero subgroup, but its count is 0");
    }
    return absl::OkStatus();
  }
  return Annotate(
      DecodeCodeZeros(head.format, blobs[kCodeZeroSubgroup], &zstd, &scratch,
                      MutableByteView(code_zeros).first(code_zero_bytes)),
      "code-zero subgroup");
}

absl::Status ResidualDecoder::Workspace::DecodeRanks(
    const ChunkShape& shape, const ResidualHead& head,
    std::span<const int8_t> codes, std::span<const float> scales,
    MutableByteView weights) {
  const Kernels& kernels = BestKernels();
  IntervalTable table;
  const uint8_t* next_code_zero = code_zeros.data();
  const uint8_t* end_code_zero =
      next_code_zero + size_t{head.code_zero_count} * FloatBytes(shape.format);
  const absl::Status status = ForEachRun(
      shape, [&](size_t scale, uint64_t first, uint64_t count) -> absl::Status {
        kernels.build_interval_table(shape.format, scales[scale], head.grid,
                                     &table);
        const uint64_t end = first + count;
        for (uint64_t at = first; at < end; at += kBlockWeights) {
          DecodeCursor* cursor = ranks.PrepareBlock(table.widths);
          cursor->next_code_zero = next_code_zero;
          kernels.decode_ranks(shape.format, table, codes.data() + at,
                               std::min<uint64_t>(kBlockWeights, end - at),
                               cursor,
                               weights.data() + at * FloatBytes(shape.format));
          next_code_zero = cursor->next_code_zero;
          if (next_code_zero > end_code_zero) {
            return absl::DataLossError(
                absl::StrCat("more codes are 0 than the residual's ",
                             head.code_zero_count, " code-0 weights"));
          }
          QSTORE_RETURN_IF_ERROR(ranks.CheckBlock());
        }
        return absl::OkStatus();
      });
  QSTORE_RETURN_IF_ERROR(status);
  if (next_code_zero != end_code_zero) {
    return absl::DataLossError(
        absl::StrCat("fewer codes are 0 than the residual's ",
                     head.code_zero_count, " code-0 weights"));
  }
  return ranks.CheckEnd();
}

absl::Status ResidualDecoder::Workspace::DecodeInterval(
    const ChunkShape& shape, const ResidualHead& head,
    const BlobsBySubgroup& blobs, std::span<int8_t> codes,
    std::span<float> scales, MutableByteView weights) {
  if (head.mode == ResidualMode::kDifferences) {
    QSTORE_RETURN_IF_ERROR(
        Annotate(differences.Apply(shape, blobs[kCodeDifferencesSubgroup],
                                   &zstd, codes, scales),
                 "code differences"));
  }
  QSTORE_RETURN_IF_ERROR(AddStreams(head, blobs));
  QSTORE_RETURN_IF_ERROR(DecodeRanks(shape, head, codes, scales, weights));
  if (head.exception_count == 0) {
    if (!blobs[kExceptionsSubgroup].empty()) {
      return absl::DataLossError("there are exceptions, but their count is 0");
    }
    return absl::OkStatus();
  }
  return Annotate(ApplyExceptions(shape.format, blobs[kExceptionsSubgroup],
                                  head.exception_count, shape.weight_count(),
                                  &zstd, &scratch, &positions, weights),
                  "exceptions");
}

ResidualDecoder::ResidualDecoder()
    : workspace_(std::make_unique<Workspace>()) {}

ResidualDecoder::~ResidualDecoder() = default;

absl::Status ResidualDecoder::Decode(const ChunkShape& shape,
                                     std::span<const BlobView> residual,
                                     std::span<int8_t> codes,
                                     std::span<float> scales,
                                     MutableByteView weights) {
  QSTORE_ASSIGN_OR_RETURN(const BlobsBySubgroup blobs, SortBlobs(residual));
  QSTORE_ASSIGN_OR_RETURN(
      const ResidualHead head,
      ResidualHead::DecodeFrom(blobs[kHeadSubgroup], shape));
  QSTORE_RETURN_IF_ERROR(CheckMode(head.mode, blobs));
  if (head.mode == ResidualMode::kPlain) {
    return DecodePlainResidual(blobs[kPlainSubgroup], &workspace_->plain,
                               weights);
  }
  return workspace_->DecodeInterval(shape, head, blobs, codes, scales, weights);
}

}  // namespace qstore::codec
