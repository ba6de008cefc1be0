#include "model/names.h"

#include <algorithm>
#include <cstdint>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/error_reason.h"
#include "base/status.h"
#include "base/text/quote.h"
#include "base/text/utf8.h"

namespace qstore {
namespace {

bool IsLetterOrDigit(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c));
}

bool IsNameCharacter(char c) {
  return IsLetterOrDigit(c) || c == '.' || c == '_' || c == '-';
}

bool IsLowerHexDigit(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

// Includes U+0080 to U+009F, which terminals obey too.
bool IsControlCharacter(uint32_t code_point) {
  return code_point < 0x20 || (code_point >= 0x7F && code_point <= 0x9F);
}

// `what` is "model name", "tag", "revision" or "path".
absl::Status Refuse(const char* what, std::string_view value,
                    const std::string& reason) {
  return WithReason(
      MakeStatus(absl::StatusCode::kInvalidArgument,
                 absl::StrCat(what, " ", Quoted(value), " ", reason)),
      kReasonInvalidName);
}

absl::Status CheckLength(const char* what, std::string_view value,
                         size_t max_bytes) {
  if (value.empty()) {
    return WithReason(MakeStatus(absl::StatusCode::kInvalidArgument,
                                 absl::StrCat(what, " is empty")),
                      kReasonInvalidName);
  }
  if (value.size() > max_bytes) {
    return Refuse(what, value,
                  absl::StrCat("has ", value.size(), " bytes; at most ",
                               max_bytes, " are allowed"));
  }
  return absl::OkStatus();
}

// Calls `check` with each run between '/'s, the empty ones included.
template <typename Check>
absl::Status ForEachSegment(std::string_view path, const Check& check) {
  while (true) {
    const size_t slash = path.find('/');
    QSTORE_RETURN_IF_ERROR(check(path.substr(0, slash)));
    if (slash == std::string_view::npos) return absl::OkStatus();
    path.remove_prefix(slash + 1);
  }
}

absl::Status CheckNameCharacters(const char* what, std::string_view name) {
  if (std::all_of(name.begin(), name.end(), IsNameCharacter)) {
    return absl::OkStatus();
  }
  return Refuse(what, name,
                "may contain only letters, digits, '.', '_' and '-'");
}

}  // namespace

absl::Status ValidateModelName(std::string_view name) {
  constexpr const char* kWhat = "model name";
  QSTORE_RETURN_IF_ERROR(CheckLength(kWhat, name, kMaxModelNameBytes));
  size_t segment_count = 0;
  const auto check_segment = [&](std::string_view segment) -> absl::Status {
    ++segment_count;
    if (segment.empty()) {
      return Refuse(kWhat, name, "has an empty part beside a '/'");
    }
    if (!IsLetterOrDigit(segment.front())) {
      return Refuse(kWhat, name,
                    absl::StrCat("has the part ", Quoted(segment),
                                 ", which must start with a letter or digit"));
    }
    if (!std::all_of(segment.begin(), segment.end(), IsNameCharacter)) {
      return Refuse(kWhat, name,
                    "may contain only letters, digits, '.', '_', '-' and '/'");
    }
    if (segment.find("..") != std::string_view::npos) {
      return Refuse(kWhat, name, "may not contain \"..\"");
    }
    return absl::OkStatus();
  };
  QSTORE_RETURN_IF_ERROR(ForEachSegment(name, check_segment));
  if (segment_count > kMaxModelNameSegments) {
    return Refuse(
        kWhat, name,
        absl::StrCat("has ", segment_count, " parts between '/'s; at most ",
                     kMaxModelNameSegments, " are allowed"));
  }
  return absl::OkStatus();
}

absl::Status ValidateTag(std::string_view tag) {
  constexpr const char* kWhat = "tag";
  QSTORE_RETURN_IF_ERROR(CheckLength(kWhat, tag, kMaxTagBytes));
  if (!IsLetterOrDigit(tag.front()) && tag.front() != '_') {
    return Refuse(kWhat, tag, "must start with a letter, a digit or '_'");
  }
  return CheckNameCharacters(kWhat, tag);
}

absl::Status ValidateBackupName(std::string_view name) {
  constexpr const char* kWhat = "backup name";
  QSTORE_RETURN_IF_ERROR(CheckLength(kWhat, name, kMaxBackupNameBytes));
  if (!IsLetterOrDigit(name.front())) {
    return Refuse(kWhat, name, "must start with a letter or digit");
  }
  return CheckNameCharacters(kWhat, name);
}

absl::Status ValidateRevisionPrefix(std::string_view revision) {
  constexpr const char* kWhat = "revision";
  QSTORE_RETURN_IF_ERROR(CheckLength(kWhat, revision, kRevisionHexDigits));
  if (!std::all_of(revision.begin(), revision.end(), IsLowerHexDigit)) {
    return Refuse(kWhat, revision, "may contain only the digits 0-9 and a-f");
  }
  if (revision.size() < kMinRevisionPrefixDigits) {
    return Refuse(
        kWhat, revision,
        absl::StrCat("has ", revision.size(), " digits; give at least ",
                     kMinRevisionPrefixDigits));
  }
  return absl::OkStatus();
}

absl::Status ValidateRelativePath(std::string_view path) {
  constexpr const char* kWhat = "path";
  QSTORE_RETURN_IF_ERROR(CheckLength(kWhat, path, kMaxPathBytes));
  if (path.front() == '/') {
    return Refuse(kWhat, path, "is absolute; it must be relative");
  }
  std::string_view rest = path;
  while (!rest.empty()) {
    const std::optional<uint32_t> code_point = TakeCodePoint(&rest);
    if (!code_point) return Refuse(kWhat, path, "is not valid UTF-8");
    if (IsControlCharacter(*code_point)) {
      return Refuse(kWhat, path, "contains a control character");
    }
    if (*code_point == '\\') return Refuse(kWhat, path, "contains a backslash");
  }
  return ForEachSegment(path, [&](std::string_view segment) -> absl::Status {
    if (segment.empty()) {
      return Refuse(kWhat, path, "has an empty part beside a '/'");
    }
    if (segment == "." || segment == "..") {
      return Refuse(kWhat, path,
                    absl::StrCat("has the part ", Quoted(segment)));
    }
    if (segment.size() > kMaxPathSegmentBytes) {
      return Refuse(
          kWhat, path,
          absl::StrCat("has a part of ", segment.size(), " bytes; at most ",
                       kMaxPathSegmentBytes, " are allowed"));
    }
    return absl::OkStatus();
  });
}

std::string ModelReference::ToString() const {
  if (!revision_prefix.empty())
    return absl::StrCat(model, "@", revision_prefix);
  if (!tag.empty()) return absl::StrCat(model, ":", tag);
  return model;
}

absl::StatusOr<ModelReference> ParseModelReference(std::string_view text) {
  // A model name has neither ':' nor '@', so the first one ends it.
  const size_t separator = text.find_first_of(":@");
  ModelReference reference;
  reference.model = std::string(text.substr(0, separator));
  QSTORE_RETURN_IF_ERROR(ValidateModelName(reference.model));
  if (separator == std::string_view::npos) {
    reference.tag = std::string(kDefaultTag);
    return reference;
  }
  const std::string version(text.substr(separator + 1));
  if (text[separator] == ':') {
    QSTORE_RETURN_IF_ERROR(ValidateTag(version));
    reference.tag = version;
  } else {
    QSTORE_RETURN_IF_ERROR(ValidateRevisionPrefix(version));
    reference.revision_prefix = version;
  }
  return reference;
}

}  // namespace qstore
