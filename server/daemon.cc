#include "server/daemon.h"

#include <grpc/compression.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/resource_quota.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <climits>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/status.h"
#include "base/text/quote.h"
#include "server/engines.h"
#include "server/limits/memory_plan.h"
#include "server/sweep_log.h"
#include "server/upload/chunk_work.h"
#include "server/upload/restore_uploads.h"
#include "server/upload/upload_session.h"

namespace qstore::server {
namespace {

constexpr char kServiceName[] = "qstore.v1.ModelStore";
// Not a service of the API: what changes the store.
constexpr char kWritesName[] = "qstore.v1.ModelStore.writes";

// An upload message: its payload and what protobuf adds.
constexpr int kMaxReceivedMessageBytes =
    static_cast<int>(kMaxUploadPayloadBytes) + (64 << 10);

constexpr int kMaxStreamsPerConnection = 256;
constexpr int kKeepaliveMilliseconds = 60'000;
// For what a client says first, before there are calls.
constexpr int kHandshakeTimeoutMilliseconds = 20'000;
constexpr int kMinClientPingIntervalMilliseconds = 10'000;

// Of the memory for lists of tensors, what those may have that wait for their
// clients to ask for the next page.
constexpr uint64_t kKeptListingsShare = 8;

// Encode tasks wait here beyond those that run; more only hold memory.
constexpr size_t kQueuedTasksPerThread = 4;

// Slices that gRPC still holds after its shutdown are a matter of moments.
constexpr auto kUnpinTimeout = std::chrono::seconds(10);
// How long the answers of finished calls may take to be sent.
constexpr std::chrono::milliseconds kAnswerTimeout{1000};
// How much of the grace the deletion of what nobody uses any more may take.
constexpr absl::Duration kCollectionTimeout = absl::Seconds(2);

std::unique_ptr<Scrubber> StartScrubber(const ServerOptions& options,
                                        storage::ModelStore* store,
                                        const CallAdmission* admission,
                                        Timer* timer) {
  if (options.scrub_interval_hours == 0) return nullptr;
  ScrubOptions scrub;
  scrub.bytes_per_second = options.scrub_bytes_per_second;
  scrub.interval = std::chrono::hours(options.scrub_interval_hours);
  // An engine that keeps nothing has made no directory.
  std::error_code ignored;
  if (std::filesystem::is_directory(options.data_dir, ignored)) {
    scrub.state_path = std::filesystem::path(options.data_dir) / "scrub-state";
  }
  return std::make_unique<Scrubber>(store, admission, timer, scrub);
}

// See EncodePipeline::Reserve: with less, uploads could wait for each other.
absl::Status CheckIngestMemory(const ServerOptions& options) {
  const uint64_t needed = options.calls.uploads * kMaxChunkLeaseBytes;
  if (options.ingest_memory_bytes >= needed) return absl::OkStatus();
  constexpr uint64_t kMebibyte = 1u << 20;
  return absl::InvalidArgumentError(absl::StrCat(
      "--ingest-memory is ", options.ingest_memory_bytes / kMebibyte,
      " MiB, but ", options.calls.uploads, " uploads at once need at least ",
      (needed + kMebibyte - 1) / kMebibyte,
      " MiB; raise it or lower --max-uploads"));
}

std::unique_ptr<storage::DiskSpace> DiskSpaceOf(const ServerOptions& options) {
  if (options.engine == "memory") return nullptr;
  return storage::NewDiskSpace(options.data_dir);
}

// A ping waits behind what the kernel holds for a slow reader, some megabytes,
// and gRPC makes this TCP_USER_TIMEOUT too: anything shorter than the stall
// timeout would drop readers that are only slow.
int KeepaliveTimeoutMilliseconds(const ServerOptions& options) {
  if (options.stall_timeout_seconds == 0) return INT_MAX;
  return static_cast<int>(options.stall_timeout_seconds * 1000);
}

// What a client may send ahead of what has been read. gRPC would find out by
// pings how much the network holds, up to many MiB a connection: a few uploads
// that come faster than they are stored then use up the memory of all
// connections, and gRPC makes room by cutting off calls, whichever. A window of
// 4 MiB carries 40 MB/s over 100 ms.
int SendAheadBytes(const ServerOptions& options) {
  constexpr uint64_t kLeastBytes = 1u << 20;
  constexpr uint64_t kMostBytes = 4u << 20;
  return static_cast<int>(std::clamp(
      options.connection_memory_bytes / (2 * (options.calls.uploads + 8)),
      kLeastBytes, kMostBytes));
}

// gRPC bounds a message only once it has been unpacked, and two megabytes of
// gzip can unpack to two gigabytes. A call that announces a compression ends
// with UNIMPLEMENTED before its first message is read; without an announced one
// a message's flag means nothing, and its bytes are taken as they are.
void RefuseCompression(grpc::ServerBuilder* builder) {
  builder->AddChannelArgument(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0);
  builder->AddChannelArgument(GRPC_ARG_ENABLE_PER_MESSAGE_COMPRESSION, 0);
  for (const auto algorithm : {GRPC_COMPRESS_DEFLATE, GRPC_COMPRESS_GZIP}) {
    builder->SetCompressionAlgorithmSupportStatus(algorithm, false);
  }
}

void SetChannelArguments(const ServerOptions& options,
                         grpc::ServerBuilder* builder) {
  builder->AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS,
                              kMaxStreamsPerConnection);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES,
                              SendAheadBytes(options));
  // A peer that is gone without a word must not hold an upload's slot.
  builder->AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS,
                              kHandshakeTimeoutMilliseconds);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS,
                              kKeepaliveMilliseconds);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS,
                              KeepaliveTimeoutMilliseconds(options));
  builder->AddChannelArgument(
      GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
      kMinClientPingIntervalMilliseconds);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Daemon>> Daemon::Start(
    const ServerOptions& options) {
  QSTORE_RETURN_IF_ERROR(CheckIngestMemory(options));
  // Before a directory is made for nothing.
  QSTORE_RETURN_IF_ERROR(ListeningSockets::Open(options.listen).status());
  auto write_watch = std::make_shared<WriteWatch>();
  auto engine = OpenEngine(options, [write_watch](const absl::Status&) {
    write_watch->NoteFailure();
  });
  if (!engine.ok()) {
    return Annotate(engine.status(),
                    "cannot open the store in " + Quoted(options.data_dir));
  }
  return StartWatched(options, *std::move(engine), std::move(write_watch));
}

absl::StatusOr<std::unique_ptr<Daemon>> Daemon::StartWithEngine(
    const ServerOptions& options, storage::Engine engine) {
  QSTORE_RETURN_IF_ERROR(CheckIngestMemory(options));
  return StartWatched(options, std::move(engine),
                      std::make_shared<WriteWatch>());
}

absl::StatusOr<std::unique_ptr<Daemon>> Daemon::StartWatched(
    const ServerOptions& options, storage::Engine engine,
    std::shared_ptr<WriteWatch> write_watch) {
  storage::Engine watched = storage::WithWatchedWrites(
      std::move(engine),
      [write_watch](const absl::Status&) { write_watch->NoteFailure(); });
  auto store = storage::ModelStore::Open(std::move(watched),
                                         {.report_collection = LogCollection});
  if (!store.ok()) {
    return Annotate(store.status(),
                    "cannot open the store in " + Quoted(options.data_dir));
  }
  LogSweep((*store)->sweep_report());
  std::unique_ptr<BackupDirectory> backups;
  if (!options.backup_dir.empty()) {
    QSTORE_ASSIGN_OR_RETURN(
        backups, BackupDirectory::Open(options.backup_dir, options.data_dir));
  }
  std::unique_ptr<Daemon> daemon(new Daemon(
      options, std::move(write_watch), *std::move(store), std::move(backups)));
  QSTORE_RETURN_IF_ERROR(daemon->quotas_.Load(daemon->store_.get()));
  RestoreUploads(daemon->store_.get(), daemon->Ingest(), &daemon->upload_park_);
  QSTORE_RETURN_IF_ERROR(daemon->Serve());
  return daemon;
}

Daemon::Daemon(const ServerOptions& options,
               std::shared_ptr<WriteWatch> write_watch,
               std::unique_ptr<storage::ModelStore> store,
               std::unique_ptr<BackupDirectory> backups)
    : options_(options),
      write_watch_(std::move(write_watch)),
      store_(std::move(store)),
      backups_(std::move(backups)),
      cancellations_(&timer_),
      ingest_budget_(options.ingest_memory_bytes, &cancellations_),
      metadata_budget_(options.metadata_memory_bytes),
      verify_budget_(VerifyBytes(options), &cancellations_),
      disk_reserve_(DiskSpaceOf(options), options.disk_reserve_bytes,
                    [store = store_.get()](absl::Duration timeout) {
                      store->WaitForCollection(timeout).IgnoreError();
                    }),
      quotas_(options.quotas),
      stalls_(std::chrono::seconds(options.stall_timeout_seconds), &timer_),
      open_calls_(options.answer_memory_bytes),
      pinned_bytes_(std::make_shared<PinnedBytesGauge>()),
      admission_(options.calls, &timer_),
      encode_pool_(EncodeThreadCount(options),
                   kQueuedTasksPerThread * EncodeThreadCount(options)),
      // And the tasks of the park, of the watch on writes, and of listings.
      read_pool_(ReadThreadCount(options),
                 options.calls.downloads + 2 + KeptListings::kMaxListings),
      // A call leaves its place a moment before its thread.
      short_call_threads_(options.calls.short_calls, options.calls.short_calls),
      upload_threads_(options.calls.uploads, options.calls.uploads),
      verify_threads_(options.calls.verifies, options.calls.verifies),
      scrubber_(StartScrubber(options, store_.get(), &admission_, &timer_)),
      upload_park_(
          {.window = std::chrono::seconds(options.resume_window_seconds),
           .uploads = options.max_parked_uploads},
          &timer_, &read_pool_),
      listings_(options.metadata_memory_bytes / kKeptListingsShare, &timer_,
                &read_pool_),
      service_(store_.get(), Environment(),
               UploadResources{.store = store_.get(),
                               .ingest = Ingest(),
                               .park = &upload_park_,
                               .threads = &upload_threads_},
               DownloadResources{.store = store_.get(),
                                 .read_pool = &read_pool_,
                                 .gauge = pinned_bytes_,
                                 .pin_bytes = options.download_buffer_bytes,
                                 .metadata = &metadata_budget_},
               VerifyResources{.store = store_.get(),
                               .pool = &encode_pool_,
                               .codecs = &codecs_,
                               .budget = &verify_budget_,
                               .metadata = &metadata_budget_,
                               .threads = &verify_threads_},
               &listings_),
      admin_service_(store_.get(), Environment(), backups_.get(),
                     scrubber_.get()),
      reflection_service_(Environment()) {}

IngestResources Daemon::Ingest() {
  return {.encode_pool = &encode_pool_,
          .codecs = &codecs_,
          .budget = &ingest_budget_,
          .verify = options_.verify_ingest,
          .limits = options_.ingest_limits,
          .metadata = &metadata_budget_,
          .disk_reserve = &disk_reserve_,
          .quotas = &quotas_,
          .checkpoints = {.window = std::chrono::seconds(
                              options_.resume_window_seconds),
                          .every_bytes = options_.checkpoint_bytes},
          .cancelled = {},
          .cancellations = &cancellations_};
}

CallEnvironment Daemon::Environment() {
  return {.admission = &admission_,
          .rights = &rights_,
          .counts = &call_counts_,
          .stalls = &stalls_,
          .open_calls = &open_calls_,
          .short_calls = &short_call_threads_,
          .data_dir = &options_.data_dir};
}

absl::Status Daemon::Serve() {
  QSTORE_ASSIGN_OR_RETURN(ListeningSockets sockets,
                          ListeningSockets::Open(options_.listen));
  sockets.SetUserTimeout(stalls_.timeout());
  address_ = sockets.address();
  grpc::EnableDefaultHealthCheckService(true);
  grpc::ServerBuilder builder;
  acceptor_ = builder.experimental().AddExternalConnectionAcceptor(
      grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD,
      grpc::InsecureServerCredentials());
  builder.RegisterService(&service_);
  builder.RegisterService(&admin_service_);
  builder.RegisterService(&reflection_service_);
  builder.SetMaxReceiveMessageSize(kMaxReceivedMessageBytes);
  builder.SetMaxSendMessageSize(-1);
  grpc::ResourceQuota quota("qstored");
  quota.Resize(options_.connection_memory_bytes);
  builder.SetResourceQuota(quota);
  SetChannelArguments(options_, &builder);
  RefuseCompression(&builder);
  server_ = builder.BuildAndStart();
  if (server_ == nullptr) {
    return absl::InternalError("gRPC does not start; see --log-level debug");
  }
  server_->GetHealthCheckService()->SetServingStatus("", true);
  server_->GetHealthCheckService()->SetServingStatus(kServiceName, true);
  server_->GetHealthCheckService()->SetServingStatus(kWritesName, true);
  write_watch_->Start([this] { return store_->TryWriting(); },
                      [this](const absl::Status& status) {
                        LogWriting(status);
                        server_->GetHealthCheckService()->SetServingStatus(
                            kWritesName, status.ok());
                      },
                      &timer_, &read_pool_);
  listener_ = std::make_unique<ConnectionListener>(
      std::move(sockets), options_.max_connections,
      [this](int listener, int connection) {
        grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters
            accepted;
        accepted.listener_fd = listener;
        accepted.fd = connection;
        acceptor_->HandleNewConnection(&accepted);
      });
  listener_->Start();
  return absl::OkStatus();
}

Daemon::~Daemon() { Shutdown(std::chrono::milliseconds(0)); }

void Daemon::Shutdown(std::chrono::milliseconds grace) {
  if (server_ == nullptr) return;
  const auto deadline = std::chrono::steady_clock::now() + grace;
  // The port stays open while calls finish, so that probes can read the state
  // and new calls get a clear answer.
  server_->GetHealthCheckService()->Shutdown();
  write_watch_->Stop();
  admission_.StopAdmitting();
  if (scrubber_ != nullptr) scrubber_->Stop();
  upload_park_.Close();
  if (!admission_.WaitUntilIdle(deadline) && grace.count() > 0) {
    spdlog::warn("the grace period is over; cancelling the calls that run");
  }
  if (listener_ != nullptr) listener_->Stop();
  // An answer is sent after its handler has returned; a call that was done in
  // time must not look cancelled to its client. Then cancels what is left,
  // health watches and reflection among it, which never end by themselves.
  server_->Shutdown(std::chrono::system_clock::now() +
                    std::min(grace, kAnswerTimeout));
  server_.reset();
  spdlog::debug("calls until shutdown: {}", call_counts_.Summary());
  if (!pinned_bytes_->WaitUntilZero(std::chrono::steady_clock::now() +
                                    kUnpinTimeout)) {
    spdlog::error("{} bytes of stored values are still in use at shutdown",
                  pinned_bytes_->bytes());
  }
  // What was let go of last; the sweep of the next start has the rest.
  const auto left = std::max(deadline - std::chrono::steady_clock::now(),
                             std::chrono::steady_clock::duration::zero());
  store_
      ->WaitForCollection(std::min(absl::FromChrono(left), kCollectionTimeout))
      .IgnoreError();
}

}  // namespace qstore::server
