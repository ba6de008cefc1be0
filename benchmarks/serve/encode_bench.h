// What the codec alone takes for the tensors of a file: what an upload of it
// cannot cost less than.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "benchmarks/serve/download_bench.h"

namespace qstore {

// Encodes every tensor of the safetensors file, on this thread, in the chunks
// and by the rules of an upload. With `verify` each chunk is decoded and
// compared as well, as `qstored --verify-ingest on` does. `bytes`: of tensors.
absl::StatusOr<BenchResult> EncodeFile(const std::string& path, bool verify);

}  // namespace qstore
