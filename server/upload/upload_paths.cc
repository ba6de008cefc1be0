#include "server/upload/upload_paths.h"

#include "absl/strings/str_cat.h"
#include "base/error_reason.h"
#include "base/status.h"
#include "base/text/quote.h"
#include "model/names.h"
#include "model/reserved_names.h"

namespace qstore::server {
namespace {

absl::Status Conflict(const std::string& file, const std::string& inside) {
  return WithReason(
      absl::InvalidArgumentError(absl::StrCat(
          "path ", Quoted(file), " is a file of the upload and also ",
          "the directory of ", Quoted(inside))),
      kReasonInvalidName);
}

}  // namespace

absl::Status CheckUploadPath(const std::set<std::string>& paths,
                             const std::string& path) {
  QSTORE_RETURN_IF_ERROR(ValidateRelativePath(path));
  if (const std::string_view part = ReservedPart(path); !part.empty()) {
    return WithReason(
        absl::InvalidArgumentError(
            absl::StrCat("path ", Quoted(path), " has the part ", Quoted(part),
                         ", a name that qstore-client keeps for what downloads "
                         "have not finished: remove or rename it")),
        kReasonInvalidName);
  }
  if (paths.contains(path)) {
    return WithReason(absl::InvalidArgumentError(absl::StrCat(
                          "file ", Quoted(path), " came a second time")),
                      kReasonInvalidName);
  }
  const std::string as_directory = path + "/";
  const auto inside = paths.lower_bound(as_directory);
  if (inside != paths.end() && inside->starts_with(as_directory)) {
    return Conflict(path, *inside);
  }
  for (size_t slash = path.find('/'); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    if (const std::string parent = path.substr(0, slash);
        paths.contains(parent)) {
      return Conflict(parent, path);
    }
  }
  return absl::OkStatus();
}

}  // namespace qstore::server
