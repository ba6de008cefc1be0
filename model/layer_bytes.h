// Bytes counted by the layer that they belong to.
#pragma once

#include <cstdint>
#include <map>

#include "codec/layer.h"

namespace qstore::model {

class LayerBytes {
 public:
  void Add(codec::LayerNumber layer, uint64_t bytes) {
    if (bytes > 0) by_layer_[layer] += bytes;
  }
  // What belongs to no layer of a tensor: files that are kept as bytes, headers
  // of safetensors files, records.
  void AddOther(uint64_t bytes) { other_ += bytes; }

  LayerBytes& operator+=(const LayerBytes& more) {
    for (const auto& [layer, bytes] : more.by_layer_) Add(layer, bytes);
    other_ += more.other_;
    return *this;
  }

  uint64_t of(codec::LayerNumber layer) const {
    const auto found = by_layer_.find(layer);
    return found == by_layer_.end() ? 0 : found->second;
  }
  uint64_t other() const { return other_; }
  uint64_t total() const {
    uint64_t sum = other_;
    for (const auto& [layer, bytes] : by_layer_) sum += bytes;
    return sum;
  }
  // Ascending by number; layers without bytes are not there.
  const std::map<codec::LayerNumber, uint64_t>& by_layer() const {
    return by_layer_;
  }

  bool operator==(const LayerBytes&) const = default;

 private:
  std::map<codec::LayerNumber, uint64_t> by_layer_;
  uint64_t other_ = 0;
};

}  // namespace qstore::model
