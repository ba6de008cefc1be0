#include "client/download/chunk_unpacker.h"

#include <vector>

#include "absl/strings/str_format.h"
#include "base/hash.h"
#include "base/status.h"
#include "client/server_faults.h"
#include "model/chunk_layers.h"
#include "model/read_plan.h"

namespace qstore::client {
namespace {

constexpr char kAdvice[] =
    "download again, and verify the model if it happens again";

absl::Status CheckValues(const model::Chunk& chunk, uint32_t layer_count,
                         ByteView stored) {
  for (const model::ValueAddress& value : model::ValuesOf(chunk, layer_count)) {
    const uint64_t found = Xxh3(stored.first(value.size_bytes));
    if (found != value.xxh3) {
      return DamagedInTransitError(absl::StrFormat(
          "the stored bytes of layer %d subgroup %d value %d have the checksum "
          "%016x, but %016x was expected: %s",
          value.layer, value.subgroup, value.value_index, found, value.xxh3,
          kAdvice));
    }
    stored = stored.subspan(value.size_bytes);
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ChunkUnpacker::Unpack(const model::Object& object,
                                   const model::Chunk& chunk,
                                   uint32_t layer_count, ByteView stored,
                                   UnpackedChunk* out) {
  *out = {};
  QSTORE_RETURN_IF_ERROR(CheckValues(chunk, layer_count, stored));
  const std::vector<codec::StoredLayer> layers =
      model::SplitLayers(chunk, layer_count, stored);
  const bool original = layer_count == chunk.layers.size();
  raw_.resize(original ? chunk.raw_bytes : 0);
  values_.original = raw_;
  const absl::Status decoded =
      model::DecodeLayers(object, chunk, layers, &decoder_, &values_);
  if (!decoded.ok()) {
    return DamagedInTransitError(
        absl::StrFormat("%s: %s", decoded.message(), kAdvice));
  }
  if (original) {
    out->raw = raw_;
    return absl::OkStatus();
  }
  out->codes = {reinterpret_cast<const uint8_t*>(values_.codes.data()),
                values_.codes.size()};
  out->scales = {reinterpret_cast<const uint8_t*>(values_.scales.data()),
                 values_.scales.size() * sizeof(float)};
  return absl::OkStatus();
}

}  // namespace qstore::client
