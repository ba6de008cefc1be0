// From where an interrupted upload goes on.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cancellation.h"
#include "client/events.h"
#include "client/upload/directory_walk.h"
#include "qstore/v1/model_store.pb.h"

namespace qstore::client {

// Names an upload: equal for another run of the same command on files of the
// same names and sizes, of which the same tensors are quantized. `begin` has
// model, tag and options.
std::string UploadKey(
    const v1::UploadBegin& begin, const std::vector<SourceFile>& files,
    const std::map<std::string, v1::TensorSelection>& selections);

// Whether there is such a point in these files; not the server's word.
bool IsPointOf(const std::vector<SourceFile>& files,
               const v1::UploadPoint& point);

// Bytes of files before `point`, which is one of these files.
uint64_t BytesBefore(const std::vector<SourceFile>& files,
                     const v1::UploadPoint& point);

// Reads what is before `point` and returns the checksum that
// v1::UploadPoint.xxh3 describes. CANCELLED when interrupted.
absl::StatusOr<uint64_t> HashBefore(const std::vector<SourceFile>& files,
                                    const v1::UploadPoint& point,
                                    const Cancellation& cancellation,
                                    Events* events);

}  // namespace qstore::client
