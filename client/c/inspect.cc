// Listings of the C interface.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "client/c/guard.h"
#include "client/c/session.h"
#include "client/listing.h"

// NOLINTBEGIN(readability-identifier-naming): C's names.
struct qstore_models {
  std::vector<qstore::client::ModelListing> models;
};
struct qstore_revision {
  qstore::client::RevisionListing listing;
};
// NOLINTEND(readability-identifier-naming)

namespace qstore::client::c {
namespace {

const ModelListing* FindModel(const qstore_models* models, size_t model) {
  return models == nullptr || model >= models->models.size()
             ? nullptr
             : &models->models[model];
}

const FileListing* FindFile(const qstore_revision* revision, size_t file) {
  return revision == nullptr || file >= revision->listing.files.size()
             ? nullptr
             : &revision->listing.files[file];
}

const TensorListing* FindTensor(const qstore_revision* revision, size_t file,
                                size_t tensor) {
  const FileListing* found = FindFile(revision, file);
  return found == nullptr || tensor >= found->tensors.size()
             ? nullptr
             : &found->tensors[tensor];
}

static_assert(QSTORE_BOOL == static_cast<int>(Dtype::kBool));
static_assert(QSTORE_U8 == static_cast<int>(Dtype::kU8));
static_assert(QSTORE_I8 == static_cast<int>(Dtype::kI8));
static_assert(QSTORE_F8_E4M3 == static_cast<int>(Dtype::kF8E4M3));
static_assert(QSTORE_F8_E5M2 == static_cast<int>(Dtype::kF8E5M2));
static_assert(QSTORE_I16 == static_cast<int>(Dtype::kI16));
static_assert(QSTORE_U16 == static_cast<int>(Dtype::kU16));
static_assert(QSTORE_F16 == static_cast<int>(Dtype::kF16));
static_assert(QSTORE_BF16 == static_cast<int>(Dtype::kBF16));
static_assert(QSTORE_I32 == static_cast<int>(Dtype::kI32));
static_assert(QSTORE_U32 == static_cast<int>(Dtype::kU32));
static_assert(QSTORE_F32 == static_cast<int>(Dtype::kF32));
static_assert(QSTORE_F64 == static_cast<int>(Dtype::kF64));
static_assert(QSTORE_I64 == static_cast<int>(Dtype::kI64));
static_assert(QSTORE_U64 == static_cast<int>(Dtype::kU64));
static_assert(QSTORE_F8_E8M0 == static_cast<int>(Dtype::kF8E8M0));
static_assert(QSTORE_F4 == static_cast<int>(Dtype::kF4));
static_assert(QSTORE_F6_E2M3 == static_cast<int>(Dtype::kF6E2M3));
static_assert(QSTORE_F6_E3M2 == static_cast<int>(Dtype::kF6E3M2));
static_assert(QSTORE_F8_E4M3FNUZ == static_cast<int>(Dtype::kF8E4M3Fnuz));
static_assert(QSTORE_F8_E5M2FNUZ == static_cast<int>(Dtype::kF8E5M2Fnuz));
static_assert(QSTORE_C64 == static_cast<int>(Dtype::kC64));

}  // namespace
}  // namespace qstore::client::c

// NOLINTBEGIN(readability-identifier-naming): C's names.

qstore_code qstore_list_models(qstore_session* session, const char* prefix,
                               qstore_models** models, qstore_error** error) {
  return qstore::client::c::Guard(error, [&]() -> absl::Status {
    if (session == nullptr) return qstore::client::c::NullArgument("session");
    if (models == nullptr) return qstore::client::c::NullArgument("models");
    auto listed = std::make_unique<qstore_models>();
    QSTORE_ASSIGN_OR_RETURN(
        listed->models,
        session->session.ListModels(prefix == nullptr ? "" : prefix));
    *models = listed.release();
    return absl::OkStatus();
  });
}

size_t qstore_models_count(const qstore_models* models) {
  return models == nullptr ? 0 : models->models.size();
}

const char* qstore_models_name(const qstore_models* models, size_t model) {
  const auto* found = qstore::client::c::FindModel(models, model);
  return found == nullptr ? nullptr : found->name.c_str();
}

size_t qstore_models_revision_count(const qstore_models* models, size_t model) {
  const auto* found = qstore::client::c::FindModel(models, model);
  return found == nullptr ? 0 : found->revisions.size();
}

const char* qstore_models_revision(const qstore_models* models, size_t model,
                                   size_t revision) {
  const auto* found = qstore::client::c::FindModel(models, model);
  return found == nullptr || revision >= found->revisions.size()
             ? nullptr
             : found->revisions[revision].c_str();
}

void qstore_models_free(qstore_models* models) { delete models; }

qstore_code qstore_inspect(qstore_session* session, const char* reference,
                           qstore_revision** revision, qstore_error** error) {
  return qstore::client::c::Guard(error, [&]() -> absl::Status {
    if (session == nullptr) return qstore::client::c::NullArgument("session");
    if (revision == nullptr) return qstore::client::c::NullArgument("revision");
    QSTORE_ASSIGN_OR_RETURN(const qstore::ModelReference which,
                            qstore::client::c::ReadReference(reference));
    auto inspected = std::make_unique<qstore_revision>();
    QSTORE_ASSIGN_OR_RETURN(inspected->listing,
                            session->session.GetRevision(which));
    *revision = inspected.release();
    return absl::OkStatus();
  });
}

const char* qstore_revision_model(const qstore_revision* revision) {
  return revision == nullptr ? nullptr : revision->listing.model.c_str();
}

const char* qstore_revision_id(const qstore_revision* revision) {
  return revision == nullptr ? nullptr : revision->listing.revision.c_str();
}

size_t qstore_revision_file_count(const qstore_revision* revision) {
  return revision == nullptr ? 0 : revision->listing.files.size();
}

const char* qstore_file_path(const qstore_revision* revision, size_t file) {
  const auto* found = qstore::client::c::FindFile(revision, file);
  return found == nullptr ? nullptr : found->path.c_str();
}

uint64_t qstore_file_size(const qstore_revision* revision, size_t file) {
  const auto* found = qstore::client::c::FindFile(revision, file);
  return found == nullptr ? 0 : found->size_bytes;
}

size_t qstore_file_tensor_count(const qstore_revision* revision, size_t file) {
  const auto* found = qstore::client::c::FindFile(revision, file);
  return found == nullptr ? 0 : found->tensors.size();
}

const char* qstore_tensor_name(const qstore_revision* revision, size_t file,
                               size_t tensor) {
  const auto* found = qstore::client::c::FindTensor(revision, file, tensor);
  return found == nullptr ? nullptr : found->name.c_str();
}

qstore_dtype qstore_tensor_dtype(const qstore_revision* revision, size_t file,
                                 size_t tensor) {
  const auto* found = qstore::client::c::FindTensor(revision, file, tensor);
  return found == nullptr ? 0 : static_cast<qstore_dtype>(found->dtype);
}

size_t qstore_tensor_rank(const qstore_revision* revision, size_t file,
                          size_t tensor) {
  const auto* found = qstore::client::c::FindTensor(revision, file, tensor);
  return found == nullptr ? 0 : found->shape.size();
}

const uint64_t* qstore_tensor_shape(const qstore_revision* revision,
                                    size_t file, size_t tensor) {
  const auto* found = qstore::client::c::FindTensor(revision, file, tensor);
  return found == nullptr ? nullptr : found->shape.data();
}

uint64_t qstore_tensor_size(const qstore_revision* revision, size_t file,
                            size_t tensor) {
  const auto* found = qstore::client::c::FindTensor(revision, file, tensor);
  return found == nullptr ? 0 : found->raw_bytes;
}

int qstore_tensor_quantized(const qstore_revision* revision, size_t file,
                            size_t tensor) {
  const auto* found = qstore::client::c::FindTensor(revision, file, tensor);
  return found != nullptr && found->quantized ? 1 : 0;
}

void qstore_revision_free(qstore_revision* revision) { delete revision; }

// NOLINTEND(readability-identifier-naming)
