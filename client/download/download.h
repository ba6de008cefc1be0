// Fetches a revision from qstored, decodes it and writes it to a sink.
#pragma once

#include "absl/status/statusor.h"
#include "client/call.h"
#include "client/options.h"
#include "client/results.h"
#include "client/sinks/sink.h"
#include "model/names.h"

namespace qstore::client {

// Either the sink has published all files, or it has been abandoned. Goes on
// where the sink's journal says that a download of the same was interrupted,
// and tries again when the connection breaks.
absl::StatusOr<DownloadResult> Download(const ModelReference& reference,
                                        const DownloadOptions& options,
                                        Sink* sink, const Call& call);

}  // namespace qstore::client
