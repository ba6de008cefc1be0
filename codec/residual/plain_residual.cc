#include "codec/residual/plain_residual.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace qstore::codec {
namespace {

constexpr size_t kMinSampleBytes = 16u << 10;
constexpr size_t kMaxSampleBytes = 128u << 10;
constexpr size_t kSampleFraction = 64;
constexpr size_t kPieceBytes = 4u << 10;  // whole elements of every format
// At least what parts take that do not pack: lengths and headers.
constexpr size_t kHeadersBytes = 256;

PlainLayout LayoutOf(FloatFormat format) {
  switch (format) {
    case FloatFormat::kF32:
      return PlainLayout::kFloat32;
    case FloatFormat::kF16:
      return PlainLayout::kFloat16;
    case FloatFormat::kBF16:
      break;
  }
  return PlainLayout::kBFloat16;
}

// Evenly spaced pieces of `weights`.
void TakeSample(ByteView weights, size_t sample_bytes, ByteVector* sample) {
  sample->clear();
  const size_t pieces = sample_bytes / kPieceBytes;
  const size_t stride = (weights.size() - kPieceBytes) / (pieces - 1) /
                        sizeof(uint32_t) * sizeof(uint32_t);
  for (size_t i = 0; i < pieces; ++i) {
    const ByteView piece = weights.subspan(i * stride, kPieceBytes);
    sample->insert(sample->end(), piece.begin(), piece.end());
  }
}

}  // namespace

absl::Status EncodePlainResidual(FloatFormat format, ByteView weights,
                                 PlainCodec* codec, ByteVector* blob) {
  blob->clear();
  // At once, since growing takes old and new room at the same time.
  blob->reserve(weights.size() + kHeadersBytes);
  while (!weights.empty()) {
    const ByteView raw =
        weights.first(std::min<size_t>(weights.size(), kPlainChunkBytes));
    weights = weights.subspan(raw.size());
    const size_t start = blob->size();
    blob->resize(start + sizeof(uint32_t));
    QSTORE_RETURN_IF_ERROR(codec->Append(LayoutOf(format), raw, blob));
    StoreLittleEndian(
        static_cast<uint32_t>(blob->size() - start - sizeof(uint32_t)),
        blob->data() + start);
  }
  return absl::OkStatus();
}

absl::Status DecodePlainResidual(ByteView blob, PlainCodec* codec,
                                 MutableByteView weights) {
  while (!weights.empty()) {
    const MutableByteView raw =
        weights.first(std::min<size_t>(weights.size(), kPlainChunkBytes));
    weights = weights.subspan(raw.size());
    if (blob.size() < sizeof(uint32_t)) {
      return absl::DataLossError("the plain residual ends early");
    }
    const auto length = LoadLittleEndian<uint32_t>(blob.data());
    blob = blob.subspan(sizeof(length));
    if (length > blob.size()) {
      return absl::DataLossError(
          absl::StrCat("a part of the plain residual has length ", length,
                       ", but ", blob.size(), " bytes are left"));
    }
    QSTORE_RETURN_IF_ERROR(
        Annotate(codec->Decode(blob.first(length), raw), "plain residual"));
    blob = blob.subspan(length);
  }
  if (!blob.empty()) {
    return absl::DataLossError(absl::StrCat("the plain residual has ",
                                            blob.size(), " bytes too many"));
  }
  return absl::OkStatus();
}

absl::Status EncodePlainIfSmaller(FloatFormat format, ByteView weights,
                                  uint64_t other_bytes, PlainCodec* codec,
                                  ByteVector* sample, ByteVector* blob) {
  if (weights.size() > kMinSampleBytes) {
    const size_t sample_bytes = std::clamp(weights.size() / kSampleFraction,
                                           kMinSampleBytes, kMaxSampleBytes) /
                                kPieceBytes * kPieceBytes;
    TakeSample(weights, sample_bytes, sample);
    QSTORE_RETURN_IF_ERROR(EncodePlainResidual(format, *sample, codec, blob));
    // A sample packs a little worse than the whole: a tenth is for that.
    const uint64_t estimate_bytes =
        blob->size() * (weights.size() / sample_bytes);
    if (estimate_bytes > other_bytes + other_bytes / 10) {
      blob->clear();
      return absl::OkStatus();
    }
  }
  QSTORE_RETURN_IF_ERROR(EncodePlainResidual(format, weights, codec, blob));
  if (blob->size() >= other_bytes) {
    blob->clear();
  }
  return absl::OkStatus();
}

}  // namespace qstore::codec
