#include "wire/layer_bytes.h"

#include <limits>

#include "absl/strings/str_cat.h"

namespace qstore::wire {

void ToWire(const model::LayerBytes& bytes, v1::LayerBytes* message) {
  message->Clear();
  for (const auto& [layer, layer_bytes] : bytes.by_layer()) {
    v1::LayerBytes::Entry* entry = message->add_layers();
    entry->set_layer(layer);
    entry->set_bytes(layer_bytes);
  }
  message->set_other(bytes.other());
}

absl::StatusOr<model::LayerBytes> FromWire(const v1::LayerBytes& message) {
  model::LayerBytes bytes;
  for (const v1::LayerBytes::Entry& entry : message.layers()) {
    if (entry.layer() == codec::kNoLayer ||
        entry.layer() > std::numeric_limits<codec::LayerNumber>::max()) {
      return absl::InvalidArgumentError(
          absl::StrCat("there is no layer ", entry.layer()));
    }
    bytes.Add(static_cast<codec::LayerNumber>(entry.layer()), entry.bytes());
  }
  bytes.AddOther(message.other());
  return bytes;
}

}  // namespace qstore::wire
