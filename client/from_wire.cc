#include "client/from_wire.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/quote.h"
#include "base/status.h"
#include "codec/layers.h"

namespace qstore::client {
namespace {

absl::StatusOr<TensorListing> ReadTensor(const v1::TensorSummary& summary) {
  TensorListing tensor;
  tensor.name = summary.name();
  QSTORE_ASSIGN_OR_RETURN(tensor.dtype, ParseDtype(summary.dtype()));
  tensor.shape.assign(summary.shape().begin(), summary.shape().end());
  tensor.raw_bytes = summary.raw_bytes();
  tensor.quantized = summary.quantized();
  tensor.int8_coder = summary.int8_coder();
  tensor.stored.Add(codec::kInt8Layer.number, summary.int8_bytes());
  tensor.stored.Add(codec::kResidualLayer.number, summary.residual_bytes());
  tensor.stored.Add(codec::kPlainLayer.number, summary.plain_bytes());
  return tensor;
}

}  // namespace

model::LayerBytes FromWire(const v1::BytesByKind& bytes) {
  model::LayerBytes by_layer;
  by_layer.Add(codec::kInt8Layer.number, bytes.int8());
  by_layer.Add(codec::kResidualLayer.number, bytes.residual());
  by_layer.Add(codec::kPlainLayer.number, bytes.plain());
  by_layer.AddOther(bytes.other());
  return by_layer;
}

std::vector<ModelListing> FromWire(const v1::ListModelsResponse& response) {
  std::vector<ModelListing> models;
  models.reserve(static_cast<size_t>(response.models_size()));
  for (const v1::ModelSummary& summary : response.models()) {
    ModelListing model;
    model.name = summary.name();
    for (const v1::TagSummary& tag : summary.tags()) {
      model.revision_by_tag[tag.name()] = tag.revision();
    }
    model.revisions.assign(summary.revisions().begin(),
                           summary.revisions().end());
    models.push_back(std::move(model));
  }
  return models;
}

absl::StatusOr<RevisionListing> FromWire(
    const v1::GetRevisionResponse& response) {
  RevisionListing revision;
  revision.model = response.model();
  revision.revision = response.revision();
  revision.created_unix_seconds = response.created_unix_seconds();
  revision.tags.assign(response.tags().begin(), response.tags().end());
  revision.quantizer = response.quantizer();
  revision.stored = FromWire(response.stored());
  revision.original_bytes = response.original_bytes();
  revision.two_copies_bytes = response.two_copies_bytes();
  revision.files.reserve(static_cast<size_t>(response.files_size()));
  for (const v1::FileSummary& summary : response.files()) {
    FileListing file;
    file.path = summary.path();
    file.size_bytes = summary.size_bytes();
    file.other_bytes = summary.other_bytes();
    file.tensors.reserve(static_cast<size_t>(summary.tensors_size()));
    for (const v1::TensorSummary& one : summary.tensors()) {
      absl::StatusOr<TensorListing> tensor = ReadTensor(one);
      if (!tensor.ok()) {
        return absl::InternalError(absl::StrCat(
            "tensor ", Quoted(one.name()), " of file ", Quoted(file.path), ": ",
            std::string(tensor.status().message())));
      }
      file.tensors.push_back(*std::move(tensor));
    }
    revision.files.push_back(std::move(file));
  }
  return revision;
}

DeleteResult FromWire(const v1::DeleteResponse& response) {
  return {.revision = response.revision(),
          .removed_tags = {response.removed_tags().begin(),
                           response.removed_tags().end()},
          .revision_deleted = response.revision_deleted(),
          .reclaimed_bytes = response.reclaimed_bytes()};
}

VerifyResult FromWire(const v1::VerifyResponse& response) {
  return {.revision = response.revision(),
          .checked_objects = response.checked_objects(),
          .total_objects = response.total_objects(),
          .checked_bytes = response.checked_bytes(),
          .problems = {response.problems().begin(), response.problems().end()}};
}

BackupResult FromWire(const v1::CreateBackupResponse& response) {
  return {.path = response.path(), .size_bytes = response.size_bytes()};
}

ScrubStatus FromWire(const v1::ScrubStatus& scrub) {
  ScrubStatus status{.enabled = scrub.enabled(),
                     .running = scrub.running(),
                     .started_unix_seconds = scrub.started_unix_seconds(),
                     .finished_unix_seconds = scrub.finished_unix_seconds(),
                     .checked_objects = scrub.checked_objects(),
                     .checked_bytes = scrub.checked_bytes(),
                     .damage = {},
                     .unlisted_damage_count = scrub.unlisted_damage_count()};
  status.damage.reserve(static_cast<size_t>(scrub.damage_size()));
  for (const v1::Damage& one : scrub.damage()) {
    status.damage.push_back(
        {.model = one.model(),
         .revision = one.revision(),
         .problem = one.problem(),
         .first_seen_unix_seconds = one.first_seen_unix_seconds(),
         .last_seen_unix_seconds = one.last_seen_unix_seconds()});
  }
  return status;
}

}  // namespace qstore::client
