// The table of layers.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "codec/layer.h"

namespace qstore::codec {

// All of them, a layer after the one that it stands on.
std::span<const Layer* const> Layers();

// nullptr when there is none.
const Layer* FindLayer(LayerNumber number);
const Layer* FindLayer(std::string_view name);

// The layers that a new chunk is stored with, bottom first; the last gives the
// original. Where several would do, the first of the table is taken.
std::vector<const Layer*> StackFor(const ChunkDescription& chunk);

// A chunk's layers as records, manifests and the wire have them: from one that
// stands alone, each on the one before, to at most one that gives the original,
// at the end. INVALID_ARGUMENT.
absl::Status CheckStack(std::span<const LayerNumber> numbers);

// Adds a layer, which lives for ever, in front of the others, so that it is
// taken where it suits. For tests, before anything uses the table.
void AddLayerForTest(const Layer* layer);

}  // namespace qstore::codec
