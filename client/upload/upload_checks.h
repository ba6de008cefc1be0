// Looks at the files of a model directory before anything is sent: what is
// plainly an accident is refused, and what cannot be taken apart is marked to
// be stored as it is.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/upload/directory_walk.h"
#include "model/safetensors.h"

namespace qstore::client {

struct UploadChecks {
  // For the person, in the order of the files.
  std::vector<std::string> notes;
  // Of the safetensors files that can be taken apart, by path.
  std::map<std::string, SafetensorsHeader> headers;
};

// FAILED_PRECONDITION (kReasonAccident), which says what to do, for
//  - a Git LFS pointer in place of a file: the clone was made without git-lfs;
//  - an index (`*.index.json`) that names shards which are not there: their
//    download has not been finished.
// With `force`, or where safetensors files lie beside another format's index,
// these are notes. Sets `as_bytes` of safetensors files that cannot be taken
// apart.
absl::StatusOr<UploadChecks> CheckUploadFiles(bool force,
                                              std::vector<SourceFile>* files);

}  // namespace qstore::client
