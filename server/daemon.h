// A running server: the store, the pools and gRPC, and the order in which they
// start and stop.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "base/byte_budget.h"
#include "base/cancellation_watch.h"
#include "base/thread_pool.h"
#include "base/timer.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "server/backup_directory.h"
#include "server/calls/admin_service.h"
#include "server/calls/call_counts.h"
#include "server/calls/call_frame.h"
#include "server/calls/reflection_service.h"
#include "server/calls/rights.h"
#include "server/calls/service.h"
#include "server/check/scrubber.h"
#include "server/codec_set.h"
#include "server/connections/connection_listener.h"
#include "server/download/pinned_bytes.h"
#include "server/limits/call_admission.h"
#include "server/limits/disk_reserve.h"
#include "server/limits/open_calls.h"
#include "server/limits/quotas.h"
#include "server/limits/stall_watch.h"
#include "server/limits/write_watch.h"
#include "server/options.h"
#include "server/upload/ingest_resources.h"
#include "server/upload/upload_park.h"
#include "storage/engine.h"
#include "storage/model_store.h"

namespace qstore::server {

class Daemon {
 public:
  // Opens the store and serves. Errors are sentences for the operator.
  static absl::StatusOr<std::unique_ptr<Daemon>> Start(
      const ServerOptions& options);
  // The same over an engine that is open already.
  static absl::StatusOr<std::unique_ptr<Daemon>> StartWithEngine(
      const ServerOptions& options, storage::Engine engine);

  // Shuts down without grace if Shutdown was not called.
  ~Daemon();
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  // Health turns to NOT_SERVING and new calls get UNAVAILABLE; running calls
  // may finish until `grace` has passed, then they are cancelled; then the
  // store is closed. Call from one thread.
  void Shutdown(std::chrono::milliseconds grace);

  // "127.0.0.1:7350", with the real port.
  const std::string& address() const { return address_; }
  storage::ModelStore& store() { return *store_; }
  size_t running_calls() const { return admission_.running_calls(); }
  size_t waiting_calls() const { return admission_.waiting_calls(); }
  const ByteBudget& ingest_budget() const { return ingest_budget_; }
  const ByteBudget& metadata_budget() const { return metadata_budget_; }
  const OpenCalls& open_calls() const { return open_calls_; }
  const ByteBudget& verify_budget() const { return verify_budget_; }
  const CallCounts& call_counts() const { return call_counts_; }
  const UploadPark& upload_park() const { return upload_park_; }
  const ConnectionListener& connections() const { return *listener_; }
  const PinnedBytesGauge& pinned_bytes() const { return *pinned_bytes_; }
  // Why the store takes no writes; OK when it does.
  absl::Status writing_status() const { return write_watch_->status(); }

 private:
  Daemon(const ServerOptions& options, std::shared_ptr<WriteWatch> write_watch,
         std::unique_ptr<storage::ModelStore> store,
         std::unique_ptr<BackupDirectory> backups);
  static absl::StatusOr<std::unique_ptr<Daemon>> StartWatched(
      const ServerOptions& options, storage::Engine engine,
      std::shared_ptr<WriteWatch> write_watch);
  absl::Status Serve();
  CallEnvironment Environment();
  IngestResources Ingest();

  const ServerOptions options_;
  std::string address_;
  // The store's engine has it too.
  const std::shared_ptr<WriteWatch> write_watch_;
  // Destroyed from the last to the first: nothing may outlive what it uses.
  std::unique_ptr<storage::ModelStore> store_;
  const std::unique_ptr<BackupDirectory> backups_;  // null: off
  Timer timer_;
  CancellationWatch cancellations_;
  ByteBudget ingest_budget_;
  ByteBudget metadata_budget_;
  ByteBudget verify_budget_;
  DiskReserve disk_reserve_;
  Quotas quotas_;
  StallWatch stalls_;
  OpenCalls open_calls_;
  CodecPool codecs_;
  const std::shared_ptr<PinnedBytesGauge> pinned_bytes_;
  CallAdmission admission_;
  const AllowAll rights_;
  CallCounts call_counts_;
  ThreadPool encode_pool_;
  ThreadPool read_pool_;
  ThreadPool short_call_threads_;
  ThreadPool upload_threads_;
  ThreadPool verify_threads_;
  std::unique_ptr<Scrubber> scrubber_;  // null: off
  UploadPark upload_park_;
  KeptListings listings_;
  ModelStoreService service_;
  AdminService admin_service_;
  ReflectionService reflection_service_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor_;
  std::unique_ptr<ConnectionListener> listener_;
};

}  // namespace qstore::server
