// Looks at the files of a model directory before anything is sent: what is
// plainly an accident is refused, and what cannot be taken apart is marked to
// be stored as it is.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/directory_walk.h"

namespace qstore::client {

// FAILED_PRECONDITION, which says what to do, for
//  - a Git LFS pointer in place of a file: the clone was made without git-lfs;
//  - an index (`*.index.json`) that names shards which are not there: their
//    download has not been finished.
// With `force` these are notes. Sets `as_bytes` of safetensors files that
// cannot be taken apart. Returns notes for the person, in the order of the
// files.
absl::StatusOr<std::vector<std::string>> CheckUploadFiles(
    bool force, std::vector<SourceFile>* files);

}  // namespace qstore::client
