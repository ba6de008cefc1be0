#include "cli/reports/result_json.h"

#include "absl/strings/str_cat.h"
#include "base/error_reason.h"
#include "cli/reports/two_copies.h"
#include "codec/layers.h"
#include "model/dtype.h"

namespace qstore::cli {
namespace {

using nlohmann::ordered_json;

// A key for every layer, also for those that have nothing.
ordered_json LayersJson(const model::LayerBytes& bytes) {
  ordered_json document = ordered_json::object();
  for (const codec::Layer* layer : codec::Layers()) {
    document[std::string(layer->name)] = bytes.of(layer->number);
  }
  document["other"] = bytes.other();
  return document;
}

// The same as "int8_bytes", …, beside other keys.
void AddLayerKeys(const model::LayerBytes& bytes, ordered_json* document) {
  for (const codec::Layer* layer : codec::Layers()) {
    (*document)[std::string(layer->name) + "_bytes"] = bytes.of(layer->number);
  }
}

void AddTransferKeys(const client::Transfer& transfer, ordered_json* document) {
  (*document)["bytes_sent"] = transfer.bytes_sent;
  (*document)["bytes_received"] = transfer.bytes_received;
  (*document)["received_bytes"] = LayersJson(transfer.received);
  (*document)["resumed_bytes"] = transfer.resumed_bytes;
  (*document)["attempts"] = transfer.attempts;
  (*document)["seconds"] = transfer.seconds;
}

ordered_json TensorJson(const std::string& file,
                        const client::TensorListing& tensor) {
  ordered_json document = {
      {"name", tensor.name},
      {"file", file},
      {"dtype", std::string(DtypeName(tensor.dtype))},
      {"shape", ordered_json(tensor.shape)},
      {"quantized", tensor.quantized},
      {"int8_coder", tensor.int8_coder.empty()
                         ? ordered_json(nullptr)
                         : ordered_json(tensor.int8_coder)},
      {"raw_bytes", tensor.raw_bytes}};
  AddLayerKeys(tensor.stored, &document);
  document["two_copies_bytes"] = TwoCopiesBytes(tensor);
  return document;
}

}  // namespace

ordered_json ToJson(const client::UploadResult& result) {
  ordered_json document = {
      {"model", result.model},
      {"tag", result.tag},
      {"revision", result.revision},
      {"created", result.created},
      {"moved_from", result.moved_from.empty()
                         ? ordered_json(nullptr)
                         : ordered_json(result.moved_from)},
      {"quantizer", result.quantizer},
      {"quantized_tensors", result.quantized_tensors},
      {"files", result.file_count},
      {"file_bytes", result.file_bytes},
      {"stored_bytes", LayersJson(result.stored)},
      {"two_copies_bytes", result.two_copies_bytes}};
  AddTransferKeys(result.transfer, &document);
  return document;
}

ordered_json ToJson(const client::DownloadResult& result) {
  ordered_json document = {
      {"model", result.model},
      {"revision", result.revision},
      {"precision", result.precision},
      {"format", result.format.empty() ? ordered_json(nullptr)
                                       : ordered_json(result.format)},
      {"up_to_date", result.up_to_date},
      {"files", result.file_count},
      {"file_bytes", result.file_bytes}};
  AddTransferKeys(result.transfer, &document);
  return document;
}

ordered_json ToJson(const std::vector<client::ModelListing>& models) {
  ordered_json list = ordered_json::array();
  for (const client::ModelListing& model : models) {
    ordered_json tags = ordered_json::object();
    for (const auto& [tag, revision] : model.revision_by_tag) {
      tags[tag] = revision;
    }
    list.push_back({{"name", model.name},
                    {"tags", tags},
                    {"revisions", ordered_json(model.revisions)}});
  }
  return {{"models", list}};
}

ordered_json ToJson(const std::vector<client::ModelListing>& models,
                    const RevisionSummaries& summaries) {
  ordered_json document = ToJson(models);
  for (ordered_json& model : document["models"]) {
    ordered_json details = ordered_json::array();
    for (const ordered_json& revision : model["revisions"]) {
      const auto found = summaries.find({model["name"], revision});
      if (found == summaries.end()) continue;
      details.push_back(
          {{"revision", revision},
           {"created_unix_seconds", found->second.created_unix_seconds},
           {"original_bytes", found->second.original_bytes},
           {"stored_bytes", found->second.stored_bytes}});
    }
    model["revision_details"] = details;
  }
  return document;
}

ordered_json ToJson(const client::RevisionListing& revision) {
  ordered_json files = ordered_json::array();
  ordered_json tensors = ordered_json::array();
  for (const client::FileListing& file : revision.files) {
    files.push_back({{"path", file.path},
                     {"size_bytes", file.size_bytes},
                     {"other_bytes", file.other_bytes}});
    for (const client::TensorListing& tensor : file.tensors) {
      tensors.push_back(TensorJson(file.path, tensor));
    }
  }
  const QuantizedTotals totals = SumQuantized(revision);
  ordered_json quantized = {{"tensors", totals.tensor_count},
                            {"weights", totals.weight_count}};
  AddLayerKeys(totals.stored, &quantized);
  quantized["two_copies_bytes"] = totals.two_copies_bytes;
  return {{"model", revision.model},
          {"revision", revision.revision},
          {"tags", ordered_json(revision.tags)},
          {"created_unix_seconds", revision.created_unix_seconds},
          {"quantizer", revision.quantizer},
          {"original_bytes", revision.original_bytes},
          {"stored_bytes", LayersJson(revision.stored)},
          {"two_copies_bytes", revision.two_copies_bytes},
          {"quantized", quantized},
          {"files", files},
          {"tensors", tensors}};
}

ordered_json ToJson(const client::DeleteResult& result) {
  return {{"revision", result.revision},
          {"removed_tags", ordered_json(result.removed_tags)},
          {"revision_deleted", result.revision_deleted},
          {"reclaimed_bytes", result.reclaimed_bytes},
          {"stored_bytes", result.stored_bytes}};
}

ordered_json ToJson(const client::VerifyResult& result) {
  return {{"revision", result.revision},
          {"ok", result.problems.empty()},
          {"checked_objects", result.checked_objects},
          {"total_objects", result.total_objects},
          {"checked_bytes", result.checked_bytes},
          {"problems", ordered_json(result.problems)}};
}

ordered_json ToJson(const client::BackupResult& result) {
  return {{"path", result.path}, {"bytes", result.size_bytes}};
}

ordered_json ToJson(const client::ScrubStatus& scrub) {
  ordered_json damage = ordered_json::array();
  for (const client::Damage& one : scrub.damage) {
    damage.push_back({{"model", one.model},
                      {"revision", one.revision},
                      {"problem", one.problem},
                      {"first_seen_unix_seconds", one.first_seen_unix_seconds},
                      {"last_seen_unix_seconds", one.last_seen_unix_seconds}});
  }
  return {{"enabled", scrub.enabled},
          {"running", scrub.running},
          {"started_unix_seconds", scrub.started_unix_seconds},
          {"finished_unix_seconds", scrub.finished_unix_seconds},
          {"checked_objects", scrub.checked_objects},
          {"checked_bytes", scrub.checked_bytes},
          {"damage", damage},
          {"unlisted_damage_count", scrub.unlisted_damage_count}};
}

ordered_json ErrorJson(const absl::Status& error, const std::string& message) {
  return {{"code", std::string(absl::StatusCodeToString(error.code()))},
          {"message", message},
          {"reason", ReasonOf(WithDefaultReason(error))}};
}

}  // namespace qstore::cli
