// What every call has around its own work: a place among the calls that run,
// rights, a request id, a line in the log when it ends, its share of the
// counts, and its error in the form in which it leaves the server.
//
// Waiting for the turn is pooled_call's, and Download's own.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/thread_pool.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/status.h"
#include "model/names.h"
#include "nlohmann/json_fwd.hpp"
#include "qstore/v1/model_store.pb.h"
#include "server/calls/call_counts.h"
#include "server/calls/call_method.h"
#include "server/calls/rights.h"
#include "server/calls/status_mapping.h"
#include "server/limits/call_admission.h"
#include "server/limits/open_calls.h"
#include "server/limits/stall_watch.h"

namespace qstore::server {

// What all calls share. Not owned; outlives every call.
struct CallEnvironment {
  CallAdmission* admission = nullptr;
  const Rights* rights = nullptr;
  CallCounts* counts = nullptr;
  StallWatch* stalls = nullptr;
  OpenCalls* open_calls = nullptr;
  ThreadPool* short_calls = nullptr;  // that do the work of short calls
  // Whose path clients are not told; null: none.
  const std::string* data_dir = nullptr;
};

// Of one call; used by one thread at a time.
class CallFrame {
 public:
  // Before the call has answered anything: the client is told the request id
  // with its first answer. `context` outlives this; `object` as below.
  CallFrame(const CallEnvironment& environment, const CallMethod& method,
            grpc::ServerContextBase* context, std::string object = "");
  CallFrame(const CallFrame&) = delete;
  CallFrame& operator=(const CallFrame&) = delete;

  // The valid reference, when the caller has the right to this method for its
  // model. Every call about a model asks before it does anything. "latest" when
  // neither tag nor revision is given.
  absl::StatusOr<ModelReference> Authorize(const v1::Reference& reference);
  absl::Status Authorize(const std::string& model);
  // Of a method that is not about one model: the same. OK of others.
  absl::Status AuthorizeWhole();

  // "org/name:tag", for the log and for errors; safe to print.
  void set_object(std::string object) { object_ = std::move(object); }
  // The revision that the call is about, once it is known.
  void set_revision(std::string revision) {
    subject_.revision = std::move(revision);
  }
  // What it did, where the method, object and revision do not say it: "tag prod
  // -> 5a473e4d80ab". For the log.
  void set_outcome(std::string outcome) { outcome_ = std::move(outcome); }
  // Payload of the model, sent or received.
  void add_bytes(uint64_t bytes) { payload_bytes_ += bytes; }

  // Whose share it is of (connections/peer_address.h).
  const std::string& peer_address() const { return peer_address_; }
  const std::string& request_id() const { return request_id_; }

  // Logs and counts the call, and gives gRPC its status: with advice on damage
  // and details (status_mapping.h), of which the reason is never missing. Call
  // once.
  grpc::Status End(const absl::Status& status);

 private:
  void Log(const absl::Status& status, double seconds) const;
  nlohmann::ordered_json LogFields(const absl::Status& status,
                                   double seconds) const;

  const CallEnvironment environment_;
  const CallMethod& method_;
  grpc::ServerContextBase* const context_;
  const std::string peer_;
  const std::string peer_address_;
  const std::string request_id_;
  const std::chrono::steady_clock::time_point begin_;
  std::string object_;
  ErrorSubject subject_;
  std::string outcome_;
  uint64_t payload_bytes_ = 0;
  bool authorized_ = false;
};

}  // namespace qstore::server
