#include "client/download/manifest_check.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/quote.h"
#include "base/status.h"
#include "model/names.h"
#include "model/reserved_names.h"

namespace qstore::client {
namespace {

// False on overflow.
bool AddTo(uint64_t* sum, uint64_t value) {
  return !__builtin_add_overflow(*sum, value, sum);
}

// No path may be twice there or need a file to be a directory.
absl::Status CheckPaths(const v1::RevisionManifest& manifest) {
  std::set<std::string, std::less<>> paths;
  for (const v1::FileManifest& file : manifest.files()) {
    QSTORE_RETURN_IF_ERROR(
        Annotate(ValidateRelativePath(file.path()),
                 absl::StrCat("the server sent a file path that is not taken: ",
                              Quoted(file.path()))));
    QSTORE_RETURN_IF_ERROR(CheckNotReserved(file.path()));
    if (!paths.insert(file.path()).second) {
      return Contradiction(
          absl::StrCat("file ", Quoted(file.path()), " is there twice"));
    }
  }
  for (const std::string& path : paths) {
    for (size_t end = path.find('/'); end != std::string::npos;
         end = path.find('/', end + 1)) {
      const auto parent = paths.find(std::string_view(path).substr(0, end));
      if (parent != paths.end()) {
        return Contradiction(
            absl::StrCat(Quoted(*parent), " is both a file and a directory"));
      }
    }
  }
  return absl::OkStatus();
}

absl::Status CheckBlobs(const v1::ChunkManifest& chunk, bool quantized,
                        v1::Precision precision) {
  if (chunk.blobs_size() > kMaxChunkBlobs) {
    return Contradiction(absl::StrCat("it has ", chunk.blobs_size(),
                                      " blobs, more than ", kMaxChunkBlobs));
  }
  const bool with_residual = quantized && precision == v1::PRECISION_ORIGINAL;
  if (with_residual ? chunk.blobs_size() < 2 : chunk.blobs_size() != 1) {
    return Contradiction(
        absl::StrCat("it has ", chunk.blobs_size(), " blobs instead of ",
                     with_residual ? "INT8 and its residual" : "one"));
  }
  const v1::BlobKind first =
      quantized ? v1::BLOB_KIND_INT8 : v1::BLOB_KIND_PLAIN;
  uint64_t stored_bytes = 0;
  for (int i = 0; i < chunk.blobs_size(); ++i) {
    const v1::BlobManifest& blob = chunk.blobs(i);
    const v1::BlobKind wanted = i == 0 ? first : v1::BLOB_KIND_RESIDUAL;
    if (blob.kind() != wanted) {
      return Contradiction(absl::StrCat("blob ", i, " is of kind ",
                                        static_cast<int>(blob.kind()), ", not ",
                                        static_cast<int>(wanted)));
    }
    // The codec takes subgroups as bytes, ascending.
    if (blob.subgroup() > 255 ||
        (i >= 2 && blob.subgroup() <= chunk.blobs(i - 1).subgroup())) {
      return Contradiction(absl::StrCat("blob ", i, " has subgroup ",
                                        blob.subgroup(), " out of order"));
    }
    if (blob.size_bytes() == 0 || !AddTo(&stored_bytes, blob.size_bytes()) ||
        stored_bytes > kMaxChunkStoredBytes) {
      return Contradiction(absl::StrCat("blob ", i, " has ", blob.size_bytes(),
                                        " bytes; a chunk has 1 to ",
                                        kMaxChunkStoredBytes));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckQuantizedShape(ObjectPlan* plan) {
  const v1::ObjectManifest& manifest = plan->manifest;
  if (manifest.shape_size() != 2 || manifest.shape(0) == 0 ||
      manifest.shape(0) > UINT32_MAX || manifest.shape(1) == 0 ||
      manifest.shape(1) > codec::kMaxColumns) {
    return Contradiction("it is quantized, but its shape cannot be");
  }
  codec::ChunkShape& shape = plan->chunk_shape;
  switch (*plan->dtype) {
    case Dtype::kF32:
      shape.format = codec::FloatFormat::kF32;
      break;
    case Dtype::kF16:
      shape.format = codec::FloatFormat::kF16;
      break;
    case Dtype::kBF16:
      shape.format = codec::FloatFormat::kBF16;
      break;
    default:
      return Contradiction(absl::StrCat("it is quantized, but its dtype is ",
                                        Quoted(manifest.dtype())));
  }
  plan->total_rows = manifest.shape(0);
  shape.columns = static_cast<uint32_t>(manifest.shape(1));
  const uint32_t strategy = manifest.scale_strategy();
  if (strategy < 1 || strategy > 3) {
    return Contradiction(
        absl::StrCat("it has the unknown scale strategy ", strategy));
  }
  shape.strategy = static_cast<codec::ScaleStrategy>(strategy);
  const bool grouped = shape.strategy == codec::ScaleStrategy::kGroup;
  shape.group_size = manifest.group_size();
  if (grouped ? shape.group_size == 0 || shape.group_size > codec::kMaxColumns
              : shape.group_size != 0) {
    return Contradiction(
        absl::StrCat("it has a group size of ", shape.group_size));
  }
  // 2^32 rows of 2^20 columns of 4 bytes fit a uint64.
  if (plan->total_rows * shape.columns * codec::FloatBytes(shape.format) !=
      manifest.raw_bytes()) {
    return Contradiction(absl::StrCat("its shape does not fit its ",
                                      manifest.raw_bytes(), " bytes"));
  }
  return absl::OkStatus();
}

absl::Status CheckChunks(const ObjectPlan& plan, v1::Precision precision) {
  uint64_t rows = 0;
  uint64_t raw_bytes = 0;
  for (int i = 0; i < plan.manifest.chunks_size(); ++i) {
    const v1::ChunkManifest& chunk = plan.manifest.chunks(i);
    const std::string where = absl::StrCat("chunk ", i);
    QSTORE_RETURN_IF_ERROR(
        Annotate(CheckBlobs(chunk, plan.quantized(), precision), where));
    if (chunk.raw_bytes() == 0 || chunk.raw_bytes() > kMaxChunkRawBytes ||
        !AddTo(&raw_bytes, chunk.raw_bytes())) {
      return Contradiction(absl::StrCat(where, " has ", chunk.raw_bytes(),
                                        " bytes; a chunk has 1 to ",
                                        kMaxChunkRawBytes));
    }
    rows += chunk.rows();
    if (plan.quantized() &&
        plan.ShapeOf(chunk).weight_bytes() != chunk.raw_bytes()) {
      return Contradiction(absl::StrCat(where, " has ", chunk.rows(),
                                        " rows, but ", chunk.raw_bytes(),
                                        " bytes"));
    }
  }
  if (raw_bytes != plan.manifest.raw_bytes() ||
      (plan.quantized() && rows != plan.total_rows)) {
    return Contradiction(absl::StrCat("its chunks have ", raw_bytes,
                                      " bytes, but it has ",
                                      plan.manifest.raw_bytes()));
  }
  return absl::OkStatus();
}

absl::Status CheckObject(ObjectPlan* plan, uint64_t expected_index,
                         uint64_t raw_bytes, v1::Precision precision) {
  const v1::ObjectManifest& manifest = plan->manifest;
  if (manifest.object_index() != expected_index) {
    return Contradiction(absl::StrCat("object ", manifest.object_index(),
                                      " came where ", expected_index,
                                      " was expected"));
  }
  if (manifest.raw_bytes() != raw_bytes) {
    return Contradiction(absl::StrCat("it has ", manifest.raw_bytes(),
                                      " bytes, but its file has room for ",
                                      raw_bytes));
  }
  switch (manifest.kind()) {
    case v1::OBJECT_KIND_QUANTIZED:
    case v1::OBJECT_KIND_PLAIN: {
      QSTORE_ASSIGN_OR_RETURN(plan->dtype, ParseDtype(manifest.dtype()));
      break;
    }
    case v1::OBJECT_KIND_OPAQUE:
      break;
    default:
      return absl::UnimplementedError(absl::StrCat(
          "it is of the unknown kind ", static_cast<int>(manifest.kind()),
          ": use a client as new as the server"));
  }
  if (plan->quantized()) QSTORE_RETURN_IF_ERROR(CheckQuantizedShape(plan));
  return CheckChunks(*plan, precision);
}

}  // namespace

absl::Status Contradiction(const std::string& text) {
  return absl::InternalError(
      absl::StrCat("the server contradicts itself: ", text));
}

std::string DescribeSegment(const v1::FileManifest& file,
                            const v1::SegmentManifest& segment) {
  if (!segment.tensor_name().empty()) {
    return absl::StrCat("tensor ", Quoted(segment.tensor_name()), " of file ",
                        Quoted(file.path()));
  }
  return absl::StrCat(file.safetensors() ? "header of file " : "file ",
                      Quoted(file.path()));
}

absl::Status CheckNotReserved(const std::string& path) {
  const std::string_view part = ReservedPart(path);
  if (part.empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "the revision has the file ", Quoted(path), ", but qstore-client keeps ",
      Quoted(part),
      " for what downloads have not finished: upload it again without that "
      "file, from its source"));
}

absl::Status CheckRevisionManifest(const v1::RevisionManifest& manifest) {
  QSTORE_RETURN_IF_ERROR(CheckPaths(manifest));
  std::vector<uint64_t> object_raw_bytes;
  for (const v1::FileManifest& file : manifest.files()) {
    uint64_t file_bytes = 0;
    for (const v1::SegmentManifest& segment : file.segments()) {
      const std::string what = DescribeSegment(file, segment);
      const uint64_t index = segment.object_index();
      if (index > object_raw_bytes.size()) {
        return Contradiction(
            absl::StrCat(what, " names object ", index, ", but object ",
                         object_raw_bytes.size(), " was not used before"));
      }
      if (index == object_raw_bytes.size()) {
        object_raw_bytes.push_back(segment.raw_bytes());
      }
      if (object_raw_bytes[index] != segment.raw_bytes()) {
        return Contradiction(absl::StrCat(what, " has ", segment.raw_bytes(),
                                          " bytes, but its object has ",
                                          object_raw_bytes[index]));
      }
      if (!AddTo(&file_bytes, segment.raw_bytes())) {
        return Contradiction(absl::StrCat(what, " is too large"));
      }
    }
    if (file_bytes != file.size_bytes() || file_bytes > INT64_MAX) {
      return Contradiction(
          absl::StrCat("file ", Quoted(file.path()), " has ", file.size_bytes(),
                       " bytes, but its segments have ", file_bytes));
    }
  }
  if (object_raw_bytes.size() != manifest.object_count()) {
    return Contradiction(absl::StrCat("it announces ", manifest.object_count(),
                                      " objects, but its files use ",
                                      object_raw_bytes.size()));
  }
  return absl::OkStatus();
}

std::string ObjectPlan::DescribeChunk(int chunk_index) const {
  return absl::StrCat(description, ": chunk ", chunk_index);
}

absl::StatusOr<ObjectPlan> CheckObjectManifest(v1::ObjectManifest manifest,
                                               std::string description,
                                               uint64_t expected_index,
                                               uint64_t raw_bytes,
                                               v1::Precision precision) {
  ObjectPlan plan;
  plan.manifest = std::move(manifest);
  plan.description = std::move(description);
  QSTORE_RETURN_IF_ERROR(
      Annotate(CheckObject(&plan, expected_index, raw_bytes, precision),
               plan.description));
  return plan;
}

}  // namespace qstore::client
