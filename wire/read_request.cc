#include "wire/read_request.h"

#include "absl/strings/str_cat.h"
#include "base/error_reason.h"
#include "base/status.h"
#include "codec/layers.h"

namespace qstore::wire {
namespace {

absl::Status CheckEntries(const v1::Held& held) {
  size_t entries = static_cast<size_t>(held.objects_size()) +
                   static_cast<size_t>(held.chunks_size());
  for (const v1::HeldChunks& chunks : held.chunks()) {
    entries += static_cast<size_t>(chunks.chunk_indices_size());
  }
  if (entries <= kMaxHeldEntries) return absl::OkStatus();
  return WithReason(absl::InvalidArgumentError(
                        absl::StrCat("the client lists ", entries,
                                     " ranges and chunks that it has, but at ",
                                     "most ", kMaxHeldEntries, " are allowed")),
                    kReasonInvalidSelection);
}

absl::StatusOr<model::Selection> SelectionFromWire(
    const v1::Selection& message) {
  model::Selection selection;
  selection.files.assign(message.files().begin(), message.files().end());
  for (const v1::TensorPattern& tensor : message.tensors()) {
    model::TensorPattern pattern;
    pattern.pattern = tensor.pattern();
    if (tensor.first_row() != 0 || tensor.end_row() != 0) {
      pattern.rows = model::RowRange{tensor.first_row(), tensor.end_row()};
    }
    selection.tensors.push_back(std::move(pattern));
  }
  QSTORE_RETURN_IF_ERROR(model::ValidateSelection(selection));
  return selection;
}

absl::StatusOr<model::Representation> RepresentationOf(
    v1::Precision precision) {
  model::Representation representation;
  if (precision == v1::PRECISION_ORIGINAL) return representation;
  for (const codec::Layer* layer : codec::Layers()) {
    representation.layer = layer->number;
    if (!layer->gives_original && ToWire(representation) == precision) {
      return representation;
    }
  }
  return WithReason(absl::InvalidArgumentError(absl::StrCat(
                        "precision ", static_cast<int>(precision),
                        " is not known; ask for the original or int8")),
                    kReasonInvalidSelection);
}

}  // namespace

v1::Precision ToWire(const model::Representation& representation) {
  return static_cast<v1::Precision>(representation.layer + 1);
}

void ToWire(const model::Selection& selection, v1::Selection* message) {
  message->Clear();
  for (const std::string& file : selection.files) message->add_files(file);
  for (const model::TensorPattern& tensor : selection.tensors) {
    v1::TensorPattern* pattern = message->add_tensors();
    pattern->set_pattern(tensor.pattern);
    if (!tensor.rows.has_value()) continue;
    pattern->set_first_row(tensor.rows->first);
    pattern->set_end_row(tensor.rows->end);
  }
}

absl::StatusOr<ReadRequest> FromWire(const v1::DownloadRequest& request) {
  ReadRequest parsed;
  QSTORE_RETURN_IF_ERROR(CheckEntries(request.held()));
  QSTORE_ASSIGN_OR_RETURN(parsed.selection,
                          SelectionFromWire(request.selection()));
  QSTORE_ASSIGN_OR_RETURN(parsed.representation,
                          RepresentationOf(request.precision()));
  parsed.held_revision = request.held().revision();
  for (const v1::ObjectRange& range : request.held().objects()) {
    parsed.held.AddObjects(range.first(), range.end());
  }
  for (const v1::HeldChunks& chunks : request.held().chunks()) {
    for (const uint32_t index : chunks.chunk_indices()) {
      parsed.held.AddChunk(chunks.object_index(), index);
    }
  }
  return parsed;
}

}  // namespace qstore::wire
