#include "benchmarks/pair_chunks.h"

#include <algorithm>
#include <cstring>
#include <map>

#include "base/status.h"
#include "codec/chunk_codec.h"

namespace qstore::codec {
namespace {

// What the codec's own quantizer gives.
absl::Status Quantize(ChunkEncoder* encoder, ChunkDecoder* decoder,
                      PairChunk* chunk) {
  EncodedChunk encoded;
  QSTORE_RETURN_IF_ERROR(
      encoder->Encode(chunk->shape, chunk->weights, &encoded));
  chunk->codes.resize(chunk->shape.weight_count());
  chunk->scales.resize(chunk->shape.scale_count());
  return decoder->DecodeInt8(chunk->shape, encoded.int8_blob, chunk->codes,
                             chunk->scales);
}

void FillInt8File(PairChunk* chunk) {
  const size_t scale_bytes = chunk->scales.size() * sizeof(float);
  chunk->int8_file.resize(chunk->codes.size() + scale_bytes);
  std::memcpy(chunk->int8_file.data(), chunk->codes.data(),
              chunk->codes.size());
  std::memcpy(chunk->int8_file.data() + chunk->codes.size(),
              chunk->scales.data(), scale_bytes);
}

}  // namespace

absl::StatusOr<PairChunks> CutIntoChunks(std::span<const ModelTensor> tensors,
                                         uint64_t max_rows) {
  PairChunks pairs;
  ChunkEncoder encoder{EncodeOptions()};
  ChunkDecoder decoder;
  for (size_t index = 0; index < tensors.size(); ++index) {
    const ModelTensor& tensor = tensors[index];
    const uint64_t step =
        std::min<uint64_t>(RowsPerChunk(tensor.columns), max_rows);
    for (uint64_t row = 0; row < tensor.rows; row += step) {
      PairChunk& chunk = pairs.chunks.emplace_back();
      chunk.tensor = index;
      chunk.shape.format = tensor.format;
      chunk.shape.rows =
          static_cast<uint32_t>(std::min(step, tensor.rows - row));
      chunk.shape.columns = static_cast<uint32_t>(tensor.columns);
      chunk.shape.strategy = tensor.strategy;
      const uint64_t first = row * tensor.columns;
      chunk.weights = ByteView(tensor.weights)
                          .subspan(first * FloatBytes(tensor.format),
                                   chunk.shape.weight_bytes());
      chunk.given = !tensor.codes.empty();
      if (chunk.given) {
        const auto codes =
            std::span(tensor.codes).subspan(first, chunk.shape.weight_count());
        const auto scales =
            tensor.strategy == ScaleStrategy::kTensor
                ? std::span(tensor.scales)
                : std::span(tensor.scales).subspan(row, chunk.shape.rows);
        chunk.codes.assign(codes.begin(), codes.end());
        chunk.scales.assign(scales.begin(), scales.end());
      } else {
        QSTORE_RETURN_IF_ERROR(Quantize(&encoder, &decoder, &chunk));
      }
      FillInt8File(&chunk);
      pairs.weight_count += chunk.shape.weight_count();
      pairs.weight_bytes += chunk.shape.weight_bytes();
    }
  }
  return pairs;
}

std::vector<ModelTensor> WithoutCodes(std::span<const ModelTensor> tensors) {
  std::vector<ModelTensor> without(tensors.begin(), tensors.end());
  for (ModelTensor& tensor : without) {
    tensor.strategy = ScaleStrategy::kChannel;
    tensor.codes.clear();
    tensor.scales.clear();
  }
  return without;
}

std::vector<ModelTensor> JoinTensors(std::span<const ModelTensor> tensors) {
  std::map<uint64_t, uint64_t> weights_by_columns;
  for (const ModelTensor& tensor : tensors) {
    weights_by_columns[tensor.columns] += tensor.rows * tensor.columns;
  }
  const auto widest = std::ranges::max_element(
      weights_by_columns, {}, [](const auto& entry) { return entry.second; });
  std::vector<ModelTensor> joined;
  for (const ModelTensor& tensor : tensors) {
    if (tensor.columns != widest->first) {
      continue;
    }
    if (joined.empty()) {
      joined = WithoutCodes(std::span(&tensor, 1));
      continue;
    }
    joined[0].rows += tensor.rows;
    joined[0].weights.insert(joined[0].weights.end(), tensor.weights.begin(),
                             tensor.weights.end());
  }
  return joined;
}

}  // namespace qstore::codec
