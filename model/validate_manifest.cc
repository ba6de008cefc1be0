#include <limits>
#include <set>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/text/quote.h"
#include "base/text/utf8.h"
#include "model/manifest.h"
#include "model/names.h"

namespace qstore::model {
namespace {

absl::Status InvalidManifest(const std::string& text) {
  return absl::InvalidArgumentError(text);
}

// No path may be twice there or need a file to be a directory.
absl::Status ValidatePaths(const Manifest& manifest) {
  std::set<std::string_view> paths;
  for (const File& file : manifest.files) {
    QSTORE_RETURN_IF_ERROR(Annotate(ValidateRelativePath(file.path),
                                    absl::StrCat("file ", Quoted(file.path))));
    if (!paths.insert(file.path).second) {
      return InvalidManifest(
          absl::StrCat("file ", Quoted(file.path), " is there twice"));
    }
  }
  for (const std::string_view path : paths) {
    for (size_t end = path.find('/'); end != std::string_view::npos;
         end = path.find('/', end + 1)) {
      if (paths.contains(path.substr(0, end))) {
        return InvalidManifest(absl::StrCat(Quoted(path.substr(0, end)),
                                            " is both a file and a directory"));
      }
    }
  }
  return absl::OkStatus();
}

std::string DescribeSegment(const File& file, const Segment& segment) {
  std::string text = absl::StrCat("file ", Quoted(file.path));
  if (!segment.tensor_name.empty()) {
    absl::StrAppend(&text, ": tensor ", Quoted(segment.tensor_name));
  }
  return text;
}

// `used_count`: how many objects the segments before use.
absl::Status ValidateSegment(const Manifest& manifest, const Segment& segment,
                             size_t* used_count) {
  if (!IsValidUtf8(segment.tensor_name)) {
    return InvalidManifest("its name is not UTF-8");
  }
  if (segment.object_index > *used_count ||
      segment.object_index >= manifest.objects.size()) {
    return InvalidManifest(absl::StrCat(
        "it names object ", segment.object_index, ", but object ", *used_count,
        " was not used before, and there are ", manifest.objects.size()));
  }
  if (segment.object_index == *used_count) ++*used_count;
  const Object& object = manifest.objects[segment.object_index];
  if (object.raw_bytes != segment.raw_bytes) {
    return InvalidManifest(absl::StrCat("it has ", segment.raw_bytes,
                                        " bytes, but its object has ",
                                        object.raw_bytes));
  }
  if (object.is_tensor() == segment.tensor_name.empty() && object.is_tensor()) {
    return InvalidManifest("a tensor has no name");
  }
  return absl::OkStatus();
}

absl::Status ValidateTensorNames(const File& file) {
  std::set<std::string_view> names;
  for (const Segment& segment : file.segments) {
    if (segment.tensor_name.empty()) continue;
    if (names.insert(segment.tensor_name).second) continue;
    return InvalidManifest(
        absl::StrCat(DescribeSegment(file, segment), " is there twice"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ValidateManifest(const Manifest& manifest) {
  QSTORE_RETURN_IF_ERROR(ValidatePaths(manifest));
  size_t used_count = 0;
  uint64_t original_bytes = 0;
  for (const File& file : manifest.files) {
    QSTORE_RETURN_IF_ERROR(ValidateTensorNames(file));
    uint64_t file_bytes = 0;
    for (const Segment& segment : file.segments) {
      const size_t used_before = used_count;
      absl::Status status = ValidateSegment(manifest, segment, &used_count);
      if (status.ok() && used_count > used_before) {
        status = ValidateObject(manifest.objects[segment.object_index]);
      }
      if (status.ok() &&
          __builtin_add_overflow(file_bytes, segment.raw_bytes, &file_bytes)) {
        status = InvalidManifest("the sizes overflow");
      }
      QSTORE_RETURN_IF_ERROR(Annotate(status, DescribeSegment(file, segment)));
    }
    if (file_bytes != file.size_bytes ||
        file_bytes > std::numeric_limits<int64_t>::max()) {
      return InvalidManifest(
          absl::StrCat("file ", Quoted(file.path), " has ", file.size_bytes,
                       " bytes, but its segments have ", file_bytes));
    }
    if (__builtin_add_overflow(original_bytes, file_bytes, &original_bytes)) {
      return InvalidManifest("the sizes of all files overflow");
    }
  }
  if (used_count != manifest.objects.size()) {
    return InvalidManifest(absl::StrCat("it has ", manifest.objects.size(),
                                        " objects, but its files use ",
                                        used_count));
  }
  return absl::OkStatus();
}

std::string DescribeObject(const Manifest& manifest, size_t object_index) {
  for (const File& file : manifest.files) {
    for (const Segment& segment : file.segments) {
      if (segment.object_index == object_index) {
        return DescribeSegment(file, segment);
      }
    }
  }
  return absl::StrCat("object ", object_index);
}

}  // namespace qstore::model
