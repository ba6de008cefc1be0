#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"
#include "base/hash.h"
#include "base/status.h"
#include "codec/chunk_codec.h"
#include "codec/chunk_runs.h"
#include "codec/grid.h"
#include "codec/int8/int8_blob.h"
#include "codec/kernels/kernels.h"
#include "codec/pairs/code_differences.h"
#include "codec/quantizer.h"
#include "codec/residual/plain_residual.h"
#include "codec/residual/rank_writer.h"
#include "codec/residual/residual_builder.h"
#include "codec/residual/residual_format.h"
#include "codec/residual/sparse_subgroups.h"

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

uint64_t ExceptionBytes(const std::vector<ResidualBlob>& residual) {
  // The last of the interval mode.
  return residual.back().subgroup == kExceptionsSubgroup
             ? residual.back().bytes.size()
             : 0;
}

}  // namespace

struct ChunkEncoder::Workspace {
  EncodeOptions options;
  std::vector<int8_t> codes;
  std::vector<float> scales;
  ZstdEncoder zstd{ZstdSearch::kLeast};  // of planes
  Int8Encoder int8;
  RankWriter ranks;
  PlainCodec plain;
  CodeDifferenceEncoder differences;
  ByteVector difference_blob;
  ResidualBuilder blobs;
  ByteVector scratch;

  absl::Status Quantize(const ChunkShape& shape, ByteView weights);
  absl::Status EncodeResidual(const ChunkShape& shape, ByteView weights,
                              std::span<const int8_t> chunk_codes,
                              std::span<const float> chunk_scales,
                              std::vector<ResidualBlob>* residual);
  // Ranks in the intervals of `chunk_codes`. *residual is left empty when there
  // are more exceptions than `max_exceptions`.
  absl::Status EncodeInterval(ResidualMode mode, const ChunkShape& shape,
                              ByteView weights,
                              std::span<const int8_t> chunk_codes,
                              std::span<const float> chunk_scales,
                              uint64_t max_exceptions,
                              std::vector<ResidualBlob>* residual);
  // Replaces what EncodeInterval gave by ranks in the intervals of the nearest
  // codes and what these are, if that takes less. Ranks take about the same, so
  // that exceptions and differences are what to compare.
  absl::Status TryDifferences(const ChunkShape& shape, ByteView weights,
                              std::span<const int8_t> chunk_codes,
                              std::span<const float> chunk_scales,
                              std::vector<ResidualBlob>* residual);
  // False when there are too many exceptions.
  bool EncodeRanks(const ChunkShape& shape, ByteView weights, uint32_t grid,
                   std::span<const int8_t> chunk_codes,
                   std::span<const float> chunk_scales,
                   uint64_t max_exceptions);
  absl::Status AppendIntervalBlobs(ResidualMode mode, const ChunkShape& shape,
                                   uint32_t grid);
};

absl::Status ChunkEncoder::Workspace::Quantize(const ChunkShape& shape,
                                               ByteView weights) {
  const Quantizer* quantizer = FindQuantizer(options.quantizer);
  if (quantizer == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat(
        "unknown quantizer \"", std::string(options.quantizer), "\""));
  }
  codes.resize(shape.weight_count());
  scales.resize(shape.scale_count());
  const Kernels& kernels = BestKernels();
  return ForEachRun(shape, [&](size_t scale, uint64_t first, uint64_t count) {
    scales[scale] =
        quantizer->quantize(kernels, shape.format,
                            weights.data() + first * FloatBytes(shape.format),
                            count, codes.data() + first);
    return absl::OkStatus();
  });
}

bool ChunkEncoder::Workspace::EncodeRanks(const ChunkShape& shape,
                                          ByteView weights, uint32_t grid,
                                          std::span<const int8_t> chunk_codes,
                                          std::span<const float> chunk_scales,
                                          uint64_t max_exceptions) {
  const Kernels& kernels = BestKernels();
  ranks.Start(shape.format, kernels);
  IntervalTable table;
  const absl::Status status = ForEachRun(
      shape, [&](size_t scale, uint64_t first, uint64_t count) -> absl::Status {
        kernels.build_interval_table(shape.format, chunk_scales[scale], grid,
                                     &table);
        const uint64_t end = first + count;
        for (uint64_t at = first; at < end; at += kBlockWeights) {
          EncodeCursor* cursor =
              ranks.PrepareBlock(table.widths, static_cast<uint32_t>(at));
          if (ranks.exception_count() > max_exceptions) {
            return absl::CancelledError();  // without a message: no allocation
          }
          kernels.encode_ranks(shape.format, table,
                               weights.data() + at * FloatBytes(shape.format),
                               chunk_codes.data() + at,
                               std::min<uint64_t>(kBlockWeights, end - at),
                               cursor);
        }
        return absl::OkStatus();
      });
  ranks.Finish();
  return status.ok() && ranks.exception_count() <= max_exceptions;
}

absl::Status ChunkEncoder::Workspace::AppendIntervalBlobs(
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

absl::Status ChunkEncoder::Workspace::EncodeInterval(
    ResidualMode mode, const ChunkShape& shape, ByteView weights,
    std::span<const int8_t> chunk_codes, std::span<const float> chunk_scales,
    uint64_t max_exceptions, std::vector<ResidualBlob>* residual) {
  blobs.Start(residual);
  const uint32_t grid = ChooseGrid(shape.format, weights, chunk_codes);
  if (!EncodeRanks(shape, weights, grid, chunk_codes, chunk_scales,
                   max_exceptions)) {
    return absl::OkStatus();
  }
  return AppendIntervalBlobs(mode, shape, grid);
}

absl::Status ChunkEncoder::Workspace::TryDifferences(
    const ChunkShape& shape, ByteView weights,
    std::span<const int8_t> chunk_codes, std::span<const float> chunk_scales,
    std::vector<ResidualBlob>* residual) {
  differences.Start(shape, weights, chunk_codes, chunk_scales);
  if (differences.none()) {
    // Too many weights are off the grid, or the codes were given up too early.
    return residual->empty()
               ? EncodeInterval(ResidualMode::kInterval, shape, weights,
                                chunk_codes, chunk_scales, MaxExceptions(shape),
                                residual)
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

absl::Status ChunkEncoder::Workspace::EncodeResidual(
    const ChunkShape& shape, ByteView weights,
    std::span<const int8_t> chunk_codes, std::span<const float> chunk_scales,
    std::vector<ResidualBlob>* residual) {
  QSTORE_RETURN_IF_ERROR(EncodeInterval(ResidualMode::kInterval, shape, weights,
                                        chunk_codes, chunk_scales,
                                        RareExceptions(shape), residual));
  if (ranks.exception_count() > NegligibleExceptions(shape)) {
    QSTORE_RETURN_IF_ERROR(
        TryDifferences(shape, weights, chunk_codes, chunk_scales, residual));
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

ChunkEncoder::ChunkEncoder(EncodeOptions options)
    : workspace_(std::make_unique<Workspace>()) {
  workspace_->options = options;
}

ChunkEncoder::~ChunkEncoder() = default;

void ChunkEncoder::set_coder(Int8Coder coder) {
  workspace_->options.coder = coder;
}

absl::Status ChunkEncoder::Encode(const ChunkShape& shape, ByteView weights,
                                  EncodedChunk* out) {
  QSTORE_RETURN_IF_ERROR(CheckShape(shape));
  if (shape.strategy == ScaleStrategy::kTensor) {
    return absl::InvalidArgumentError(
        "a chunk cannot be quantized by itself under one scale for the whole "
        "tensor: give its codes and scale");
  }
  if (weights.size() != shape.weight_bytes()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the chunk has ", weights.size(), " bytes instead of ",
                     shape.weight_bytes()));
  }
  QSTORE_RETURN_IF_ERROR(workspace_->Quantize(shape, weights));
  return EncodePair(shape, weights, workspace_->codes, workspace_->scales, out);
}

absl::Status ChunkEncoder::EncodePair(const ChunkShape& shape, ByteView weights,
                                      std::span<const int8_t> codes,
                                      std::span<const float> scales,
                                      EncodedChunk* out) {
  QSTORE_RETURN_IF_ERROR(CheckShape(shape));
  if (weights.size() != shape.weight_bytes() ||
      codes.size() != shape.weight_count() ||
      scales.size() != shape.scale_count()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the chunk has ", weights.size(), " bytes, ", codes.size(),
                     " codes and ", scales.size(), " scales instead of ",
                     shape.weight_bytes(), ", ", shape.weight_count(), " and ",
                     shape.scale_count()));
  }
  QSTORE_RETURN_IF_ERROR(
      workspace_->int8.Encode(shape, workspace_->options.coder, codes, scales,
                              &workspace_->zstd, &out->int8_blob));
  QSTORE_RETURN_IF_ERROR(workspace_->EncodeResidual(shape, weights, codes,
                                                    scales, &out->residual));
  out->codes_xxh3 =
      Xxh3({reinterpret_cast<const uint8_t*>(codes.data()), codes.size()});
  out->scales_xxh3 = Xxh3(
      {reinterpret_cast<const uint8_t*>(scales.data()), scales.size_bytes()});
  out->weights_xxh3 = Xxh3(weights);
  return absl::OkStatus();
}

}  // namespace qstore::codec
