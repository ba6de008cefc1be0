#include "codec/layer_stack.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/hash.h"
#include "base/status.h"
#include "codec/chunk_runs.h"

namespace qstore::codec {
namespace {

absl::Status CheckDescription(const ChunkDescription& chunk) {
  if (!chunk.shape.has_value()) return absl::OkStatus();
  QSTORE_RETURN_IF_ERROR(CheckShape(*chunk.shape));
  if (chunk.shape->weight_bytes() == chunk.raw_bytes) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("the chunk has ", chunk.raw_bytes, " bytes instead of ",
                   chunk.shape->weight_bytes()));
}

// Made when they are first needed.
template <typename Coder>
Coder& Made(const Layer& layer, std::unique_ptr<Coder> (*make)(),
            std::map<LayerNumber, std::unique_ptr<Coder>>* coders) {
  std::unique_ptr<Coder>& coder = (*coders)[layer.number];
  if (coder == nullptr) coder = make();
  return *coder;
}

std::vector<uint64_t> ChecksumsOf(const Layer& layer,
                                  const ChunkValues& values) {
  if (layer.gives_original) return {Xxh3(values.original)};
  return layer.checksums(values);
}

absl::Status CompareChecksums(const std::vector<uint64_t>& found,
                              std::span<const uint64_t> expected) {
  if (found.size() != expected.size()) {
    return absl::DataLossError(absl::StrCat(
        "there are ", expected.size(), " checksums instead of ", found.size()));
  }
  for (size_t i = 0; i < found.size(); ++i) {
    if (found[i] == expected[i]) continue;
    return absl::DataLossError(absl::StrCat(
        "it decodes to XXH3 ", absl::Hex(found[i], absl::kZeroPad16), ", but ",
        absl::Hex(expected[i], absl::kZeroPad16), " was recorded"));
  }
  return absl::OkStatus();
}

// What a layer promises of its blobs.
bool AscendBySubgroup(const std::vector<EncodedBlob>& blobs) {
  return std::is_sorted(blobs.begin(), blobs.end(),
                        [](const EncodedBlob& a, const EncodedBlob& b) {
                          return a.subgroup < b.subgroup;
                        });
}

}  // namespace

absl::Status StackEncoder::Encode(const ChunkDescription& chunk,
                                  const EncodeOptions& options,
                                  ByteView original,
                                  std::vector<EncodedLayer>* layers) {
  QSTORE_RETURN_IF_ERROR(CheckDescription(chunk));
  if (original.size() != chunk.raw_bytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("the chunk has ", original.size(), " bytes instead of ",
                     chunk.raw_bytes));
  }
  const std::vector<const Layer*> stack = StackFor(chunk);
  if (stack.empty() || !stack.back()->gives_original) {
    return absl::InvalidArgumentError("no layers suit the chunk");
  }
  layers->resize(stack.size());
  for (size_t i = 0; i < stack.size(); ++i) {
    const Layer& layer = *stack[i];
    EncodedLayer& encoded = (*layers)[i];
    encoded.layer = &layer;
    QSTORE_DCHECK(layer.stands_on ==
                  (i == 0 ? kNoLayer : stack[i - 1]->number));
    QSTORE_RETURN_IF_ERROR(Annotate(
        Made(layer, layer.make_encoder, &encoders_)
            .Encode(chunk, options, original, &values_, &encoded.blobs),
        std::string(layer.name)));
    QSTORE_DCHECK(AscendBySubgroup(encoded.blobs));
    encoded.decoded_xxh3 = layer.gives_original ? std::vector<uint64_t>{}
                                                : layer.checksums(values_);
  }
  return absl::OkStatus();
}

absl::Status StackDecoder::Decode(const ChunkDescription& chunk,
                                  std::span<const StoredLayer> layers,
                                  ChunkValues* values) {
  QSTORE_RETURN_IF_ERROR(CheckDescription(chunk));
  LayerNumber below = kNoLayer;
  for (const StoredLayer& stored : layers) {
    const Layer* layer = FindLayer(stored.number);
    if (layer == nullptr || layer->stands_on != below) {
      return absl::DataLossError(absl::StrCat(
          "layer ", stored.number, " does not stand on layer ", below));
    }
    below = layer->number;
    QSTORE_DCHECK(!layer->gives_original ||
                  values->original.size() == chunk.raw_bytes);
    absl::Status status = Made(*layer, layer->make_decoder, &decoders_)
                              .Decode(chunk, stored.blobs, values);
    if (status.ok() && !stored.decoded_xxh3.empty()) {
      status =
          CompareChecksums(ChecksumsOf(*layer, *values), stored.decoded_xxh3);
    }
    QSTORE_RETURN_IF_ERROR(Annotate(status, std::string(layer->name)));
  }
  return absl::OkStatus();
}

}  // namespace qstore::codec
