#include "client/export/shard_layout.h"

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/text/quote.h"

namespace qstore::client {
namespace {

// A tensor on its way into the new file.
struct Entry {
  TensorEntry tensor;
  size_t original_index;
  std::optional<ExportedPart::Role> role;  // none: as it was
};

absl::StatusOr<std::vector<Entry>> ListEntries(
    const ExportFormat* format, const SafetensorsHeader& original,
    const std::vector<ExportTensor>& tensors) {
  std::vector<Entry> entries;
  std::set<std::string> names;
  const auto add = [&](TensorEntry tensor, size_t index,
                       std::optional<ExportedPart::Role> role) {
    if (!names.insert(tensor.name).second) {
      return NotExportableError(absl::StrCat(
          "the model has a tensor ", Quoted(tensor.name),
          " of its own, where this format puts parts of a quantized one: "
          "download the original"));
    }
    entries.push_back({std::move(tensor), index, role});
    return absl::OkStatus();
  };
  // What stays as it is first: a clash is then with what was there.
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (tensors[i].quantized) continue;
    QSTORE_RETURN_IF_ERROR(add(original.tensors[i], i, std::nullopt));
  }
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (!tensors[i].quantized) continue;
    QSTORE_RETURN_IF_ERROR(ScaleShape(tensors[i]).status());
    for (ExportedPart& part : format->Parts(tensors[i])) {
      const uint64_t size_bytes = part.size_bytes();
      QSTORE_RETURN_IF_ERROR(add({.name = std::move(part.name),
                                  .dtype = part.dtype,
                                  .shape = std::move(part.shape),
                                  .begin_bytes = 0,
                                  .end_bytes = size_bytes},
                                 i, part.role));
    }
  }
  return entries;
}

ByteVector ShapeBytes(const ExportTensor& tensor) {
  ByteVector bytes(tensor.shape.size() * sizeof(uint64_t));
  for (size_t i = 0; i < tensor.shape.size(); ++i) {
    StoreLittleEndian(tensor.shape[i], &bytes[i * sizeof(uint64_t)]);
  }
  return bytes;
}

}  // namespace

absl::StatusOr<ShardLayout> LayOutShard(
    const ExportFormat* format, const SafetensorsHeader& original,
    const std::vector<ExportTensor>& tensors) {
  QSTORE_ASSIGN_OR_RETURN(std::vector<Entry> entries,
                          ListEntries(format, original, tensors));
  // Wide elements first, so that all of them are aligned, as in files that
  // the safetensors library writes: torch cannot view them otherwise.
  std::stable_sort(
      entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
        const uint64_t a_bits = DtypeBits(a.tensor.dtype);
        const uint64_t b_bits = DtypeBits(b.tensor.dtype);
        return a_bits != b_bits ? a_bits > b_bits
                                : a.original_index < b.original_index;
      });
  SafetensorsHeader header{.metadata = original.metadata, .tensors = {}};
  uint64_t next_bytes = 0;
  for (Entry& entry : entries) {
    const uint64_t size_bytes = entry.tensor.size_bytes();
    entry.tensor.begin_bytes = next_bytes;
    next_bytes += size_bytes;
    entry.tensor.end_bytes = next_bytes;
    header.tensors.push_back(entry.tensor);
  }
  ShardLayout layout;
  ByteVector header_bytes = WriteSafetensorsHeader(header);
  const uint64_t data_offset_bytes = header_bytes.size();
  layout.literals.push_back({0, std::move(header_bytes)});
  layout.file_bytes = data_offset_bytes + next_bytes;
  layout.places.resize(tensors.size());
  for (const Entry& entry : entries) {
    const ExportTensor& tensor = tensors[entry.original_index];
    TensorPlace& place = layout.places[entry.original_index];
    const uint64_t offset_bytes = data_offset_bytes + entry.tensor.begin_bytes;
    if (entry.role == ExportedPart::Role::kScales) {
      place.scales_offset_bytes = offset_bytes;
      place.scales_dtype = entry.tensor.dtype;
    } else if (entry.role == ExportedPart::Role::kShape) {
      layout.literals.push_back({offset_bytes, ShapeBytes(tensor)});
    } else {
      place.offset_bytes = offset_bytes;
    }
    place.quantized = tensor.quantized;
    if (tensor.quantized) place.codes = format->CodesOf(tensor);
  }
  return layout;
}

}  // namespace qstore::client
