// Names that users choose: models, tags, revisions, file paths. Everything that
// comes from outside passes one of these functions before it is used.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace qstore {

inline constexpr size_t kMaxModelNameBytes = 200;
inline constexpr size_t kMaxTagBytes = 128;
inline constexpr size_t kMaxBackupNameBytes = 128;
inline constexpr size_t kMaxPathBytes = 1024;
inline constexpr size_t kMaxPathSegmentBytes = 255;  // NAME_MAX of Linux
inline constexpr size_t kMaxModelNameSegments = 4;
inline constexpr size_t kRevisionHexDigits = 64;
inline constexpr size_t kMinRevisionPrefixDigits = 6;
inline constexpr std::string_view kDefaultTag = "latest";

// One to four segments joined by '/', each of [A-Za-z0-9._-], starting with a
// letter or digit, without "..". INVALID_ARGUMENT says which rule is broken.
absl::Status ValidateModelName(std::string_view name);

// [A-Za-z0-9._-], starting with a letter, digit or '_'.
absl::Status ValidateTag(std::string_view tag);

// Lower-case hex, kMinRevisionPrefixDigits to kRevisionHexDigits digits.
absl::Status ValidateRevisionPrefix(std::string_view revision);

// A directory name: [A-Za-z0-9._-], starting with a letter or digit.
absl::Status ValidateBackupName(std::string_view name);

// A path inside a model directory: relative, '/' between segments, no empty
// segment, no "." or "..", no backslash, no control characters, valid UTF-8.
// It can be joined to a directory without leaving it.
absl::Status ValidateRelativePath(std::string_view path);

// NAME, NAME:TAG or NAME@REVISION as the command line takes them.
struct ModelReference {
  std::string model;
  std::string tag;              // empty when a revision is given
  std::string revision_prefix;  // empty when a tag is given

  std::string ToString() const;
};

// Parses and validates; a bare NAME gets kDefaultTag.
absl::StatusOr<ModelReference> ParseModelReference(std::string_view text);

}  // namespace qstore
