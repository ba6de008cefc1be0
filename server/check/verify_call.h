// One Verify: reads a whole revision, and reports what is damaged.
#pragma once

#include "absl/status/status.h"
#include "base/byte_budget.h"
#include "base/thread_pool.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/sync_stream.h"
#include "qstore/v1/model_store.pb.h"
#include "server/calls/call_frame.h"
#include "server/codec_set.h"
#include "server/limits/stall_watch.h"
#include "storage/model_store.h"

namespace qstore::server {

// What all verifications share. Not owned; outlives every call.
struct VerifyResources {
  storage::ModelStore* store = nullptr;
  ThreadPool* pool = nullptr;
  CodecPool* codecs = nullptr;
  // For chunks that are being checked.
  ByteBudget* budget = nullptr;
  // For the lists of tensors of calls that run.
  ByteBudget* metadata = nullptr;
  StallWatch* stalls = nullptr;
};

// Within the frame `call`.
absl::Status VerifyRevision(
    const VerifyResources& resources, CallFrame* call,
    grpc::ServerContext* context, const v1::VerifyRequest& request,
    grpc::ServerWriterInterface<v1::VerifyResponse>* writer);

}  // namespace qstore::server
