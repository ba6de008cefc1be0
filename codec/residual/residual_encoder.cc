#include "codec/residual/residual_encoder.h"

#include <algorithm>
#include <limits>

#include "base/status.h"
#include "codec/chunk_runs.h"
#include "codec/grid.h"
#include "codec/kernels/kernels.h"
#include "codec/pairs/code_differences.h"
#include "codec/plain/plain_codec.h"
#include "codec/residual/plain_residual.h"
#include "codec/residual/rank_writer.h"
#include "codec/residual/residual_builder.h"
#include "codec/residual/residual_format.h"
#include "codec/residual/sparse_subgroups.h"
#include "codec/zstd_coder.h"

namespace qstore::codec {
namespace {

// With more exceptions than this the interval mode is given up at once: coding
// the differences to the nearest codes is smaller.
uint64_t RareExceptions(const ChunkShape& shape) {
  constexpr uint64_t kSmallChunk = 16u << 10;
  return shape.weight_count() <= kSmallChunk ? MaxExceptions(shape)
                                             : shape.weight_count() / 32;
}

// With more than this, differences are tried too.
uint64_t NegligibleExceptions(const ChunkShape& shape) {
  return shape.weight_count() / 1024;
}

// What differences must save: they take another key and decode more slowly.
constexpr uint64_t kDifferencesMustSaveBytes = 64;

uint64_t ExceptionBytes(const std::vector<EncodedBlob>& residual) {
  // The last of the interval mode.
  return residual.back().subgroup == kExceptionsSubgroup
             ? residual.back().bytes.size()
             : 0;
}

}  // namespace

struct ResidualEncoder::Workspace {
  ZstdEncoder zstd{ZstdSearch::kLeast};  // of planes
  RankWriter ranks;
  PlainCodec plain;
  CodeDifferenceEncoder differences;
  ByteVector difference_blob;
  ResidualBuilder blobs;
  ByteVector scratch;

  absl::Status Encode(const ChunkShape& shape, ByteView weights,
                      std::span<const int8_t> codes,
                      std::span<const float> scales,
                      std::vector<EncodedBlob>* residual);
  // Ranks in the intervals of `codes`. *residual is left empty when there are
  // more exceptions than `max_exceptions`.
  absl::Status EncodeInterval(ResidualMode mode, const ChunkShape& shape,
                              ByteView weights, std::span<const int8_t> codes,
                              std::span<const float> scales,
                              uint64_t max_exceptions,
                              std::vector<EncodedBlob>* residual);
  // Replaces what EncodeInterval gave by ranks in the intervals of the nearest
  // codes and what these are, if that takes less. Ranks take about the same, so
  // that exceptions and differences are what to compare.
  absl::Status TryDifferences(const ChunkShape& shape, ByteView weights,
                              std::span<const int8_t> codes,
                              std::span<const float> scales,
                              std::vector<EncodedBlob>* residual);
  // False when there are too many exceptions.
  bool EncodeRanks(const ChunkShape& shape, ByteView weights, uint32_t grid,
                   std::span<const int8_t> codes, std::span<const float> scales,
                   uint64_t max_exceptions);
  absl::Status AppendIntervalBlobs(ResidualMode mode, const ChunkShape& shape,
                                   uint32_t grid);
};

bool ResidualEncoder::Workspace::EncodeRanks(const ChunkShape& shape,
                                             ByteView weights, uint32_t grid,
                                             std::span<const int8_t> codes,
                                             std::span<const float> scales,
                                             uint64_t max_exceptions) {
  const Kernels& kernels = BestKernels();
  ranks.Start(shape.format, kernels);
  IntervalTable table;
  const absl::Status status = ForEachRun(
      shape, [&](size_t scale, uint64_t first, uint64_t count) -> absl::Status {
        kernels.build_interval_table(shape.format, scales[scale], grid, &table);
        const uint64_t end = first + count;
        for (uint64_t at = first; at < end; at += kBlockWeights) {
          EncodeCursor* cursor =
              ranks.PrepareBlock(table.widths, static_cast<uint32_t>(at));
          if (ranks.exception_count() > max_exceptions) {
            return absl::CancelledError();  // without a message: no allocation
          }
          kernels.encode_ranks(
              shape.format, table,
              weights.data() + at * FloatBytes(shape.format), codes.data() + at,
              std::min<uint64_t>(kBlockWeights, end - at), cursor);
        }
        return absl::OkStatus();
      });
  ranks.Finish();
  return status.ok() && ranks.exception_count() <= max_exceptions;
}

absl::Status ResidualEncoder::Workspace::AppendIntervalBlobs(
    ResidualMode mode, const ChunkShape& shape, uint32_t grid) {
  ResidualHead head;
  head.mode = mode;
  head.format = shape.format;
  head.grid = static_cast<uint8_t>(grid);
  head.code_zero_count = static_cast<uint32_t>(ranks.code_zeros().size() /
                                               FloatBytes(shape.format));
  head.extra_bit_count = ranks.extra_bit_count();
  head.exception_count = static_cast<uint32_t>(ranks.exceptions().size());
  head.EncodeTo(blobs.Append(kHeadSubgroup));
  ranks.AppendBlobs(&blobs);
  if (!ranks.code_zeros().empty()) {
    QSTORE_RETURN_IF_ERROR(EncodeCodeZeros(shape.format, ranks.code_zeros(),
                                           &zstd, &scratch,
                                           blobs.Append(kCodeZeroSubgroup)));
  }
  if (!ranks.exceptions().empty()) {
    QSTORE_RETURN_IF_ERROR(EncodeExceptions(shape.format, ranks.exceptions(),
                                            &zstd, &scratch,
                                            blobs.Append(kExceptionsSubgroup)));
  }
  return absl::OkStatus();
}

absl::Status ResidualEncoder::Workspace::EncodeInterval(
    ResidualMode mode, const ChunkShape& shape, ByteView weights,
    std::span<const int8_t> codes, std::span<const float> scales,
    uint64_t max_exceptions, std::vector<EncodedBlob>* residual) {
  blobs.Start(residual);
  const uint32_t grid = ChooseGrid(shape.format, weights, codes);
  if (!EncodeRanks(shape, weights, grid, codes, scales, max_exceptions)) {
    return absl::OkStatus();
  }
  return AppendIntervalBlobs(mode, shape, grid);
}

absl::Status ResidualEncoder::Workspace::TryDifferences(
    const ChunkShape& shape, ByteView weights, std::span<const int8_t> codes,
    std::span<const float> scales, std::vector<EncodedBlob>* residual) {
  differences.Start(shape, weights, codes, scales);
  if (differences.none()) {
    // Too many weights are off the grid, or the codes were given up too early.
    return residual->empty()
               ? EncodeInterval(ResidualMode::kInterval, shape, weights, codes,
                                scales, MaxExceptions(shape), residual)
               : absl::OkStatus();
  }
  if (!differences.is_worthwhile()) {
    return absl::OkStatus();
  }
  difference_blob.clear();
  QSTORE_RETURN_IF_ERROR(differences.AppendTo(&zstd, &difference_blob));
  if (!residual->empty() && difference_blob.size() + kDifferencesMustSaveBytes >
                                ExceptionBytes(*residual)) {
    return absl::OkStatus();
  }
  QSTORE_RETURN_IF_ERROR(EncodeInterval(
      ResidualMode::kDifferences, shape, weights, differences.nearest(),
      differences.nearest_scales(), MaxExceptions(shape), residual));
  if (!residual->empty()) {
    blobs.Append(kCodeDifferencesSubgroup)
        ->assign(difference_blob.begin(), difference_blob.end());
  }
  return absl::OkStatus();
}

absl::Status ResidualEncoder::Workspace::Encode(
    const ChunkShape& shape, ByteView weights, std::span<const int8_t> codes,
    std::span<const float> scales, std::vector<EncodedBlob>* residual) {
  QSTORE_RETURN_IF_ERROR(EncodeInterval(ResidualMode::kInterval, shape, weights,
                                        codes, scales, RareExceptions(shape),
                                        residual));
  if (ranks.exception_count() > NegligibleExceptions(shape)) {
    QSTORE_RETURN_IF_ERROR(
        TryDifferences(shape, weights, codes, scales, residual));
  }
  ranks.ReleaseIfLarge();
  // Without the head, which every mode has.
  const uint64_t other_bytes = residual->empty()
                                   ? std::numeric_limits<uint64_t>::max() / 2
                                   : blobs.TotalBytes() - kResidualHeadBytes;
  ByteVector plain_blob = blobs.Take(kPlainSubgroup);
  QSTORE_RETURN_IF_ERROR(EncodePlainIfSmaller(
      shape.format, weights, other_bytes, &plain, &scratch, &plain_blob));
  if (plain_blob.empty()) {
    blobs.GiveBack(kPlainSubgroup, std::move(plain_blob));
  } else {
    ResidualHead head;
    head.mode = ResidualMode::kPlain;
    head.format = shape.format;
    blobs.Start(residual);
    head.EncodeTo(blobs.Append(kHeadSubgroup));
    blobs.Append(kPlainSubgroup, std::move(plain_blob));
  }
  blobs.Finish();
  return absl::OkStatus();
}

ResidualEncoder::ResidualEncoder()
    : workspace_(std::make_unique<Workspace>()) {}

ResidualEncoder::~ResidualEncoder() = default;

absl::Status ResidualEncoder::Encode(const ChunkShape& shape, ByteView weights,
                                     std::span<const int8_t> codes,
                                     std::span<const float> scales,
                                     std::vector<EncodedBlob>* residual) {
  return workspace_->Encode(shape, weights, codes, scales, residual);
}

}  // namespace qstore::codec
