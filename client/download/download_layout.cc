#include "client/download/download_layout.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/quote.h"
#include "base/status.h"
#include "model/model_files.h"

namespace qstore::client {
namespace {

absl::StatusOr<ExportTensor> ReadTensorSummary(
    const v1::TensorSummary& summary) {
  ExportTensor tensor;
  tensor.name = summary.name();
  tensor.quantized = summary.quantized();
  tensor.shape.assign(summary.shape().begin(), summary.shape().end());
  tensor.group_size = summary.group_size();
  tensor.raw_bytes = summary.raw_bytes();
  QSTORE_ASSIGN_OR_RETURN(tensor.dtype, ParseDtype(summary.dtype()));
  const absl::StatusOr<uint64_t> bytes =
      TensorBytes(tensor.dtype, tensor.shape);
  if (!bytes.ok()) return Contradiction(std::string(bytes.status().message()));
  if (*bytes != summary.raw_bytes()) {
    return Contradiction(absl::StrCat("its shape takes ", *bytes,
                                      " bytes, but it has ",
                                      summary.raw_bytes()));
  }
  if (!tensor.quantized) return tensor;
  if (tensor.shape.size() != 2 || !IsQuantizable(tensor.dtype)) {
    return Contradiction(
        "it is quantized, but neither its shape nor its dtype "
        "can be");
  }
  switch (summary.scale_strategy()) {
    case 1:
      tensor.strategy = codec::ScaleStrategy::kTensor;
      break;
    case 0:  // a server that does not say: all of its scales are of this kind
    case 2:
      tensor.strategy = codec::ScaleStrategy::kChannel;
      break;
    case 3:
      tensor.strategy = codec::ScaleStrategy::kGroup;
      break;
    default:
      return Contradiction(absl::StrCat("it has the unknown scale strategy ",
                                        summary.scale_strategy()));
  }
  return tensor;
}

}  // namespace

absl::StatusOr<TensorsByFile> ReadTensorSummaries(
    const v1::GetRevisionResponse& revision) {
  TensorsByFile by_file;
  for (const v1::FileSummary& file : revision.files()) {
    std::vector<ExportTensor>& tensors = by_file[file.path()];
    tensors.reserve(file.tensors_size());
    for (const v1::TensorSummary& summary : file.tensors()) {
      absl::StatusOr<ExportTensor> tensor = ReadTensorSummary(summary);
      if (!tensor.ok()) {
        return Annotate(tensor.status(),
                        absl::StrCat("tensor ", Quoted(summary.name()),
                                     " of file ", Quoted(file.path())));
      }
      tensors.push_back(*std::move(tensor));
    }
  }
  return by_file;
}

absl::StatusOr<DownloadLayout> DownloadLayout::Create(
    v1::RevisionManifest manifest, const ExportFormat* format,
    TensorsByFile tensors) {
  DownloadLayout layout;
  layout.manifest_ = std::move(manifest);
  layout.format_ = format;
  layout.tensors_ = std::move(tensors);
  layout.uses_.resize(layout.manifest_.object_count());
  for (int i = 0; i < layout.manifest_.files_size(); ++i) {
    QSTORE_RETURN_IF_ERROR(layout.PlaceFile(static_cast<size_t>(i)));
  }
  if (format == nullptr) return layout;
  for (std::vector<Use>& uses : layout.uses_) {
    std::stable_partition(uses.begin(), uses.end(), [&layout](const Use& use) {
      return model::IsModelDocument(layout.files_[use.file_index].path);
    });
  }
  return layout;
}

absl::Status DownloadLayout::PlaceFile(size_t file_index) {
  const v1::FileManifest& manifest =
      manifest_.files(static_cast<int>(file_index));
  File file{.path = manifest.path(), .segments = {}};
  std::map<std::string_view, const ExportTensor*> tensor_by_name;
  if (format_ != nullptr) {
    for (const ExportTensor& tensor : tensors_[file.path]) {
      tensor_by_name[tensor.name] = &tensor;
      file.exported = file.exported || tensor.quantized;
    }
  }
  for (int i = 0; i < manifest.segments_size(); ++i) {
    const v1::SegmentManifest& segment = manifest.segments(i);
    const auto tensor = tensor_by_name.find(segment.tensor_name());
    const bool header = segment.tensor_name().empty();
    if (file.exported &&
        (header != (i == 0) || header != (tensor == tensor_by_name.end()))) {
      return Contradiction(
          absl::StrCat(DescribeSegment(manifest, segment),
                       " is not among what GetRevision said the file holds"));
    }
    file.segments.push_back(
        {.object_index = segment.object_index(),
         .place = {.offset_bytes = file.size_bytes, .codes = {}},
         .tensor = tensor == tensor_by_name.end() ? nullptr : tensor->second});
    file.size_bytes += segment.raw_bytes();
    uses_[segment.object_index()].push_back(
        {file_index, static_cast<size_t>(i)});
  }
  if (file.exported && (file.segments.empty() ||
                        file.segments.size() != tensor_by_name.size() + 1)) {
    return Contradiction(absl::StrCat("file ", Quoted(file.path), " has ",
                                      file.segments.size(), " segments, but ",
                                      tensor_by_name.size(), " tensors"));
  }
  file.laid_out = !file.exported;
  files_.push_back(std::move(file));
  return absl::OkStatus();
}

std::vector<std::string> DownloadLayout::Paths() const {
  std::vector<std::string> paths;
  paths.reserve(files_.size());
  for (const File& file : files_) paths.push_back(file.path);
  return paths;
}

std::string DownloadLayout::Describe(const Use& use) const {
  const v1::FileManifest& file =
      manifest_.files(static_cast<int>(use.file_index));
  return DescribeSegment(file,
                         file.segments(static_cast<int>(use.segment_index)));
}

uint64_t DownloadLayout::object_raw_bytes(uint64_t object_index) const {
  const Use& use = uses_[object_index].front();
  return manifest_.files(static_cast<int>(use.file_index))
      .segments(static_cast<int>(use.segment_index))
      .raw_bytes();
}

bool DownloadLayout::IsExportedHeader(uint64_t object_index) const {
  return std::any_of(uses_[object_index].begin(), uses_[object_index].end(),
                     [this](const Use& use) {
                       return use.segment_index == 0 &&
                              files_[use.file_index].exported;
                     });
}

absl::StatusOr<std::vector<ShardLayout::Literal>>
DownloadLayout::LayOutExported(const Use& use, ByteView header) {
  File& file = files_[use.file_index];
  const std::string context = absl::StrCat("file ", Quoted(file.path));
  if (header.size() < kSafetensorsLengthBytes) {
    return Annotate(Contradiction("its header is too short"), context);
  }
  const absl::StatusOr<uint64_t> json_bytes =
      ParseSafetensorsLength(header, file.size_bytes);
  if (!json_bytes.ok()) return Annotate(json_bytes.status(), context);
  const ByteView json = header.subspan(kSafetensorsLengthBytes);
  if (json.size() != *json_bytes) {
    return Annotate(Contradiction("its header has another length than it says"),
                    context);
  }
  absl::StatusOr<SafetensorsHeader> original =
      ParseSafetensorsHeader(json, file.size_bytes - header.size());
  if (!original.ok()) return Annotate(original.status(), context);

  std::map<std::string_view, Segment*> segment_by_name;
  for (Segment& segment : file.segments) {
    if (segment.tensor == nullptr) continue;
    segment_by_name[segment.tensor->name] = &segment;
  }
  std::vector<ExportTensor> tensors;
  for (const TensorEntry& entry : original->tensors) {
    const auto segment = segment_by_name.find(entry.name);
    if (segment == segment_by_name.end() ||
        segment->second->tensor->shape != entry.shape ||
        segment->second->tensor->dtype != entry.dtype ||
        object_raw_bytes(segment->second->object_index) != entry.size_bytes()) {
      return Annotate(
          Contradiction(absl::StrCat("tensor ", Quoted(entry.name),
                                     " is not what its header says")),
          context);
    }
    tensors.push_back(*segment->second->tensor);
  }
  if (tensors.size() != segment_by_name.size()) {
    return Annotate(Contradiction("it has tensors that its header lacks"),
                    context);
  }
  absl::StatusOr<ShardLayout> shard = LayOutShard(*format_, *original, tensors);
  if (!shard.ok()) return Annotate(shard.status(), context);
  for (size_t i = 0; i < tensors.size(); ++i) {
    segment_by_name[tensors[i].name]->place = shard->places[i];
  }
  file.size_bytes = shard->file_bytes;
  file.laid_out = true;
  return std::move(shard->literals);
}

absl::Status DownloadLayout::CheckPlaced(const ObjectPlan& object) const {
  const uint64_t object_index = object.manifest.object_index();
  if (format_ == nullptr) return absl::OkStatus();
  for (const Use& use : uses_[object_index]) {
    const ExportTensor* tensor =
        files_[use.file_index].segments[use.segment_index].tensor;
    const bool expected = tensor != nullptr && tensor->quantized;
    if (expected != object.quantized() ||
        (expected && (tensor->strategy != object.chunk_shape.strategy ||
                      tensor->group_size != object.chunk_shape.group_size))) {
      return Contradiction(absl::StrCat(
          object.description, " is quantized otherwise than GetRevision said"));
    }
  }
  if (!files_[uses_[object_index].front().file_index].laid_out &&
      !IsExportedHeader(object_index)) {
    return Contradiction(absl::StrCat(object.description,
                                      " came before the header of its file"));
  }
  return absl::OkStatus();
}

}  // namespace qstore::client
