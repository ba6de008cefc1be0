#include "client/download/download_layout.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/text/quote.h"
#include "client/server_faults.h"
#include "model/model_files.h"
#include "model/safetensors.h"

namespace qstore::client {
namespace {

// What loaders ask for; files of which only some tensors are read come without
// their own metadata.
const std::map<std::string, std::string>& PartialFileMetadata() {
  static const auto* metadata =
      new std::map<std::string, std::string>{{"format", "pt"}};
  return *metadata;
}

ExportTensor TensorOf(const model::Segment& segment,
                      const model::Object& object, const ExportFormat* format,
                      const std::optional<model::RowRange>& rows) {
  ExportTensor tensor;
  tensor.name = segment.tensor_name;
  tensor.dtype = *object.dtype;
  tensor.shape = object.shape;
  tensor.raw_bytes = object.raw_bytes;
  if (rows.has_value()) {
    const uint64_t row_bytes = object.raw_bytes / object.shape[0];
    tensor.shape[0] = rows->end - rows->first;
    tensor.raw_bytes = row_bytes * tensor.shape[0];
  }
  if (format != nullptr && object.quantized()) {
    tensor.quantized = true;
    tensor.strategy = object.quantization->strategy;
    tensor.group_size = object.quantization->group_size;
  }
  return tensor;
}

absl::Status HeaderContradiction(const std::string& text) {
  return ContradictionError(
      absl::StrCat("the server contradicts itself: ", text));
}

// A file's header, which includes its length field.
absl::StatusOr<SafetensorsHeader> ParseHeader(ByteView header,
                                              uint64_t file_bytes) {
  if (header.size() < kSafetensorsLengthBytes) {
    return HeaderContradiction("its header is too short");
  }
  const ByteView json = header.subspan(kSafetensorsLengthBytes);
  const auto json_bytes = ParseSafetensorsLength(header, file_bytes);
  if (!json_bytes.ok() || json.size() != *json_bytes) {
    return HeaderContradiction("its header has another length than it says");
  }
  absl::StatusOr<SafetensorsHeader> parsed =
      ParseSafetensorsHeader(json, file_bytes - header.size());
  if (!parsed.ok()) {
    return HeaderContradiction(std::string(parsed.status().message()));
  }
  return parsed;
}

// What the header says of the tensors must be what the manifest says.
absl::Status CheckHeader(const SafetensorsHeader& header,
                         const std::vector<ExportTensor>& tensors) {
  std::map<std::string_view, const ExportTensor*> by_name;
  for (const ExportTensor& tensor : tensors) by_name[tensor.name] = &tensor;
  for (const TensorEntry& entry : header.tensors) {
    const auto found = by_name.find(entry.name);
    if (found == by_name.end() || found->second->shape != entry.shape ||
        found->second->dtype != entry.dtype ||
        found->second->raw_bytes != entry.size_bytes()) {
      return HeaderContradiction(absl::StrCat("tensor ", Quoted(entry.name),
                                              " is not what its header says"));
    }
  }
  if (header.tensors.size() != by_name.size()) {
    return HeaderContradiction("it has tensors that its header lacks");
  }
  return absl::OkStatus();
}

}  // namespace

TensorsByFile TensorsOf(const model::Manifest& manifest,
                        const ExportFormat* format) {
  TensorsByFile by_file;
  for (const model::File& file : manifest.files) {
    std::vector<ExportTensor>& tensors = by_file[file.path];
    for (const model::Segment& segment : file.segments) {
      const model::Object& object = manifest.objects[segment.object_index];
      if (segment.tensor_name.empty() || !object.is_tensor()) continue;
      tensors.push_back(TensorOf(segment, object, format, std::nullopt));
    }
  }
  return by_file;
}

absl::StatusOr<DownloadLayout> DownloadLayout::Create(
    const model::Manifest* manifest, const model::ReadPlan& plan,
    const ExportFormat* format) {
  DownloadLayout layout;
  layout.manifest_ = manifest;
  layout.format_ = format;
  layout.uses_.resize(manifest->objects.size());
  for (const model::PlannedFile& file : plan.files) {
    QSTORE_RETURN_IF_ERROR(layout.PlaceFile(file));
  }
  QSTORE_RETURN_IF_ERROR(layout.CheckSameRows());
  return layout;
}

absl::Status DownloadLayout::PlaceFile(const model::PlannedFile& planned) {
  const model::File& source = manifest_->files[planned.file_index];
  const size_t file_index = files_.size();
  File& file = files_.emplace_back();
  file.path = source.path;
  SafetensorsHeader header{.metadata = PartialFileMetadata(), .tensors = {}};
  uint64_t offset_bytes = 0;
  for (const model::PlannedSegment& wanted : planned.segments) {
    const model::Segment& segment = source.segments[wanted.segment_index];
    const model::Object& object = manifest_->objects[segment.object_index];
    Segment& placed = file.segments.emplace_back();
    placed.object_index = segment.object_index;
    placed.rows = wanted.rows;
    placed.place.offset_bytes = offset_bytes;
    offset_bytes += segment.raw_bytes;
    std::vector<Use>& uses = uses_[segment.object_index];
    // What is copied is read where it was written first, and a sink does not
    // have documents that a format rewrites (held_documents.h).
    const bool held = format_ != nullptr && model::IsModelDocument(file.path);
    uses.insert(held ? uses.begin() : uses.end(),
                {file_index, file.segments.size() - 1});
    if (segment.tensor_name.empty() || !object.is_tensor()) continue;
    placed.tensor_index = file.tensors.size();
    const ExportTensor& tensor = file.tensors.emplace_back(
        TensorOf(segment, object, format_, wanted.rows));
    file.exported = file.exported || tensor.quantized;
    header.tensors.push_back({.name = tensor.name,
                              .dtype = tensor.dtype,
                              .shape = tensor.shape,
                              .begin_bytes = 0,
                              .end_bytes = tensor.raw_bytes});
  }
  if (!planned.whole) {
    file.exported = false;
    return Annotate(LayOut(header, &file, &file.literals),
                    absl::StrCat("file ", Quoted(file.path)));
  }
  if (!file.exported) {
    file.size_bytes = source.size_bytes;
    file.laid_out = true;
  }
  return absl::OkStatus();
}

absl::Status DownloadLayout::LayOut(
    const SafetensorsHeader& header, File* file,
    std::vector<ShardLayout::Literal>* literals) const {
  // In the order of the header, which need not be that of the file.
  std::map<std::string_view, Segment*> segment_by_name;
  for (Segment& segment : file->segments) {
    if (!segment.tensor_index.has_value()) continue;
    segment_by_name[file->tensors[*segment.tensor_index].name] = &segment;
  }
  std::vector<ExportTensor> tensors;
  tensors.reserve(header.tensors.size());
  for (const TensorEntry& entry : header.tensors) {
    tensors.push_back(
        file->tensors[*segment_by_name.at(entry.name)->tensor_index]);
  }
  QSTORE_ASSIGN_OR_RETURN(ShardLayout shard,
                          LayOutShard(format_, header, tensors));
  for (size_t i = 0; i < tensors.size(); ++i) {
    segment_by_name.at(tensors[i].name)->place = shard.places[i];
  }
  file->size_bytes = shard.file_bytes;
  file->laid_out = true;
  *literals = std::move(shard.literals);
  return absl::OkStatus();
}

absl::Status DownloadLayout::CheckSameRows() const {
  for (const std::vector<Use>& uses : uses_) {
    for (const Use& use : uses) {
      if (segment(use).rows == segment(uses.front()).rows) continue;
      return absl::InvalidArgumentError(absl::StrCat(
          Describe(use), " and ", Describe(uses.front()),
          " are the same weights, of which different rows are asked for: ask "
          "for them one at a time"));
    }
  }
  return absl::OkStatus();
}

std::vector<std::string> DownloadLayout::Paths() const {
  std::vector<std::string> paths;
  paths.reserve(files_.size());
  for (const File& file : files_) paths.push_back(file.path);
  return paths;
}

std::string DownloadLayout::Describe(const Use& use) const {
  const File& file = files_[use.file_index];
  const std::optional<size_t> tensor =
      file.segments[use.segment_index].tensor_index;
  std::string text = absl::StrCat("file ", Quoted(file.path));
  if (tensor.has_value()) {
    absl::StrAppend(&text, ": tensor ", Quoted(file.tensors[*tensor].name));
  }
  return text;
}

bool DownloadLayout::IsExportedHeader(size_t object_index) const {
  return std::any_of(uses_[object_index].begin(), uses_[object_index].end(),
                     [this](const Use& use) {
                       return files_[use.file_index].exported &&
                              !segment(use).tensor_index.has_value();
                     });
}

absl::StatusOr<std::vector<ShardLayout::Literal>>
DownloadLayout::LayOutExported(const Use& use, ByteView header_bytes) {
  File& file = files_[use.file_index];
  const auto lay_out =
      [&]() -> absl::StatusOr<std::vector<ShardLayout::Literal>> {
    // What is being written must stay where it is.
    if (file.laid_out) return HeaderContradiction("it has two headers");
    uint64_t file_bytes = 0;
    for (const Segment& part : file.segments) {
      file_bytes += manifest_->objects[part.object_index].raw_bytes;
    }
    QSTORE_ASSIGN_OR_RETURN(const SafetensorsHeader header,
                            ParseHeader(header_bytes, file_bytes));
    QSTORE_RETURN_IF_ERROR(CheckHeader(header, file.tensors));
    std::vector<ShardLayout::Literal> literals;
    QSTORE_RETURN_IF_ERROR(LayOut(header, &file, &literals));
    return literals;
  };
  auto literals = lay_out();
  if (!literals.ok()) {
    return Annotate(literals.status(),
                    absl::StrCat("file ", Quoted(file.path)));
  }
  return literals;
}

}  // namespace qstore::client
