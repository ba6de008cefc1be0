#include "codec/layers.h"

#include "absl/strings/str_cat.h"

namespace qstore::codec {
namespace {

std::vector<const Layer*>& Table() {
  // One line for each.
  static std::vector<const Layer*> table = {
      &kInt8Layer,
      &kResidualLayer,
      &kPlainLayer,
  };
  return table;
}

}  // namespace

std::span<const Layer* const> Layers() { return Table(); }

const Layer* FindLayer(LayerNumber number) {
  for (const Layer* layer : Layers()) {
    if (layer->number == number) return layer;
  }
  return nullptr;
}

const Layer* FindLayer(std::string_view name) {
  for (const Layer* layer : Layers()) {
    if (layer->name == name) return layer;
  }
  return nullptr;
}

std::vector<const Layer*> StackFor(const ChunkDescription& chunk) {
  std::vector<const Layer*> stack;
  LayerNumber top = kNoLayer;
  for (const Layer* layer : Layers()) {
    if (layer->stands_on != top || !layer->suits(chunk)) continue;
    stack.push_back(layer);
    if (layer->gives_original) break;
    top = layer->number;
  }
  return stack;
}

absl::Status CheckStack(std::span<const LayerNumber> numbers) {
  LayerNumber below = kNoLayer;
  bool original = false;
  for (const LayerNumber number : numbers) {
    const Layer* layer = FindLayer(number);
    if (layer == nullptr) {
      return absl::InvalidArgumentError(absl::StrCat(
          "layer ", number, " is unknown: it is of a later version"));
    }
    if (layer->stands_on != below || original) {
      return absl::InvalidArgumentError(
          absl::StrCat("layer ", number, " does not stand on layer ", below));
    }
    below = number;
    original = layer->gives_original;
  }
  if (numbers.empty()) return absl::InvalidArgumentError("it has no layers");
  return absl::OkStatus();
}

void AddLayerForTest(const Layer* layer) {
  Table().insert(Table().begin(), layer);
}

}  // namespace qstore::codec
