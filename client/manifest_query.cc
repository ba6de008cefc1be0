#include "client/manifest_query.h"

#include <algorithm>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/error_reason.h"
#include "base/hash.h"
#include "base/status.h"
#include "base/text/quote.h"
#include "client/server_faults.h"
#include "client/unary_call.h"
#include "codec/layers.h"
#include "model/reserved_names.h"
#include "wire/layer_bytes.h"

namespace qstore::client {
namespace {

// INTERNAL: what the server sent cannot be true.
absl::Status AsContradiction(const absl::Status& status) {
  if (status.ok()) return status;
  return ContradictionError(absl::StrCat("the server contradicts itself: ",
                                         std::string(status.message())));
}

const std::map<std::string, Dtype, std::less<>>& PrecisionDtypes() {
  static const auto* dtypes = new std::map<std::string, Dtype, std::less<>>{
      {"fp16", Dtype::kF16}, {"bf16", Dtype::kBF16}, {"fp32", Dtype::kF32}};
  return *dtypes;
}

// What the weights are: the types of the quantized tensors; where nothing is
// quantized those of all floating-point tensors, or the one type of which there
// is more than of these (FP8, packed integers: then floats are only scales).
std::set<Dtype> WeightDtypes(const model::Manifest& manifest) {
  std::set<Dtype> quantized;
  std::set<Dtype> floating;
  std::map<Dtype, uint64_t> bytes;
  for (const model::Object& object : manifest.objects) {
    if (!object.is_tensor()) continue;
    if (object.quantized()) quantized.insert(*object.dtype);
    if (IsQuantizable(*object.dtype)) floating.insert(*object.dtype);
    bytes[*object.dtype] += object.raw_bytes;
  }
  if (!quantized.empty()) return quantized;
  const auto most = std::max_element(
      bytes.begin(), bytes.end(),
      [](const auto& a, const auto& b) { return a.second < b.second; });
  if (most != bytes.end() && !IsQuantizable(most->first)) return {most->first};
  return floating;
}

bool HasQuantized(const model::Manifest& manifest) {
  return std::any_of(
      manifest.objects.begin(), manifest.objects.end(),
      [](const model::Object& object) { return object.quantized(); });
}

// That the server speaks of what it was asked for.
absl::Status CheckAnswers(const ModelReference& reference,
                          const std::string& model,
                          const std::string& revision) {
  if (model == reference.model && ValidateRevisionPrefix(revision).ok() &&
      revision.starts_with(reference.revision_prefix)) {
    return absl::OkStatus();
  }
  return ContradictionError(
      absl::StrCat("the server answered with ", Quoted(model), "@",
                   Quoted(revision), " when asked for ", reference.ToString()));
}

absl::StatusOr<v1::GetRevisionResponse> GetPage(
    Connection* connection, const v1::GetRevisionRequest& request,
    Cancellation* cancellation) {
  v1::GetRevisionResponse response;
  QSTORE_RETURN_IF_ERROR(CallOnce(*connection, &connection->stub(),
                                  &v1::ModelStore::Stub::GetRevision, request,
                                  cancellation, &response));
  return response;
}

}  // namespace

void ToProto(const ModelReference& reference, v1::Reference* proto) {
  proto->set_model(reference.model);
  if (!reference.revision_prefix.empty()) {
    proto->set_revision(reference.revision_prefix);
  } else {
    proto->set_tag(reference.tag);
  }
}

absl::Status ParseManifestPage(const v1::Checked& checked,
                               v1::ManifestPage* page) {
  if (Xxh3(AsBytes(checked.serialized())) != checked.xxh3()) {
    return DamagedInTransitError(
        "a page of the manifest does not have the checksum sent with it: "
        "download it again");
  }
  if (!page->ParseFromString(checked.serialized())) {
    return ContradictionError("a page of the manifest cannot be parsed");
  }
  return absl::OkStatus();
}

absl::Status AddPage(const v1::ManifestPage& page,
                     wire::ManifestAssembler* assembler) {
  return AsContradiction(assembler->Add(page));
}

absl::StatusOr<model::Manifest> TakeManifest(
    wire::ManifestAssembler* assembler) {
  absl::StatusOr<model::Manifest> manifest = assembler->Take();
  if (!manifest.ok()) return AsContradiction(manifest.status());
  // The sum does not overflow: the assembler has added it up.
  uint64_t file_bytes = 0;
  for (const model::File& file : manifest->files) file_bytes += file.size_bytes;
  if (file_bytes != manifest->original_bytes) {
    return AsContradiction(absl::InvalidArgumentError(
        absl::StrCat("all files have ", file_bytes, " bytes, but it says ",
                     manifest->original_bytes)));
  }
  return manifest;
}

absl::StatusOr<model::Manifest> FetchManifest(Connection* connection,
                                              const ModelReference& reference,
                                              Cancellation* cancellation,
                                              uint64_t* received_bytes) {
  v1::GetRevisionRequest request;
  ToProto(reference, request.mutable_reference());
  wire::ManifestAssembler assembler;
  while (true) {
    QSTORE_ASSIGN_OR_RETURN(const v1::GetRevisionResponse response,
                            GetPage(connection, request, cancellation));
    if (received_bytes != nullptr) *received_bytes += response.ByteSizeLong();
    v1::ManifestPage page;
    QSTORE_RETURN_IF_ERROR(ParseManifestPage(response.page(), &page));
    QSTORE_RETURN_IF_ERROR(AddPage(page, &assembler));
    if (response.next_page_token().empty()) break;
    request.set_page_token(response.next_page_token());
  }
  QSTORE_ASSIGN_OR_RETURN(model::Manifest manifest, TakeManifest(&assembler));
  QSTORE_RETURN_IF_ERROR(
      CheckAnswers(reference, manifest.model, manifest.revision));
  return manifest;
}

absl::StatusOr<ResolvedRevision> ResolveRevision(
    Connection* connection, const ModelReference& reference,
    Cancellation* cancellation) {
  v1::GetRevisionRequest request;
  ToProto(reference, request.mutable_reference());
  QSTORE_ASSIGN_OR_RETURN(const v1::GetRevisionResponse response,
                          GetPage(connection, request, cancellation));
  v1::ManifestPage page;
  QSTORE_RETURN_IF_ERROR(ParseManifestPage(response.page(), &page));
  ResolvedRevision resolved;
  resolved.model = page.head().model();
  resolved.revision = page.head().revision();
  QSTORE_ASSIGN_OR_RETURN(const model::LayerBytes stored,
                          wire::FromWire(page.head().stored()));
  resolved.summary = {
      .created_unix_seconds = page.head().created_unix_seconds(),
      .original_bytes = page.head().original_bytes(),
      .stored_bytes = stored.total()};
  resolved.bytes_sent = request.ByteSizeLong();
  resolved.bytes_received = response.ByteSizeLong();
  QSTORE_RETURN_IF_ERROR(
      CheckAnswers(reference, resolved.model, resolved.revision));
  return resolved;
}

absl::StatusOr<model::Representation> ParsePrecision(
    const std::string& precision) {
  model::Representation representation;
  if (precision == "original" || PrecisionDtypes().contains(precision)) {
    return representation;
  }
  std::vector<std::string_view> names = {"original"};
  for (const codec::Layer* layer : codec::Layers()) {
    if (layer->gives_original) continue;
    names.push_back(layer->name);
    if (layer->name == precision) representation.layer = layer->number;
  }
  if (!representation.original()) return representation;
  for (const auto& [name, dtype] : PrecisionDtypes()) names.push_back(name);
  return absl::InvalidArgumentError(absl::StrCat(
      "there is no precision ", Quoted(precision), ": use ",
      absl::StrJoin(names, ", ", [](std::string* out, std::string_view name) {
        out->append(name);
      })));
}

absl::Status CheckPrecision(const std::string& precision,
                            const model::Manifest& manifest) {
  const auto wanted = PrecisionDtypes().find(precision);
  if (wanted == PrecisionDtypes().end()) return absl::OkStatus();
  const std::set<Dtype> stored = WeightDtypes(manifest);
  if (stored == std::set<Dtype>{wanted->second}) return absl::OkStatus();
  const std::string stored_names = absl::StrJoin(
      stored, " and ",
      [](std::string* out, Dtype dtype) { out->append(DtypeName(dtype)); });
  return WithReason(
      absl::FailedPreconditionError(absl::StrCat(
          "model ", manifest.model, " cannot be had as ", precision,
          stored.empty()
              ? std::string(": it has no floating-point weights")
              : absl::StrCat(": its weights were uploaded as ", stored_names),
          HasQuantized(manifest) ? "; ask for the original or int8"
                                 : "; ask for the original")),
      kReasonOtherPrecision);
}

absl::Status CheckHasInt8(const model::Manifest& manifest) {
  if (HasQuantized(manifest)) return absl::OkStatus();
  return WithReason(
      absl::FailedPreconditionError(absl::StrCat(
          "model ", manifest.model,
          " has no INT8, since none of its weights was quantized when it was "
          "uploaded")),
      kReasonNoInt8);
}

absl::Status CheckNotReserved(const model::Manifest& manifest) {
  for (const model::File& file : manifest.files) {
    const std::string_view part = OwnPart(file.path);
    if (part.empty()) continue;
    return absl::FailedPreconditionError(absl::StrCat(
        "the revision has the file ", Quoted(file.path),
        ", but qstore-client keeps ", Quoted(part),
        " for what downloads have not finished: upload it again without that "
        "file, from its source"));
  }
  return absl::OkStatus();
}

}  // namespace qstore::client
