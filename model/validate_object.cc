#include <limits>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/text/utf8.h"
#include "codec/layers.h"
#include "codec/quantizer.h"
#include "model/chunk_description.h"
#include "model/manifest.h"
#include "model/safetensors.h"

namespace qstore::model {
namespace {

absl::Status InvalidObject(const std::string& text) {
  return absl::InvalidArgumentError(text);
}

bool AddTo(uint64_t* sum, uint64_t term) {
  return !__builtin_add_overflow(*sum, term, sum);
}

absl::Status ValidateTensor(const Object& object) {
  if (object.shape.size() > kMaxTensorRank) {
    return InvalidObject(absl::StrCat("rank ", object.shape.size(), " is over ",
                                      kMaxTensorRank));
  }
  const absl::StatusOr<uint64_t> raw_bytes =
      TensorBytes(*object.dtype, object.shape);
  if (!raw_bytes.ok() || *raw_bytes != object.raw_bytes) {
    return InvalidObject(absl::StrCat("shape and dtype do not give the ",
                                      object.raw_bytes,
                                      " bytes of the tensor"));
  }
  return absl::OkStatus();
}

absl::Status ValidateQuantization(const Object& object) {
  if (!object.is_tensor() || !IsQuantizable(*object.dtype) ||
      object.shape.size() != 2) {
    return InvalidObject("only matrices of F32, F16 and BF16 can be quantized");
  }
  if (object.shape[0] == 0 || object.shape[1] == 0 ||
      object.shape[0] > std::numeric_limits<uint32_t>::max() ||
      object.shape[1] > codec::kMaxColumns) {
    return InvalidObject(
        "the matrix has more rows or columns than can be quantized, or none");
  }
  const Quantization& quantization = *object.quantization;
  const auto strategy = static_cast<uint32_t>(quantization.strategy);
  const bool grouped = quantization.strategy == codec::ScaleStrategy::kGroup;
  if (strategy < static_cast<uint32_t>(codec::ScaleStrategy::kTensor) ||
      strategy > static_cast<uint32_t>(codec::ScaleStrategy::kGroup) ||
      grouped != (quantization.group_size != 0) ||
      quantization.group_size > codec::kMaxColumns) {
    return InvalidObject(absl::StrCat("unknown scale strategy ", strategy,
                                      " with group size ",
                                      quantization.group_size));
  }
  if (quantization.quantizer.empty() || !IsValidUtf8(quantization.quantizer) ||
      static_cast<uint8_t>(quantization.coder) == 0) {
    return InvalidObject("quantizer or coder is missing");
  }
  return absl::OkStatus();
}

absl::Status ValidateBlobs(const LayerBlobs& layer) {
  if (layer.blobs.empty() || layer.blobs.size() > kMaxBlobsPerLayer) {
    return InvalidObject(absl::StrCat("it has ", layer.blobs.size(),
                                      " blobs; a layer has 1 to ",
                                      kMaxBlobsPerLayer));
  }
  int previous = -1;
  for (const Blob& blob : layer.blobs) {
    if (blob.subgroup <= previous) {
      return InvalidObject(
          absl::StrCat("subgroup ", blob.subgroup, " comes after ", previous));
    }
    previous = blob.subgroup;
    if (blob.size_bytes == 0 || blob.size_bytes > kMaxBlobBytes ||
        blob.value_xxh3.size() != ValueCount(blob.size_bytes)) {
      return InvalidObject(absl::StrCat(
          "subgroup ", blob.subgroup, " has ", blob.size_bytes, " bytes in ",
          blob.value_xxh3.size(), " values; a blob has 1 to ", kMaxBlobBytes,
          ", in values of ", kMaxValueBytes));
    }
  }
  const codec::Layer* known = codec::FindLayer(layer.layer);
  if (known != nullptr && known->single_blob &&
      (layer.blobs.size() != 1 || layer.blobs[0].subgroup != 0)) {
    return InvalidObject("it is one blob, of subgroup 0");
  }
  return absl::OkStatus();
}

absl::Status ValidateLayers(const Object& object, const Chunk& chunk) {
  std::vector<codec::LayerNumber> numbers;
  numbers.reserve(chunk.layers.size());
  uint64_t stored_bytes = 0;
  for (const LayerBlobs& layer : chunk.layers) {
    numbers.push_back(layer.layer);
    QSTORE_RETURN_IF_ERROR(
        Annotate(ValidateBlobs(layer), absl::StrCat("layer ", layer.layer)));
    stored_bytes += layer.size_bytes();
  }
  if (stored_bytes > kMaxChunkStoredBytes) {
    return InvalidObject(absl::StrCat("its layers take ", stored_bytes,
                                      " bytes, more than a chunk may (",
                                      kMaxChunkStoredBytes, ")"));
  }
  QSTORE_RETURN_IF_ERROR(codec::CheckStack(numbers));
  if (!codec::FindLayer(numbers.back())->gives_original) {
    return InvalidObject("its layers do not give the original");
  }
  // Quantized is what has a lower precision to give.
  if (codec::FindLayer(numbers.front())->gives_original == object.quantized()) {
    return InvalidObject(absl::StrCat(
        "layer ", numbers.front(), " is not one of ",
        object.quantized() ? "a quantized tensor" : "what is not quantized"));
  }
  // What nobody could compare with what was uploaded would be taken unseen.
  for (const LayerBlobs& layer : chunk.layers) {
    const bool original = codec::FindLayer(layer.layer)->gives_original;
    if (layer.decoded_xxh3.empty() == original) continue;
    return InvalidObject(absl::StrCat(
        "layer ", layer.layer,
        original ? " has checksums, though the chunk has that of the original"
                 : " has no checksums of what it decodes to"));
  }
  return absl::OkStatus();
}

absl::Status ValidateChunks(const Object& object) {
  uint64_t raw_bytes = 0;
  uint64_t rows = 0;
  for (size_t i = 0; i < object.chunks.size(); ++i) {
    const Chunk& chunk = object.chunks[i];
    const std::string where = absl::StrCat("chunk ", i);
    if (chunk.raw_bytes == 0) return InvalidObject(where + " has no bytes");
    QSTORE_RETURN_IF_ERROR(
        Annotate(DescribeChunk(object, chunk).status(), where));
    QSTORE_RETURN_IF_ERROR(Annotate(ValidateLayers(object, chunk), where));
    if (!object.quantized() && chunk.rows != 0) {
      return InvalidObject(where + ": only quantized chunks have rows");
    }
    rows += chunk.rows;
    if (!AddTo(&raw_bytes, chunk.raw_bytes)) {
      return InvalidObject(where + ": the sizes overflow");
    }
  }
  if (raw_bytes != object.raw_bytes) {
    return InvalidObject(absl::StrCat("chunks have ", raw_bytes,
                                      " bytes, the object has ",
                                      object.raw_bytes));
  }
  if (object.quantized() && rows != object.shape[0]) {
    return InvalidObject(absl::StrCat(
        "chunks have ", rows, " rows, the tensor has ", object.shape[0]));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ValidateObject(const Object& object) {
  if (object.is_tensor()) {
    QSTORE_RETURN_IF_ERROR(ValidateTensor(object));
  } else if (!object.shape.empty()) {
    return InvalidObject("what is no tensor has no shape");
  }
  if (object.quantized()) {
    QSTORE_RETURN_IF_ERROR(ValidateQuantization(object));
  }
  return ValidateChunks(object);
}

LayerBytes StoredValueBytes(const Object& object) {
  LayerBytes sum;
  for (const Chunk& chunk : object.chunks) {
    for (const LayerBlobs& layer : chunk.layers) {
      uint64_t bytes = 0;
      for (const Blob& blob : layer.blobs) {
        bytes += blob.size_bytes + kValueKeyBytes * blob.value_xxh3.size();
      }
      if (object.is_tensor()) {
        sum.Add(layer.layer, bytes);
      } else {
        sum.AddOther(bytes);
      }
    }
  }
  return sum;
}

}  // namespace qstore::model
