// One Verify: reads a whole revision, and reports what is damaged.
#pragma once

#include <functional>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "base/byte_budget.h"
#include "base/thread_pool.h"
#include "qstore/v1/model_store.pb.h"
#include "server/calls/call_frame.h"
#include "server/codec_set.h"
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
  // That do what is not the pool's, one a call.
  ThreadPool* threads = nullptr;
};

// Within the frame `call`. CANCELLED when `cancelled` says so, which any thread
// may ask, or `write` that nobody takes its reports.
absl::Status VerifyRevision(
    const VerifyResources& resources, CallFrame* call,
    const std::function<bool()>& cancelled, const v1::VerifyRequest& request,
    absl::FunctionRef<bool(const v1::VerifyResponse&)> write);

}  // namespace qstore::server
