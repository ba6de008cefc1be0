#include "wire/manifest_assembler.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "wire/layer_bytes.h"
#include "wire/object_message.h"

namespace qstore::wire {

absl::Status ManifestAssembler::Add(const v1::ManifestPage& page) {
  const auto add = [&]() -> absl::Status {
    received_bytes_ += page.ByteSizeLong();
    if (received_bytes_ > kMaxManifestBytes) {
      return absl::InvalidArgumentError(absl::StrCat(
          "all pages have more than ", kMaxManifestBytes, " bytes"));
    }
    if (complete_) return absl::InvalidArgumentError("it follows the last one");
    if (page.has_head() != (page_count_ == 0)) {
      return absl::InvalidArgumentError(
          "the first page, and no other, has a head");
    }
    // Else there could be no end of them.
    if (page.files().empty() && page.objects().empty() && !page.last()) {
      return absl::InvalidArgumentError("it adds nothing, and is not the last");
    }
    if (page.has_head()) QSTORE_RETURN_IF_ERROR(AddHead(page.head()));
    for (const v1::FileManifest& file : page.files()) {
      QSTORE_RETURN_IF_ERROR(AddFile(file));
    }
    for (const v1::ObjectManifest& object : page.objects()) {
      QSTORE_RETURN_IF_ERROR(AddObject(object));
    }
    complete_ = page.last();
    return absl::OkStatus();
  };
  const absl::Status status = add();
  ++page_count_;
  return Annotate(status,
                  absl::StrCat("page ", page_count_ - 1, " of the manifest"));
}

absl::StatusOr<model::Manifest> ManifestAssembler::Take() {
  if (!complete_) {
    return absl::InvalidArgumentError("the manifest's last page is missing");
  }
  if (manifest_.files.size() != file_count_ ||
      manifest_.objects.size() != object_count_) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the manifest announces ", file_count_, " files and ", object_count_,
        " objects, but has ", manifest_.files.size(), " and ",
        manifest_.objects.size()));
  }
  // Sizes of segments are those of their objects.
  for (model::File& file : manifest_.files) {
    for (model::Segment& segment : file.segments) {
      if (segment.object_index >= manifest_.objects.size()) continue;
      segment.raw_bytes = manifest_.objects[segment.object_index].raw_bytes;
    }
  }
  QSTORE_RETURN_IF_ERROR(model::ValidateManifest(manifest_));
  return std::move(manifest_);
}

absl::Status ManifestAssembler::AddHead(const v1::ManifestHead& head) {
  manifest_.model = head.model();
  manifest_.revision = head.revision();
  manifest_.created_unix_seconds = head.created_unix_seconds();
  manifest_.tags.assign(head.tags().begin(), head.tags().end());
  manifest_.quantizer = head.quantizer();
  QSTORE_ASSIGN_OR_RETURN(manifest_.stored, FromWire(head.stored()));
  manifest_.original_bytes = head.original_bytes();
  manifest_.two_copies_bytes = head.two_copies_bytes();
  file_count_ = head.file_count();
  object_count_ = head.object_count();
  return absl::OkStatus();
}

absl::Status ManifestAssembler::AddFile(const v1::FileManifest& file) {
  if (!manifest_.objects.empty()) {
    return absl::InvalidArgumentError("a file follows objects");
  }
  if (!file.continued()) {
    model::File& added = manifest_.files.emplace_back();
    added.path = file.path();
    added.size_bytes = file.size_bytes();
    added.safetensors = file.safetensors();
  }
  if (manifest_.files.empty()) {
    return absl::InvalidArgumentError("a file goes on that did not begin");
  }
  if (file.continued() && file.segments().empty()) {
    return absl::InvalidArgumentError("a file goes on with nothing");
  }
  std::vector<model::Segment>& segments = manifest_.files.back().segments;
  for (const v1::SegmentManifest& segment : file.segments()) {
    segments.push_back({segment.object_index(), segment.tensor_name(), 0});
  }
  return absl::OkStatus();
}

absl::Status ManifestAssembler::AddObject(const v1::ObjectManifest& object) {
  if (!object.continued()) {
    QSTORE_ASSIGN_OR_RETURN(model::Object added, FromWire(object));
    manifest_.objects.push_back(std::move(added));
    return absl::OkStatus();
  }
  if (manifest_.objects.empty()) {
    return absl::InvalidArgumentError("an object goes on that did not begin");
  }
  if (object.chunks().empty()) {
    return absl::InvalidArgumentError("an object goes on with nothing");
  }
  return AppendChunks(object, &manifest_.objects.back());
}

}  // namespace qstore::wire
