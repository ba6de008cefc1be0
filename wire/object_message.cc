#include "wire/object_message.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace qstore::wire {
namespace {

void BlobToWire(const model::Blob& blob, v1::BlobManifest* message) {
  message->set_subgroup(blob.subgroup);
  message->set_size_bytes(blob.size_bytes);
  message->mutable_value_xxh3()->Add(blob.value_xxh3.begin(),
                                     blob.value_xxh3.end());
}

absl::StatusOr<model::Blob> BlobFromWire(const v1::BlobManifest& message) {
  if (message.subgroup() > std::numeric_limits<uint8_t>::max()) {
    return absl::InvalidArgumentError(
        absl::StrCat("there is no subgroup ", message.subgroup()));
  }
  model::Blob blob;
  blob.subgroup = static_cast<uint8_t>(message.subgroup());
  blob.size_bytes = message.size_bytes();
  blob.value_xxh3.assign(message.value_xxh3().begin(),
                         message.value_xxh3().end());
  return blob;
}

absl::StatusOr<model::LayerBlobs> LayerFromWire(
    const v1::LayerManifest& message) {
  if (message.layer() > std::numeric_limits<codec::LayerNumber>::max()) {
    return absl::InvalidArgumentError(
        absl::StrCat("there is no layer ", message.layer()));
  }
  model::LayerBlobs layer;
  layer.layer = static_cast<codec::LayerNumber>(message.layer());
  for (const v1::BlobManifest& blob : message.blobs()) {
    QSTORE_ASSIGN_OR_RETURN(model::Blob parsed, BlobFromWire(blob));
    layer.blobs.push_back(std::move(parsed));
  }
  layer.decoded_xxh3.assign(message.decoded_xxh3().begin(),
                            message.decoded_xxh3().end());
  return layer;
}

absl::StatusOr<model::Quantization> QuantizationFromWire(
    const v1::Quantization& message) {
  model::Quantization quantization;
  quantization.quantizer = message.quantizer();
  if (message.strategy() <= 0 ||
      message.strategy() > std::numeric_limits<uint8_t>::max() ||
      message.coder() <= 0 ||
      message.coder() > std::numeric_limits<uint8_t>::max()) {
    return absl::InvalidArgumentError(
        absl::StrCat("scale strategy ", message.strategy(), " or coder ",
                     message.coder(), " is unknown"));
  }
  quantization.strategy = static_cast<codec::ScaleStrategy>(message.strategy());
  quantization.group_size = message.group_size();
  quantization.coder = static_cast<codec::Int8Coder>(message.coder());
  return quantization;
}

}  // namespace

void ToWire(const model::Object& object, v1::ObjectManifest* message) {
  if (object.dtype.has_value()) {
    // The numbers are the same (model/dtype.h).
    message->set_dtype(static_cast<v1::Dtype>(*object.dtype));
  }
  message->mutable_shape()->Add(object.shape.begin(), object.shape.end());
  message->set_raw_bytes(object.raw_bytes);
  if (object.quantization.has_value()) {
    v1::Quantization* quantization = message->mutable_quantization();
    quantization->set_quantizer(object.quantization->quantizer);
    quantization->set_strategy(
        static_cast<v1::ScaleStrategy>(object.quantization->strategy));
    quantization->set_group_size(object.quantization->group_size);
    quantization->set_coder(
        static_cast<v1::Int8Coder>(object.quantization->coder));
  }
  message->set_content_hash(object.content_hash.data(),
                            object.content_hash.size());
}

void ToWire(const model::Chunk& chunk, v1::ChunkManifest* message) {
  message->set_raw_bytes(chunk.raw_bytes);
  message->set_raw_xxh3(chunk.raw_xxh3);
  message->set_rows(chunk.rows);
  for (const model::LayerBlobs& layer : chunk.layers) {
    v1::LayerManifest* layer_message = message->add_layers();
    layer_message->set_layer(layer.layer);
    for (const model::Blob& blob : layer.blobs) {
      BlobToWire(blob, layer_message->add_blobs());
    }
    layer_message->mutable_decoded_xxh3()->Add(layer.decoded_xxh3.begin(),
                                               layer.decoded_xxh3.end());
  }
}

absl::StatusOr<model::Object> FromWire(const v1::ObjectManifest& message) {
  model::Object object;
  if (message.dtype() != v1::DTYPE_UNSPECIFIED) {
    const absl::StatusOr<Dtype> dtype =
        DtypeFromNumber(static_cast<uint32_t>(message.dtype()));
    if (!dtype.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("dtype ", message.dtype(), " is unknown"));
    }
    object.dtype = *dtype;
  }
  object.shape.assign(message.shape().begin(), message.shape().end());
  object.raw_bytes = message.raw_bytes();
  if (message.has_quantization()) {
    QSTORE_ASSIGN_OR_RETURN(object.quantization,
                            QuantizationFromWire(message.quantization()));
  }
  if (message.content_hash().size() != object.content_hash.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the content hash has ", message.content_hash().size(),
                     " bytes instead of ", object.content_hash.size()));
  }
  std::copy(message.content_hash().begin(), message.content_hash().end(),
            object.content_hash.begin());
  QSTORE_RETURN_IF_ERROR(AppendChunks(message, &object));
  return object;
}

absl::Status AppendChunks(const v1::ObjectManifest& message,
                          model::Object* object) {
  for (const v1::ChunkManifest& chunk_message : message.chunks()) {
    model::Chunk chunk;
    chunk.raw_bytes = chunk_message.raw_bytes();
    chunk.raw_xxh3 = chunk_message.raw_xxh3();
    chunk.rows = chunk_message.rows();
    for (const v1::LayerManifest& layer : chunk_message.layers()) {
      QSTORE_ASSIGN_OR_RETURN(model::LayerBlobs parsed, LayerFromWire(layer));
      chunk.layers.push_back(std::move(parsed));
    }
    object->chunks.push_back(std::move(chunk));
  }
  return absl::OkStatus();
}

}  // namespace qstore::wire
